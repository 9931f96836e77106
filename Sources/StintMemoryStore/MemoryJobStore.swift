// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintStorage
import Synchronization

/// The reference record: plain dictionaries behind a lock.
///
/// It says what every other record must do, and serves tests and
/// simulation. Nothing survives the process, so what it answers is never "stored".
package final class MemoryJobStore: JobStore {
    private let record: Mutex<MemoryRecord>
    private let readClock: @Sendable () -> Timestamp

    package init(rules: @escaping EndingRules, now: @escaping @Sendable () -> Timestamp) {
        record = Mutex(MemoryRecord(rules: rules, now: now()))
        readClock = now
    }

    package func perform(_ commands: [RecordCommand]) async throws(StorageError) -> RecordBatch {
        try withRecord { record throws(StorageError) in try record.perform(commands) }
    }

    package func now() async throws(StorageError) -> Timestamp {
        try withRecord { $0.now }
    }

    package func close() async {
        record.withLock { $0.isClosed = true }
    }

    /// Lets one caller at the record, its clock set.
    ///
    /// All of a batch happens in here: that makes it atomic.
    private func withRecord<Value: Sendable>(
        _ body: (inout MemoryRecord) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        try record.withLock { record throws(StorageError) in
            guard !record.isClosed else { throw .closed }
            // The record's time never runs backwards, whatever the machine's clock does.
            record.now = max(record.now, readClock())
            return try body(&record)
        }
    }
}

extension MemoryJobStore {
    package func job(_ id: JobID) async throws(StorageError) -> Job? {
        try withRecord { $0.job(id) }
    }

    package func jobs(_ query: JobQuery) async throws(StorageError) -> JobPage {
        try withRecord { $0.page(query) }
    }

    package func readyJobs(
        lane: Lane,
        after: ServingOrder?,
        limit: Int
    ) async throws(StorageError) -> [ReadyJob] {
        try withRecord { $0.readyJobs(lane: lane, after: after, limit: limit) }
    }

    package func readyLanes() async throws(StorageError) -> [Lane] {
        try withRecord { $0.readyLanes() }
    }

    package func countReady(lane: Lane, before: ServingOrder, limit: Int) async throws(StorageError) -> Int {
        try withRecord { $0.countReady(lane: lane, before: before, limit: limit) }
    }

    package func nextDue() async throws(StorageError) -> Timestamp? {
        try withRecord { $0.nextDue() }
    }

    package func session(_ id: WorkerID) async throws(StorageError) -> WorkerSession? {
        try withRecord { $0.session(id) }
    }

    package func sessions() async throws(StorageError) -> [WorkerSession] {
        try withRecord { $0.newestSessions() }
    }

    package func notices(for sessions: [WorkerID]) async throws(StorageError) -> [RecordNotice] {
        try withRecord { record in sessions.flatMap { record.notices(for: $0) } }
    }

    package func leases(of session: WorkerID) async throws(StorageError) -> [LeaseToken] {
        try withRecord { $0.leases(of: session) }
    }

    package func lastRenewal() async throws(StorageError) -> Timestamp? {
        try withRecord { $0.lastRenewal() }
    }

    package func queues() async throws(StorageError) -> [QueueStatus] {
        try withRecord { $0.queueStatuses() }
    }

    package func deadLetterGroups(
        _ filter: DeadLetterFilter,
        limit: Int
    ) async throws(StorageError) -> [DeadLetterGroup] {
        try withRecord { $0.deadLetterGroups(filter, limit: limit) }
    }

    package func diagnostics() async throws(StorageError) -> [RecordDiagnostic] {
        let warning = "nothing outlives this process: for tests and simulation only"
        return try withRecord { _ in [RecordDiagnostic(key: "record", value: "memory", warning: warning)] }
    }
}
