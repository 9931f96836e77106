// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
import Synchronization

/// Those who wait for jobs to end.
final class ResultWaiters: Sendable {
    private struct State {
        var waiting: [JobID: [UInt64: CheckedContinuation<Void, Never>]] = [:]
        var lastID: UInt64 = 0
        var isStopped = false
    }

    private let state = Mutex(State())

    /// Wakes those whose job has ended.
    func observe(_ batch: RecordBatch) {
        let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard !state.waiting.isEmpty else { return [] }
            return batch.changes.filter { $0.to?.isTerminal ?? true }
                .flatMap { state.waiting.removeValue(forKey: $0.id).map { Array($0.values) } ?? [] }
        }
        for continuation in woken { continuation.resume() }
    }

    /// Wakes everybody, now and from now on.
    func stop() {
        let woken = state.withLock { state in
            state.isStopped = true
            defer { state.waiting = [:] }
            return state.waiting.values.flatMap(\.values)
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
            return state.lastID
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait(for: id, ticket: ticket) }
            group.addTask { try? await time.sleep(until: deadline) }  // only a cancelled sleep throws
            if await ifStillNeeded() { await group.next() }
            group.cancelAll()
        }
    }

    private func wait(for id: JobID, ticket: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state -> Bool in
                    if state.isStopped || Task.isCancelled { return true }
                    state.waiting[id, default: [:]][ticket] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
                let found = state.waiting[id]?.removeValue(forKey: ticket)
                if state.waiting[id]?.isEmpty == true { state.waiting[id] = nil }
                return found
            }
            continuation?.resume()
        }
    }
}
