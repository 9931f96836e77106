// SPDX-License-Identifier: Apache-2.0

import GRDB

/// Every statement the writer runs.
///
/// States stand as literals where a partial index depends on them (1 scheduled, 2 available, 3 running, 5 dead). SQLite
/// locks the whole file for the transaction: no row locks.
enum WriterSQL {
    /// In: a whole new job.
    static let insertJob = """
        INSERT INTO jobs (id, lane, state, order_key, run_at, created_at, priority, attempt, failures, losses,
          max_attempts, max_losses, timeout_ms, cancel_requested, start_by, payload, retry, tags, metadata, traceparent)
        VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)
        """
    static let insertBlob = "INSERT OR REPLACE INTO blobs (job_id, kind, content) VALUES (?, ?, ?)"
    static let insertTag = "INSERT OR IGNORE INTO job_tags (tag, job_id) VALUES (?, ?)"
    static let findLane = "SELECT id FROM lanes WHERE queue = ? AND name = ?"
    static let insertLane = "INSERT INTO lanes (queue, name) VALUES (?, ?)"
    static let laneByID = "SELECT queue, name FROM lanes WHERE id = ?"
    /// Adds to a queue's count of jobs in a state.
    static let addCount = """
        INSERT INTO queue_counts (queue, state, jobs) VALUES (?, ?, ?)
        ON CONFLICT (queue, state) DO UPDATE SET jobs = jobs + excluded.jobs
        """
    static let findKey = "SELECT digest, job_ids, expires_at FROM idempotency WHERE key = ?"
    static let saveKey = "INSERT OR REPLACE INTO idempotency (key, digest, job_ids, expires_at) VALUES (?, ?, ?, ?)"

    /// What a lease needs to know.
    static let jobToLease = """
        SELECT state, lane, attempt, start_by, timeout_ms, max_attempts, created_at, run_at, priority, payload, metadata,
          traceparent, seq
        FROM jobs WHERE id = ?
        """
    static let blob = "SELECT content FROM blobs WHERE job_id = ? AND kind = ?"
    /// In: worker, nonce, started_at, deadline, seq.
    ///
    /// Only an available job is leased; `start_by` concerns the first start only.
    static let lease = """
        UPDATE jobs SET state = 3, attempt = attempt + 1, worker = ?, nonce = ?, started_at = ?, deadline = ?,
          start_by = NULL
        WHERE seq = ? AND state = 2
        """

    /// What the rules need to know of a job, and who holds it.
    static let jobToEnd = """
        SELECT state, lane, attempt, nonce, worker, failures, losses, max_attempts, max_losses, retry, previous_delay,
          run_at, priority, timeout_ms, cancel_requested, started_at, created_at, seq
        FROM jobs WHERE id = ?
        """
    /// In: finished_at, result, seq, attempt, nonce.
    ///
    /// The fence: only the current lease completes.
    static let complete = """
        UPDATE jobs SET state = 4, finished_at = ?, result = ?, deadline = NULL, cancel_requested = 0
        WHERE seq = ? AND state = 3 AND attempt = ? AND nonce = ?
        """
    /// In: the effect, then seq, attempt, nonce.
    ///
    /// The fence again.
    static let end = """
        UPDATE jobs SET state = ?, run_at = ?, order_key = ?, failures = ?, losses = ?, previous_delay = ?,
          finished_at = ?, cause = ?, fingerprint = ?, worker = NULL, nonce = NULL, deadline = NULL,
          cancel_requested = 0, progress_percent = NULL, progress_message = NULL
        WHERE seq = ? AND state = 3 AND attempt = ? AND nonce = ?
        """
    static let insertAttempt = """
        INSERT INTO attempts (job_id, attempt, worker, worker_id, worker_name, nonce, started_at, ended_at, outcome,
          is_reported, error_type, error_message, error_stack)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let endedAttempt =
        "SELECT worker, nonce, outcome, is_reported FROM attempts WHERE job_id = ? AND attempt = ?"

    static let insertSession = """
        INSERT INTO sessions (id, name, host, pid, sdk, queues, job_names, concurrency, labels, started_at,
          last_heartbeat_at, expires_at, coordinator, is_draining)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
        """
    static let session = "SELECT seq, name, is_draining, ended_at, coordinator FROM sessions WHERE id = ?"
    static let sessionBySeq = "SELECT id, name FROM sessions WHERE seq = ?"
    static let renewSession =
        "UPDATE sessions SET last_heartbeat_at = ?, expires_at = ? WHERE seq = ? AND ended_at IS NULL"
    static let seatSession = "UPDATE sessions SET coordinator = ? WHERE seq = ? AND ended_at IS NULL"
    static let endSession = "UPDATE sessions SET ended_at = ? WHERE seq = ? AND ended_at IS NULL"
    static let drainSession = "UPDATE sessions SET is_draining = 1 WHERE seq = ? AND ended_at IS NULL"
    static let expiredSessions = """
        SELECT seq, id FROM sessions WHERE ended_at IS NULL AND expires_at <= ? ORDER BY expires_at, seq LIMIT ?
        """
    static let liveSessions = "SELECT seq FROM sessions WHERE ended_at IS NULL ORDER BY expires_at, seq"
    static let jobsOfSession = "SELECT id FROM jobs WHERE state = 3 AND worker = ? ORDER BY deadline, id"
    static let cancelledOfSession = """
        SELECT id, attempt, nonce FROM jobs WHERE state = 3 AND worker = ? AND cancel_requested = 1 ORDER BY id
        """
    static let overdueOfSession = """
        SELECT id FROM jobs WHERE state = 3 AND worker = ? AND cancel_requested IN (0, 1) AND deadline <= ?
        ORDER BY deadline, id LIMIT ?
        """
    static let saveProgress = "UPDATE jobs SET progress_percent = ?, progress_message = ? WHERE seq = ? AND state = 3"

    static let dueJobs = "SELECT id FROM jobs WHERE state = 1 AND run_at <= ? ORDER BY run_at, id LIMIT ?"
    static let lateJobs = """
        SELECT id FROM jobs WHERE start_by IS NOT NULL AND start_by < ? ORDER BY start_by, id LIMIT ?
        """
    static let jobToMove = """
        SELECT state, lane, attempt, priority, created_at, run_at, started_at, worker, nonce, cancel_requested,
          seq
        FROM jobs WHERE id = ?
        """
    /// In: state, finished_at, state again, seq, state expected.
    ///
    /// For a job that waits.
    static let moveWaiting = """
        UPDATE jobs SET state = ?, finished_at = ?, start_by = iif(? >= 4, NULL, start_by) WHERE seq = ? AND state = ?
        """
    static let requestCancel = "UPDATE jobs SET cancel_requested = 1 WHERE seq = ? AND state = 3"
    /// In: run_at, order_key, seq.
    static let runNow = "UPDATE jobs SET state = 2, run_at = ?, order_key = ? WHERE seq = ? AND state = 1"
    /// In: state, run_at, order_key, seq.
    ///
    /// Budgets start anew, the attempt number goes on.
    static let redrive = """
        UPDATE jobs SET state = ?, run_at = ?, order_key = ?, failures = 0, losses = 0, previous_delay = NULL,
          finished_at = NULL, cause = NULL, fingerprint = NULL, result = NULL, start_by = NULL, started_at = NULL
        WHERE seq = ? AND state IN (5, 6, 7)
        """
    static let deleteJob = "DELETE FROM jobs WHERE seq = ?"
    static let deleteBlobs = "DELETE FROM blobs WHERE job_id = ?"
    static let deleteAttempts = "DELETE FROM attempts WHERE job_id = ?"
    static let deleteTag = "DELETE FROM job_tags WHERE tag = ? AND job_id = ?"
    static let tagsOfJob = "SELECT tags FROM jobs WHERE id = ?"

    /// One state at a time, so that the index gives the order.
    static let finishedBefore =
        "SELECT id FROM jobs WHERE state = ? AND state >= 4 AND finished_at <= ? ORDER BY finished_at LIMIT ?"
    static let pruneSessions = "DELETE FROM sessions WHERE ended_at IS NOT NULL AND ended_at <= ?"
    static let pruneKeys = "DELETE FROM idempotency WHERE expires_at <= ?"
    static let deadLetters = "SELECT job_id, lane, cause, fingerprint FROM dead_letters ORDER BY finished_at, job_id"
    static let insertDeadLetter = """
        INSERT INTO dead_letters (job_id, finished_at, lane, cause, fingerprint) VALUES (?, ?, ?, ?, ?)
        """
    static let deleteDeadLetter = "DELETE FROM dead_letters WHERE job_id = ?"
    static let pauseQueue = "INSERT OR REPLACE INTO queues (queue, paused_by, paused_at) VALUES (?, ?, ?)"
    static let resumeQueue = "DELETE FROM queues WHERE queue = ?"
    static let pausedQueues = "SELECT queue FROM queues WHERE paused_by IS NOT NULL"
}

/// The statements, prepared when first used.
final class WriterStatements {
    private let db: Database
    private var prepared: [String: HotStatement] = [:]

    // The three that run once or more per job are held apart: no look-up.
    let insertJob: HotStatement
    let jobToLease: HotStatement
    let lease: HotStatement
    let jobToEnd: HotStatement
    let complete: HotStatement

    init(_ db: Database) throws {
        self.db = db
        insertJob = try HotStatement(db, WriterSQL.insertJob)
        jobToLease = try HotStatement(db, WriterSQL.jobToLease)
        lease = try HotStatement(db, WriterSQL.lease)
        jobToEnd = try HotStatement(db, WriterSQL.jobToEnd)
        complete = try HotStatement(db, WriterSQL.complete)
    }

    func callAsFunction(_ sql: String) throws -> HotStatement {
        if let statement = prepared[sql] { return statement }
        let statement = try HotStatement(db, sql)
        prepared[sql] = statement
        return statement
    }
}
