// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
import Synchronization

/// Those who wait for jobs to end.
final class ResultWaiters: Sendable {
    private struct State {
        /// Nil: has registered, but does not sleep yet.
        var waiting: [JobID: [UInt64: CheckedContinuation<Void, Never>?]] = [:]
        var lastID: UInt64 = 0
        var isStopped = false

        mutating func release(_ id: JobID) -> [CheckedContinuation<Void, Never>] {
            waiting.removeValue(forKey: id)?.values.compactMap { $0 } ?? []
        }
    }

    private let state = Mutex(State())

    /// Whether nobody is to wait any more.
    var isStopped: Bool { state.withLock(\.isStopped) }

    /// Wakes those whose job has ended.
    func observe(_ batch: RecordBatch) {
        let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard !state.waiting.isEmpty else { return [] }
            return batch.changes.filter { $0.to?.isTerminal ?? true }.flatMap { state.release($0.id) }
        }
        for continuation in woken { continuation.resume() }
    }

    /// Wakes those who wait for these jobs.
    func wake(_ ids: [JobID]) {
        let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.waiting.isEmpty ? [] : ids.flatMap { state.release($0) }
        }
        for continuation in woken { continuation.resume() }
    }

    /// Wakes everybody, to look for themselves.
    func wakeAll() {
        let woken = state.withLock { state in
            Array(state.waiting.keys).flatMap { state.release($0) }
        }
        for continuation in woken { continuation.resume() }
    }

    /// Wakes everybody, now and from now on.
    func stop() {
        let woken = state.withLock { state in
            state.isStopped = true
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap(\.values).compactMap { $0 }
        }
        for continuation in woken { continuation.resume() }
    }

    /// Returns when the job ends, at the deadline, or when the task is cancelled.
    ///
    /// `ifStillNeeded` is asked once the wait is set up, so that an end in between is not missed.
    func wait(
        for id: JobID,
        until deadline: Int64,
        _ time: any TimeSource,
        ifStillNeeded: @escaping @Sendable () async -> Bool
    ) async {
        let ticket = state.withLock { state in
            state.lastID += 1
            if !state.isStopped { state.waiting[id, default: [:]][state.lastID] = .some(nil) }
            return state.lastID
        }
        defer { forget(id, ticket) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait(for: id, ticket: ticket) }
            group.addTask { try? await time.sleep(until: deadline) }  // only a cancelled sleep throws
            if await ifStillNeeded() { await group.next() }
            group.cancelAll()
        }
    }

    /// Sleeps until woken; what came since the registration wakes it at once.
    private func wait(for id: JobID, ticket: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state -> Bool in
                    guard state.waiting[id]?[ticket] != nil, !Task.isCancelled else { return true }
                    state.waiting[id]?[ticket] = .some(continuation)
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            forget(id, ticket)
        }
    }

    private func forget(_ id: JobID, _ ticket: UInt64) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            let found = state.waiting[id]?.removeValue(forKey: ticket)
            if state.waiting[id]?.isEmpty == true { state.waiting[id] = nil }
            return found ?? nil
        }
        continuation?.resume()
    }
}
