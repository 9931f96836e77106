// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// Reads the record, on the thread of its connection, inside a transaction or outside.
struct PostgresReader {
    let connection: PostgresConnection

    init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    func rows(
        _ sql: String,
        _ fill: (inout PostgresParameters) -> Void = { _ in }
    ) throws(PostgresError) -> PostgresResult {
        try connection.run(PostgresStatement(sql, fill))
    }

    // MARK: One job

    /// Everything of a job but payload, result and attempts, from any of the three tables.
    static func summaryColumns(of table: JobTable) -> String {
        let (finishedAt, cause, fingerprint) =
            switch table {
            case .jobs: ("NULL::bigint", "NULL::smallint", "NULL::text")
            case .deadLetters: ("t.finished_at", "t.cause", "t.fingerprint")
            case .history: ("t.finished_at", "NULL::smallint", "NULL::text")
            }
        return """
            t.id, t.state, t.queue, t.name, t.priority, t.attempt, t.failures, t.losses, t.max_attempts, t.max_losses,
            t.timeout_ms, t.cancel_requested, t.start_by, t.created_at, t.run_at, t.started_at,
            \(finishedAt) AS finished_at, \(cause) AS cause, \(fingerprint) AS fingerprint, t.retry, t.tags, t.metadata,
            t.traceparent, t.progress_percent, t.progress_message, t.worker, t.nonce
            """
    }

    /// A whole job.
    ///
    /// In: id. Out: its columns, the end of its session's lease, its worker's name. Locks nothing.
    private static let wholeJob: String = {
        let parts = JobTable.allCases.map { table in
            let result = table == .history ? "t.result" : "NULL::bytea AS result"
            return """
                SELECT \(summaryColumns(of: table)), t.payload, \(result), t.earlier FROM stint.\(table.rawValue) t
                WHERE t.id = $1::uuid
                """
        }
        return """
            SELECT w.*, s.expires_at, d.name FROM (\(parts.joined(separator: " UNION ALL "))) w
            LEFT JOIN stint.worker_sessions s ON s.id = w.worker
            LEFT JOIN stint.worker_details d ON d.id = w.worker
            LIMIT 1
            """
    }()

    func job(_ id: JobID) throws(PostgresError) -> Job? {
        guard let row = try rows(Self.wholeJob, { $0.add(id) }).first else { return nil }
        var job = try Self.summary(row, expiresAt: row.timeOrNil(30))
        job.payload = row.bytes(27)
        job.result = row.bytesOrNil(28)
        guard let earlier = AttemptCodec.decode(row.bytes(29)) else {
            throw PostgresError(.unexpected, "unreadable attempts")
        }
        job.attempts = earlier.map(\.attempt)
        if job.state == .running || job.state == .completed, let startedAt = job.startedAt {
            job.attempts.append(
                Attempt(
                    number: job.attempt,
                    worker: WorkerID(row.uuid(25)),
                    workerName: row.text(31),
                    startedAt: startedAt,
                    endedAt: job.finishedAt,
                    outcome: job.state == .completed ? .completed : nil
                )
            )
        }
        return job
    }

    /// Reads ``summaryColumns(of:)``; `expiresAt` is the end of the lease of a running job's session.
    static func summary(_ row: PostgresRow, expiresAt: Timestamp?) throws(PostgresError) -> Job {
        guard let state = JobState(rawValue: row.int(1)), let retry = RetryText.decode(row.textOrNil(19)) else {
            throw PostgresError(.unexpected, "an unreadable job")
        }
        var options = JobOptions()
        options.priority = row.int(4)
        options.maxAttempts = row.int(8)
        options.maxLosses = row.int(9)
        options.timeout = Milliseconds(row.integer(10))
        options.retry = retry
        options.tags = row.texts(20)
        options.metadata = row.bytes(21)
        options.traceparent = row.textOrNil(22)
        var job = Job(
            id: JobID(row.uuid(0)),
            lane: Lane(queue: row.text(2), name: row.text(3)),
            payload: [],
            state: state,
            options: options,
            createdAt: row.time(13),
            runAt: row.time(14)
        )
        job.attempt = row.int(5)
        job.failures = row.int(6)
        job.losses = row.int(7)
        job.cancelRequested = row.bool(11)
        job.startBy = row.timeOrNil(12)
        job.startedAt = row.timeOrNil(15)
        job.finishedAt = row.timeOrNil(16)
        job.cause = row.integerOrNil(17).flatMap { DeadCause(rawValue: Int($0)) }
        job.fingerprint = row.textOrNil(18)
        job.progress = progress(row)
        if state == .running, let worker = row.uuidOrNil(25), let startedAt = job.startedAt, let expiresAt {
            job.lease = JobLease(worker: WorkerID(worker), grantedAt: startedAt, expiresAt: expiresAt)
        }
        return job
    }

    private static func progress(_ row: PostgresRow) -> JobProgress? {
        let percent = row.doubleOrNil(23)
        let message = row.bytesOrNil(24).map { String(decoding: $0, as: UTF8.self) }
        return percent == nil && message == nil ? nil : JobProgress(percent: percent, message: message)
    }
}

/// Where jobs are.
enum JobTable: String, CaseIterable {
    case jobs
    case deadLetters = "dead_letters"
    case history = "job_history"
}
