// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import GRDB
import StintModel
import StintStorage

/// Reads jobs, on a reader's connection or inside the writer's transaction.
struct JobReader {
    let db: Database

    init(_ db: Database) {
        self.db = db
    }

    /// Everything of a job but payload, result and attempts.
    static let summaryColumns = """
        j.id, j.lane, j.state, j.priority, j.attempt, j.failures, j.losses, j.max_attempts, j.max_losses, j.timeout_ms,
        j.cancel_requested, j.start_by, j.created_at, j.run_at, j.started_at, j.finished_at, j.cause, j.fingerprint,
        j.retry, j.tags, j.metadata, j.traceparent, j.progress_percent, j.progress_message, j.worker, j.nonce,
        l.queue, l.name
        """

    func job(_ id: JobID) throws -> Job? {
        let sql = """
            SELECT \(Self.summaryColumns), j.payload, j.result FROM jobs j JOIN lanes l ON l.id = j.lane WHERE j.id = ?
            """
        guard let row = try Row.fetchOne(db, cached: sql, arguments: [id.blob]) else { return nil }
        var job = try summary(row)
        job.payload = try Self.bytes(row, "payload") ?? blob(id, .payload) ?? []
        if job.state == .completed { job.result = try Self.bytes(row, "result") ?? blob(id, .result) }
        job.attempts = try attempts(of: job, row)
        return job
    }

    func summary(_ row: Row) throws -> Job {
        guard let id = JobID(blob: row["id"]), let state = JobState(rawValue: row["state"]) else {
            throw CorruptRow(description: "an unreadable job")
        }
        var job = Job(
            id: id,
            lane: Lane(queue: row["queue"], name: row["name"]),
            payload: [],
            state: state,
            options: try options(row),
            createdAt: Timestamp(milliseconds: row["created_at"]),
            runAt: Timestamp(milliseconds: row["run_at"])
        )
        job.attempt = row["attempt"]
        job.failures = row["failures"]
        job.losses = row["losses"]
        job.cancelRequested = row["cancel_requested"]
        job.startBy = Self.time(row, "start_by")
        job.startedAt = Self.time(row, "started_at")
        job.finishedAt = Self.time(row, "finished_at")
        job.cause = (row["cause"] as Int?).flatMap(DeadCause.init(rawValue:))
        job.fingerprint = row["fingerprint"]
        let percent: Double? = row["progress_percent"]
        let message: String? = row["progress_message"]
        if percent != nil || message != nil { job.progress = JobProgress(percent: percent, message: message) }
        if state == .running { job.lease = try lease(row) }
        return job
    }

    private func options(_ row: Row) throws -> JobOptions {
        var options = JobOptions()
        options.priority = row["priority"]
        options.maxAttempts = row["max_attempts"]
        options.maxLosses = row["max_losses"]
        options.timeout = Milliseconds(row["timeout_ms"])
        options.retry = try RetryText.decode(row["retry"])
        options.tags = TagText.decode(row["tags"])
        options.metadata = Self.bytes(row, "metadata") ?? []
        options.traceparent = row["traceparent"]
        return options
    }

    private func session(_ seq: Int64?) throws -> Row? {
        guard let seq else { return nil }
        return try Row.fetchOne(
            db,
            cached: "SELECT id, name, expires_at FROM sessions WHERE seq = ?",
            arguments: [seq]
        )
    }

    private func lease(_ row: Row) throws -> JobLease? {
        guard let session = try session(row["worker"]), let worker = WorkerID(blob: session["id"]),
            let grantedAt = Self.time(row, "started_at")
        else { return nil }
        return JobLease(
            worker: worker,
            grantedAt: grantedAt,
            expiresAt: Timestamp(milliseconds: session["expires_at"])
        )
    }

    /// The ended attempts, and the one that runs or that completed the job, which stands in the job's own row.
    private func attempts(of job: Job, _ row: Row) throws -> [Attempt] {
        let rows = try Row.fetchAll(
            db,
            cached: "SELECT * FROM attempts WHERE job_id = ? ORDER BY attempt",
            arguments: [job.id.blob]
        )
        var attempts = try rows.map(Self.attempt)
        if job.state == .running || job.state == .completed, let startedAt = job.startedAt {
            let session = try session(row["worker"])
            attempts.append(
                Attempt(
                    number: job.attempt,
                    worker: (session?["id"]).flatMap { WorkerID(blob: $0) } ?? WorkerID(high: 0, low: 0),
                    workerName: session?["name"] ?? "",
                    startedAt: startedAt,
                    endedAt: job.finishedAt,
                    outcome: job.state == .completed ? .completed : nil
                )
            )
        }
        return attempts
    }

    private static func attempt(_ row: Row) throws -> Attempt {
        guard let worker = WorkerID(blob: row["worker_id"]) else {
            throw CorruptRow(description: "an unreadable attempt")
        }
        var error = Self.error(row)
        error?.stack = row["error_stack"] ?? ""
        return Attempt(
            number: row["attempt"],
            worker: worker,
            workerName: row["worker_name"],
            startedAt: Timestamp(milliseconds: row["started_at"]),
            endedAt: Timestamp(milliseconds: row["ended_at"]),
            outcome: AttemptOutcome(rawValue: row["outcome"]),
            error: error
        )
    }

    /// What an attempt failed of, without its stack.
    static func error(_ row: Row) -> JobError? {
        (row["error_message"] as String?).map { JobError(type: row["error_type"] ?? "", message: $0) }
    }

    private func blob(_ id: JobID, _ kind: BlobKind) throws -> [UInt8]? {
        let row = try Row.fetchOne(
            db,
            cached: "SELECT content FROM blobs WHERE job_id = ? AND kind = ?",
            arguments: [id.blob, kind.rawValue]
        )
        return row.flatMap { Self.bytes($0, "content") }
    }

    static func time(_ row: Row, _ column: String) -> Timestamp? {
        (row[column] as Int64?).map { Timestamp(milliseconds: $0) }
    }

    static func bytes(_ row: Row, _ column: String) -> [UInt8]? {
        (row[column] as SQLiteBytes?)?.bytes
    }
}

extension Row {
    /// As `fetchOne`, with the connection's cached statement.
    static func fetchOne(_ db: Database, cached sql: String, arguments: StatementArguments) throws -> Row? {
        try fetchOne(try db.cachedStatement(sql: sql), arguments: arguments)
    }

    /// As `fetchAll`, with the connection's cached statement.
    static func fetchAll(_ db: Database, cached sql: String, arguments: StatementArguments) throws -> [Row] {
        try fetchAll(try db.cachedStatement(sql: sql), arguments: arguments)
    }
}

/// A blob without Foundation's `Data` in our signatures.
struct SQLiteBytes: DatabaseValueConvertible {
    var bytes: [UInt8]

    var databaseValue: DatabaseValue { Data(bytes).databaseValue }

    static func fromDatabaseValue(_ value: DatabaseValue) -> SQLiteBytes? {
        Data.fromDatabaseValue(value).map { SQLiteBytes(bytes: [UInt8]($0)) }
    }
}

extension UUIDv7 {
    /// As a query's argument.
    var blob: SQLiteBytes { SQLiteBytes(bytes: bytes) }

    /// From a column; nil unless it has 16 bytes.
    init?(blob: SQLiteBytes) {
        guard blob.bytes.count == 16 else { return nil }
        func half(_ range: Range<Int>) -> UInt64 { blob.bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: half(0..<8), low: half(8..<16))
    }
}
