// SPDX-License-Identifier: Apache-2.0

package import Logging
package import PostgresDriver
package import StintModel
package import StintStorage

/// The record in PostgreSQL, shared by any number of server processes.
///
/// A batch is one transaction; of hot commands only, it is one round trip. Nothing is held between batches: no session lock, no
/// prepared transaction, no cursor; so it works behind a pooler in transaction mode.
package final class PostgresJobStore: JobStore {
    /// The planner of our sessions: every statement here is written for nested loops over index scans, in the order of
    /// its arrays.
    ///
    /// With statistics of an empty table it might choose otherwise and keep that plan while the table grows.
    package static let plannerSettings = [
        "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off", "jit": "off",
        "plan_cache_mode": "force_generic_plan",
    ]

    /// How often a batch is tried that met a deadlock or a serialization failure.
    private static let triesMax = 4

    private let pool: PostgresPool
    private let rules: EndingRules
    private let clock: PostgresClock
    private let latest = LatestInstant()
    private let logger: Logger

    /// Connects and checks the schema's version.
    ///
    /// - Throws: ``PostgresStoreError``, with a sentence for the person who starts the server.
    package init(
        _ configuration: PostgresConfiguration,
        limits: PostgresPool.Limits = PostgresPool.Limits(),
        rules: @escaping EndingRules,
        clock: PostgresClock = .server,
        logger: Logger
    ) async throws(PostgresStoreError) {
        self.rules = rules
        self.clock = clock
        self.logger = logger
        var configuration = configuration
        configuration.settings.merge(Self.plannerSettings) { given, _ in given }
        pool = PostgresPool(configuration, limits: limits, logger: logger)
        let problem: PostgresStoreError?
        do throws(PostgresError) {
            problem = try await PostgresMigrator(pool: pool).status().problem
        } catch {
            problem = PostgresStoreError(error.description)
        }
        if let problem {
            await pool.close()
            throw problem
        }
    }

    // MARK: Writing

    package func perform(_ commands: [RecordCommand]) async throws(StorageError) -> RecordBatch {
        guard !commands.isEmpty else { return RecordBatch() }
        return try await onConnection { connection throws(PostgresError) in
            for attempt in 1... {
                do throws(PostgresError) {
                    return try self.run(commands, on: connection)
                } catch {
                    guard error.isWorthRetrying, attempt < Self.triesMax, !connection.isBroken else { throw error }
                    connection.rollBack()
                }
            }
            return RecordBatch()
        }
    }

    private func run(
        _ commands: [RecordCommand],
        on connection: PostgresConnection
    ) throws(PostgresError) -> RecordBatch {
        let run = BatchRun(commands, on: connection, rules: rules, clock: reading())
        let batch = try run.run()
        latest.heard(run.now)
        latest.raise(to: run.now)
        for case .prune(let retention, _) in commands { tendHistory(connection, now: run.now, retention) }
        return batch
    }

    /// Upkeep that can as well be done the next time: the batch is committed and stands.
    private func tendHistory(_ connection: PostgresConnection, now: Timestamp, _ retention: Milliseconds) {
        do throws(PostgresError) {
            try HistoryPartitions.tend(on: connection, now: now, retention: retention)
        } catch {
            connection.rollBack()
            logger.notice("partitions of history were not tended", metadata: ["error": "\(error)"])
        }
    }

    private func reading() -> PostgresClock.Reading {
        switch clock {
        case .server:
            return PostgresClock.Reading(given: nil, floor: latest.value)
        case .manual(let read):
            let instant = latest.raise(to: read())
            return PostgresClock.Reading(given: instant, floor: instant)
        }
    }

    /// Within ``LatestInstant/estimateMax`` of the last word from the database this process counts on by itself, which spares
    /// every submission a round trip.
    package func now() async throws(StorageError) -> Timestamp {
        if case .server = clock, let estimate = latest.estimate() { return latest.raise(to: estimate) }
        let told = try await read { reader throws(PostgresError) in
            let reading = self.reading()
            let result = try reader.rows(HotSQL.now) { parameters in
                parameters.add(reading.given?.milliseconds)
                parameters.add(reading.floor)
            }
            return result.first?.time(0) ?? reading.floor
        }
        latest.heard(told)
        return latest.raise(to: told)
    }

    // MARK: Reading

    private func onConnection<Value: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        do throws(PostgresError) {
            return try await pool.withConnection(body)
        } catch {
            throw StorageError(error)
        }
    }

    private func read<Value: Sendable>(
        _ body: @escaping @Sendable (PostgresReader) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        do throws(StorageError) {
            return try await onConnection { connection throws(PostgresError) in try body(PostgresReader(connection)) }
        } catch {
            // A read has no outcome that could be unknown.
            if case .unknownOutcome(let words) = error { throw .unavailable(words) }
            throw error
        }
    }

    package func job(_ id: JobID) async throws(StorageError) -> Job? {
        try await read { reader throws(PostgresError) in try reader.job(id) }
    }

    package func jobs(_ query: JobQuery) async throws(StorageError) -> JobPage {
        try await read { reader throws(PostgresError) in try reader.jobs(query) }
    }

    package func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) async throws(StorageError) -> [ReadyJob] {
        try await read { reader throws(PostgresError) in try reader.readyJobs(lane: lane, after: after, limit: limit) }
    }

    package func readyLanes() async throws(StorageError) -> [Lane] {
        try await read { reader throws(PostgresError) in try reader.readyLanes() }
    }

    package func countReady(lane: Lane, before: ServingOrder, limit: Int) async throws(StorageError) -> Int {
        try await read { reader throws(PostgresError) in try reader.countReady(lane: lane, before: before, limit: limit)
        }
    }

    package func nextDue() async throws(StorageError) -> Timestamp? {
        try await read { reader throws(PostgresError) in try reader.nextDue() }
    }

    package func session(_ id: WorkerID) async throws(StorageError) -> WorkerSession? {
        try await read { reader throws(PostgresError) in try reader.session(id) }
    }

    package func sessions() async throws(StorageError) -> [WorkerSession] {
        try await read { reader throws(PostgresError) in try reader.sessions() }
    }

    package func notices(for sessions: [WorkerID]) async throws(StorageError) -> [RecordNotice] {
        guard !sessions.isEmpty else { return [] }
        return try await read { reader throws(PostgresError) in try reader.notices(for: sessions) }
    }

    package func leases(of session: WorkerID) async throws(StorageError) -> [LeaseToken] {
        try await read { reader throws(PostgresError) in try reader.leases(of: session) }
    }

    package func lastRenewal() async throws(StorageError) -> Timestamp? {
        try await read { reader throws(PostgresError) in try reader.lastRenewal() }
    }

    package func queues() async throws(StorageError) -> [QueueStatus] {
        try await read { reader throws(PostgresError) in try reader.queues() }
    }

    package func deadLetterGroups(
        _ filter: DeadLetterFilter,
        limit: Int
    ) async throws(StorageError) -> [DeadLetterGroup] {
        try await read { reader throws(PostgresError) in try reader.deadLetterGroups(filter, limit: limit) }
    }

    package func diagnostics() async throws(StorageError) -> [RecordDiagnostic] {
        try await read { reader throws(PostgresError) in try PostgresDiagnostics.read(reader) }
    }

    package func close() async {
        await pool.close()
    }
}
