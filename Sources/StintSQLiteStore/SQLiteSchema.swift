// SPDX-License-Identifier: Apache-2.0

import GRDB

/// The tables, as numbered steps that only add.
///
/// The number reached stands in `user_version`.
///
/// - `jobs` holds a job with its *current* attempt (worker, nonce, started_at, deadline), so that a job that completes at
///   first try costs one row. `attempts` holds ended attempts, except the one that completed the job: that is the job's row.
/// - A lane (queue, name) is interned: a small number in every row and index.
/// - Payloads and results above `SQLiteJobStore.inlineMax` bytes stand in `blobs`, so that state changes do not rewrite them.
/// - Few indexes depend on the state, each partial to the states that need it: every change of state must look at all of
///   them. What only dead letters need stands in a table of its own.
/// - `jobs` has a row number of its own, and updates go by it: by any other key SQLite first collects the rows to update
///   in a temporary table, which costs more than the update.
/// - `queue_counts` is kept up in the transactions: nothing is ever counted by scanning.
enum SQLiteSchema {
    static let steps: [String] = [
        """
        CREATE TABLE lanes (
          id INTEGER PRIMARY KEY, queue TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (queue, name)) STRICT;
        CREATE TABLE queues (queue TEXT PRIMARY KEY, paused_by TEXT, paused_at INTEGER) STRICT, WITHOUT ROWID;
        CREATE TABLE queue_counts (
          queue TEXT NOT NULL, state INTEGER NOT NULL, jobs INTEGER NOT NULL,
          PRIMARY KEY (queue, state)) STRICT, WITHOUT ROWID;
        CREATE TABLE jobs (
          seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, lane INTEGER NOT NULL, state INTEGER NOT NULL, order_key INTEGER NOT NULL,
          run_at INTEGER NOT NULL, created_at INTEGER NOT NULL, priority INTEGER NOT NULL,
          attempt INTEGER NOT NULL, failures INTEGER NOT NULL, losses INTEGER NOT NULL,
          max_attempts INTEGER NOT NULL, max_losses INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,
          cancel_requested INTEGER NOT NULL, start_by INTEGER, previous_delay INTEGER,
          worker INTEGER, nonce INTEGER, started_at INTEGER, deadline INTEGER, finished_at INTEGER,
          cause INTEGER, fingerprint TEXT, payload BLOB, result BLOB, retry TEXT, tags TEXT, metadata BLOB,
          traceparent TEXT, progress_percent REAL, progress_message TEXT) STRICT;
        CREATE INDEX jobs_available ON jobs (lane, order_key, id) WHERE state = 2;
        CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 1;
        CREATE INDEX jobs_running ON jobs (worker, cancel_requested, deadline) WHERE state = 3;
        CREATE INDEX jobs_ended ON jobs (state, finished_at) WHERE state >= 4;
        CREATE INDEX jobs_start_by ON jobs (start_by) WHERE start_by IS NOT NULL;
        CREATE TABLE dead_letters (
          job_id BLOB PRIMARY KEY, finished_at INTEGER NOT NULL, lane INTEGER NOT NULL, cause INTEGER NOT NULL,
          fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX dead_letters_by_age ON dead_letters (finished_at, job_id, lane, cause, fingerprint);
        CREATE INDEX dead_letters_by_group ON dead_letters (fingerprint, lane, cause, finished_at);
        CREATE TABLE blobs (
          job_id BLOB NOT NULL, kind INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (job_id, kind)) STRICT;
        CREATE TABLE job_tags (
          tag TEXT NOT NULL, job_id BLOB NOT NULL, PRIMARY KEY (tag, job_id)) STRICT, WITHOUT ROWID;
        CREATE TABLE attempts (
          job_id BLOB NOT NULL, attempt INTEGER NOT NULL, worker INTEGER NOT NULL, worker_id BLOB NOT NULL,
          worker_name TEXT NOT NULL, nonce INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
          outcome INTEGER NOT NULL, is_reported INTEGER NOT NULL, error_type TEXT, error_message TEXT, error_stack TEXT,
          PRIMARY KEY (job_id, attempt)) STRICT, WITHOUT ROWID;
        CREATE TABLE sessions (
          seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER,
          sdk TEXT NOT NULL, queues TEXT NOT NULL, job_names TEXT NOT NULL, concurrency INTEGER NOT NULL,
          labels BLOB NOT NULL, started_at INTEGER NOT NULL, last_heartbeat_at INTEGER NOT NULL,
          expires_at INTEGER NOT NULL, is_draining INTEGER NOT NULL, coordinator INTEGER, ended_at INTEGER) STRICT;
        CREATE INDEX sessions_live ON sessions (expires_at) WHERE ended_at IS NULL;
        CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
        CREATE TABLE idempotency (
          key TEXT PRIMARY KEY, digest BLOB NOT NULL, job_ids BLOB NOT NULL, expires_at INTEGER NOT NULL)
          STRICT, WITHOUT ROWID;
        CREATE INDEX idempotency_expiry ON idempotency (expires_at);
        """
    ]

    /// Brings the file to the newest schema, each step in its own transaction.
    static func migrate(_ db: Database) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version <= steps.count else {
            throw SQLiteStoreError(
                "the data directory was written by a newer stint (schema \(version), this one knows \(steps.count)); "
                    + "start the newer version, or choose another directory"
            )
        }
        for (index, step) in steps.enumerated().dropFirst(version) {
            try db.inTransaction(.immediate) {
                try db.execute(sql: step)
                try db.execute(sql: "PRAGMA user_version = \(index + 1)")
                return .commit
            }
        }
    }
}
