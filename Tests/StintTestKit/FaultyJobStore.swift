// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintStorage
import Synchronization

/// A record that fails or stands still on command, and remembers the batches it was given.
package final class FaultyJobStore: JobStore {
    /// What happens to a batch or a read.
    package enum Fault: Sendable {
        /// Nothing is done.
        case fails(StorageError)
        /// All is done, and nobody hears of it.
        case losesAnswer
    }

    /// Decides for a batch; nil lets it pass.
    package typealias Rule = @Sendable ([RecordCommand]) -> Fault?

    private struct State {
        var rule: Rule?
        var readError: StorageError?
        var isBlocked = false
        var blocked: [CheckedContinuation<Void, Never>] = []
        var batches: [[RecordCommand]] = []
        var reads = 0
        var isClosed = false
    }

    private let store: any JobStore
    private let state = Mutex(State())

    package init(_ store: any JobStore) {
        self.store = store
    }

    // MARK: On command

    /// From now on `rule` decides over every batch.
    package func apply(_ rule: @escaping Rule) {
        state.withLock { $0.rule = rule }
    }

    /// The record is away: every batch and every read fails.
    package func goAway(_ error: StorageError = .unavailable("gone for a test")) {
        state.withLock { state in
            state.rule = { _ in .fails(error) }
            state.readError = error
        }
    }

    /// Reads fail, batches pass.
    package func failReads(_ error: StorageError = .unavailable("unreadable for a test")) {
        state.withLock { $0.readError = error }
    }

    package func comeBack() {
        state.withLock { state in
            state.rule = nil
            state.readError = nil
        }
    }

    /// Batches wait until ``release()``.
    package func block() {
        state.withLock { $0.isBlocked = true }
    }

    package func release() {
        let blocked = state.withLock { state in
            state.isBlocked = false
            defer { state.blocked = [] }
            return state.blocked
        }
        for continuation in blocked { continuation.resume() }
    }

    /// How many batches wait.
    package var waiting: Int { state.withLock(\.blocked.count) }

    /// The batches begun, oldest first.
    package var batches: [[RecordCommand]] { state.withLock(\.batches) }

    package var reads: Int { state.withLock(\.reads) }

    package var isClosed: Bool { state.withLock(\.isClosed) }

    // MARK: JobStore

    package func perform(_ commands: [RecordCommand]) async throws(StorageError) -> RecordBatch {
        await withCheckedContinuation { continuation in
            let passes = state.withLock { state in
                state.batches.append(commands)
                if state.isBlocked { state.blocked.append(continuation) }
                return !state.isBlocked
            }
            if passes { continuation.resume() }
        }
        let rule = state.withLock(\.rule)
        switch rule?(commands) {
        case .fails(let error): throw error
        case .losesAnswer:
            _ = try await store.perform(commands)
            throw .unknownOutcome("the answer was lost for a test")
        case nil: return try await store.perform(commands)
        }
    }

    private func mayRead() throws(StorageError) {
        let error = state.withLock { state in
            state.reads += 1
            return state.readError
        }
        if let error { throw error }
    }

    package func now() async throws(StorageError) -> Timestamp {
        try mayRead()
        return try await store.now()
    }

    package func job(_ id: JobID) async throws(StorageError) -> Job? {
        try mayRead()
        return try await store.job(id)
    }

    package func jobs(_ query: JobQuery) async throws(StorageError) -> JobPage {
        try mayRead()
        return try await store.jobs(query)
    }

    package func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) async throws(StorageError) -> [ReadyJob] {
        try mayRead()
        return try await store.readyJobs(lane: lane, after: after, limit: limit)
    }

    package func readyLanes() async throws(StorageError) -> [Lane] {
        try mayRead()
        return try await store.readyLanes()
    }

    package func countReady(lane: Lane, before: ServingOrder, limit: Int) async throws(StorageError) -> Int {
        try mayRead()
        return try await store.countReady(lane: lane, before: before, limit: limit)
    }

    package func nextDue() async throws(StorageError) -> Timestamp? {
        try mayRead()
        return try await store.nextDue()
    }

    package func session(_ id: WorkerID) async throws(StorageError) -> WorkerSession? {
        try mayRead()
        return try await store.session(id)
    }

    package func sessions() async throws(StorageError) -> [WorkerSession] {
        try mayRead()
        return try await store.sessions()
    }

    package func notices(for sessions: [WorkerID]) async throws(StorageError) -> [RecordNotice] {
        try mayRead()
        return try await store.notices(for: sessions)
    }

    package func leases(of session: WorkerID) async throws(StorageError) -> [LeaseToken] {
        try mayRead()
        return try await store.leases(of: session)
    }

    package func lastRenewal() async throws(StorageError) -> Timestamp? {
        try mayRead()
        return try await store.lastRenewal()
    }

    package func queues() async throws(StorageError) -> [QueueStatus] {
        try mayRead()
        return try await store.queues()
    }

    package func deadLetterGroups(
        _ filter: DeadLetterFilter,
        limit: Int
    ) async throws(StorageError) -> [DeadLetterGroup] {
        try mayRead()
        return try await store.deadLetterGroups(filter, limit: limit)
    }

    package func diagnostics() async throws(StorageError) -> [RecordDiagnostic] {
        try mayRead()
        return try await store.diagnostics()
    }

    package func close() async {
        state.withLock { $0.isClosed = true }
        await store.close()
    }
}
