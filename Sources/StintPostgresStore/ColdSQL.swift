// SPDX-License-Identifier: Apache-2.0

/// The statements of everything that is decided here, row by row, inside the transaction.
///
/// Rows are read and locked first, always in order of id, decided on in Swift, and written back in bulk.
enum ColdSQL {
    private static let carried = PostgresSchema.carriedColumns.joined(separator: ", ")

    // MARK: Live jobs

    /// The columns of a ``LiveJob``.
    private static let liveJobs = """
        SELECT j.id, j.state, j.queue, j.name, j.attempt, j.priority, j.created_at, j.run_at, j.started_at, j.worker,
          j.nonce, j.cancel_requested, j.failures, j.losses, j.max_attempts, j.max_losses, j.retry, j.previous_delay,
          j.timeout_ms, d.name
        FROM stint.jobs j LEFT JOIN stint.worker_details d ON d.id = j.worker
        """

    /// Jobs by id.
    ///
    /// In: ids. Out: live jobs. Locks their rows, in order of id.
    static let jobsByID = "\(liveJobs) WHERE j.id = ANY ($1::uuid[]) ORDER BY j.id FOR UPDATE OF j"

    /// Jobs by id that nobody else has locked, and that still run over their time.
    ///
    /// In: ids, now. Out: live jobs. Locks their rows, in order of id, skipping locked ones.
    static let overdueJobs = """
        \(liveJobs)
        WHERE j.id = ANY ($1::uuid[]) AND j.state + 0 = 3 AND j.deadline <= $2::bigint
        ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
        """

    /// The jobs that sessions hold.
    ///
    /// In: session ids. Out: live jobs. Locks their rows, in order of id.
    static let jobsOfSessions = """
        \(liveJobs) WHERE j.state = 3 AND j.worker = ANY ($1::uuid[]) ORDER BY j.id FOR UPDATE OF j
        """

    /// Scheduled jobs whose time has come, earliest first.
    ///
    /// In: now, limit. Out: live jobs. Locks their rows, skipping locked ones.
    static let dueJobs = """
        \(liveJobs)
        WHERE j.state = 1 AND j.run_at <= $1::bigint ORDER BY j.run_at, j.id LIMIT $2::bigint FOR UPDATE OF j SKIP LOCKED
        """

    /// Waiting jobs that were not started in time, earliest first.
    ///
    /// In: now, limit. Out: live jobs. Locks their rows, skipping locked ones.
    static let lateJobs = """
        \(liveJobs)
        WHERE j.start_by < $1::bigint AND j.start_by IS NOT NULL AND j.state <= 2 AND j.attempt = 0
        ORDER BY j.start_by, j.id LIMIT $2::bigint FOR UPDATE OF j SKIP LOCKED
        """

    /// Running attempts over their time: for each session that holds a lease its earliest.
    ///
    /// In: now, limit. Out: job ids. Locks nothing. Walks `jobs_running` from session to session.
    static let overdueIDs = """
        WITH RECURSIVE workers AS (
          (SELECT worker FROM stint.jobs WHERE state = 3 ORDER BY worker LIMIT 1)
          UNION ALL
          SELECT (SELECT j.worker FROM stint.jobs j WHERE j.state = 3 AND j.worker > w.worker ORDER BY j.worker LIMIT 1)
          FROM workers w WHERE w.worker IS NOT NULL)
        SELECT o.id FROM workers w
        CROSS JOIN LATERAL (
          SELECT j.id, j.deadline FROM stint.jobs j
          WHERE j.state = 3 AND j.worker = w.worker AND j.deadline <= $1::bigint ORDER BY j.deadline LIMIT $2::bigint) o
        ORDER BY o.deadline, o.id LIMIT $2::bigint
        """

    /// Puts jobs that stay alive into another state.
    ///
    /// In: per job id, attempt, state, run_at, order key, failures, losses, delay, ended attempt or NULL. Out: ids. Locks their rows,
    /// which the transaction has locked before.
    static let move = """
        UPDATE stint.jobs j SET state = m.state, run_at = m.run_at, order_key = m.order_key, failures = m.failures,
          losses = m.losses, previous_delay = m.delay, worker = NULL, nonce = NULL, deadline = NULL,
          earlier = CASE WHEN m.ended IS NULL THEN j.earlier ELSE coalesce(j.earlier, '') || m.ended END
        FROM unnest($1::uuid[], $2::integer[], $3::smallint[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
          $8::bigint[], $9::bytea[]) AS m (id, attempt, state, run_at, order_key, failures, losses, delay, ended)
        WHERE j.id = ANY (ARRAY[m.id]) AND j.attempt = m.attempt
        RETURNING j.id
        """

    /// Moves jobs into history.
    ///
    /// In: now; per job id, attempt, state, run_at, failures, losses, ended attempt or NULL. Out: ids. Locks as ``move``.
    static let archive = """
        WITH gone AS (
          DELETE FROM stint.jobs j
          USING unnest($2::uuid[], $3::integer[], $4::smallint[], $5::bigint[], $6::integer[], $7::integer[], $8::bytea[])
            AS m (id, attempt, state, run_at, failures, losses, ended)
          WHERE j.id = ANY (ARRAY[m.id]) AND j.attempt = m.attempt
          RETURNING j.*, m.state AS new_state, m.run_at AS new_run_at, m.failures AS new_failures,
            m.losses AS new_losses, m.ended)
        INSERT INTO stint.job_history (id, state, run_at, failures, losses, earlier, finished_at, \(carried))
        SELECT id, new_state, new_run_at, new_failures, new_losses,
          CASE WHEN ended IS NULL THEN earlier ELSE coalesce(earlier, '') || ended END, $1::bigint, \(carried)
        FROM gone
        RETURNING id
        """

    /// Sets jobs aside as dead letters.
    ///
    /// In: now; per job id, attempt, run_at, failures, losses, ended attempt, cause, fingerprint, error type and message. Out: ids. Locks
    /// as ``move``.
    static let bury = """
        WITH gone AS (
          DELETE FROM stint.jobs j
          USING unnest($2::uuid[], $3::integer[], $4::bigint[], $5::integer[], $6::integer[], $7::bytea[], $8::smallint[],
            $9::text[], $10::bytea[], $11::bytea[])
            AS m (id, attempt, run_at, failures, losses, ended, cause, fingerprint, error_type, error_message)
          WHERE j.id = ANY (ARRAY[m.id]) AND j.attempt = m.attempt
          RETURNING j.*, m.run_at AS new_run_at, m.failures AS new_failures, m.losses AS new_losses, m.ended, m.cause,
            m.fingerprint, m.error_type, m.error_message)
        INSERT INTO stint.dead_letters (id, state, run_at, failures, losses, earlier, finished_at, cause, fingerprint,
          error_type, error_message, \(carried))
        SELECT id, 5, new_run_at, new_failures, new_losses, coalesce(earlier, '') || ended, $1::bigint, cause,
          fingerprint, error_type, error_message, \(carried)
        FROM gone
        RETURNING id
        """

    /// Sets the cancel flag of a running job.
    ///
    /// In: its id. Out: nothing. Locks its row.
    static let callOff = "UPDATE stint.jobs SET cancel_requested = true WHERE id = $1::uuid AND state + 0 = 3"

    /// Forgets what a waiting job said of its progress.
    ///
    /// In: its id. Out: nothing. Locks its row.
    static let forgetProgress = """
        UPDATE stint.jobs SET progress_percent = NULL, progress_message = NULL WHERE id = $1::uuid
        """

    // MARK: Ended jobs

    /// The columns of an ``EndedJob``.
    private static let endedColumns = "t.id, t.state, t.queue, t.name, t.attempt, t.priority, t.created_at, t.run_at"

    /// A dead letter.
    ///
    /// In: id. Out: ended jobs. Locks the row.
    static let deadByID = """
        SELECT \(endedColumns), t.cause FROM stint.dead_letters t WHERE t.id = ANY ($1::uuid[]) ORDER BY t.id FOR UPDATE
        """

    /// A job of history.
    ///
    /// In: id. Out: ended jobs. Locks the row.
    static let historyByID = """
        SELECT \(endedColumns), NULL::smallint FROM stint.job_history t WHERE t.id = ANY ($1::uuid[]) ORDER BY t.id FOR UPDATE
        """

    /// Dead letters, oldest death first.
    ///
    /// In: queue, name, cause, fingerprint, ids, each or NULL for any, and the limit. Out: ended jobs. Locks their rows, skipping locked
    /// ones.
    static func deadLetters(_ hasIDs: Bool) -> String {
        """
        SELECT \(endedColumns), t.cause FROM stint.dead_letters t
        WHERE ($1::text IS NULL OR t.queue = $1) AND ($2::text IS NULL OR t.name = $2)
          AND ($3::bigint IS NULL OR t.cause = $3) AND ($4::text IS NULL OR t.fingerprint = $4)
          \(hasIDs ? "AND t.id = ANY ($6::uuid[])" : "")
        ORDER BY t.finished_at, t.id LIMIT $5::bigint FOR UPDATE SKIP LOCKED
        """
    }

    /// Sends ended jobs back with fresh budgets.
    ///
    /// In: per job id, state, run_at, order key. Out: ids. Locks their rows, which the transaction has locked before.
    static func redrive(from table: String) -> String {
        """
        WITH moved AS (
          DELETE FROM stint.\(table) t
          USING unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[]) AS m (id, state, run_at, order_key)
          WHERE t.id = ANY (ARRAY[m.id])
          RETURNING t.*, m.state AS new_state, m.run_at AS new_run_at, m.order_key)
        INSERT INTO stint.jobs (id, state, run_at, order_key, earlier, created_at, timeout_ms, started_at, attempt,
          max_attempts, max_losses, priority, queue, name, retry, traceparent, tags, metadata, payload)
        SELECT id, new_state, new_run_at, order_key, earlier, created_at, timeout_ms, started_at, attempt,
          max_attempts, max_losses, priority, queue, name, retry, traceparent, tags, metadata, payload
        FROM moved
        RETURNING id
        """
    }

    /// Deletes ended jobs.
    ///
    /// In: ids. Out: ids. Locks as ``redrive(from:)``.
    static func delete(from table: String) -> String {
        "DELETE FROM stint.\(table) WHERE id = ANY ($1::uuid[]) RETURNING id"
    }

    /// Jobs whose time in history is over.
    ///
    /// In: the instant before which they ended, limit. Out: ended jobs. Locks their rows, skipping locked ones.
    static func prunable(from table: String) -> String {
        """
        SELECT \(endedColumns), NULL::smallint FROM stint.\(table) t
        WHERE t.finished_at <= $1::bigint LIMIT $2::bigint FOR UPDATE SKIP LOCKED
        """
    }

    /// Forgets ended sessions.
    ///
    /// In: the instant before which they ended. Out: nothing. Locks their rows.
    static let pruneSessions = """
        WITH gone AS (DELETE FROM stint.worker_sessions WHERE ended_at < $1::bigint RETURNING id)
        DELETE FROM stint.worker_details d USING gone WHERE d.id = ANY (ARRAY[gone.id])
        """

    /// Forgets idempotency keys.
    ///
    /// In: now. Out: nothing. Locks their rows.
    static let pruneKeys = "DELETE FROM stint.idempotency_keys WHERE expires_at <= $1::bigint"

    // MARK: Sessions and queues

    /// Stores a session.
    ///
    /// In: its columns. Out: nothing. Locks nothing that exists.
    static let register = """
        WITH session AS (
          INSERT INTO stint.worker_sessions (id, last_heartbeat_at, expires_at, coordinator, is_draining, is_reseated)
          VALUES ($1::uuid, $2::bigint, $3::bigint, $4::bigint, false, false))
        INSERT INTO stint.worker_details (id, started_at, name, host, pid, sdk, queues, job_names, concurrency, labels)
        VALUES ($1::uuid, $2::bigint, $5, $6, $7::bigint, $8, $9::text[], $10::text[], $11::bigint, $12::bytea)
        """

    /// Live sessions among these.
    ///
    /// In: ids. Out: id, whether draining. Locks their rows, in order of id.
    static let lockSessions = """
        SELECT id, is_draining FROM stint.worker_sessions WHERE id = ANY ($1::uuid[]) AND ended_at IS NULL
        ORDER BY id FOR UPDATE
        """

    /// Live sessions among these, that stay live until the transaction ends.
    ///
    /// In: ids. Out: id. Locks their rows in key share mode, in order of id.
    static let liveSessions = """
        SELECT id FROM stint.worker_sessions WHERE id = ANY ($1::uuid[]) AND coalesce(ended_at, 0) = 0
        ORDER BY id FOR KEY SHARE
        """

    /// Sessions whose lease has passed, earliest first.
    ///
    /// In: now, limit. Out: id. Locks their rows, skipping those that are leased to, renewed or swept now.
    static let expiredSessions = """
        SELECT id FROM stint.worker_sessions WHERE ended_at IS NULL AND expires_at <= $1::bigint
        ORDER BY expires_at, id LIMIT $2::bigint FOR UPDATE SKIP LOCKED
        """

    /// Ends sessions.
    ///
    /// In: ids, now. Out: nothing. Locks their rows, which the transaction has locked before.
    static let endSessions = "UPDATE stint.worker_sessions SET ended_at = $2::bigint WHERE id = ANY ($1::uuid[])"

    /// Tells a session to drain.
    ///
    /// In: id. Out: nothing. Locks its row.
    static let drain = "UPDATE stint.worker_sessions SET is_draining = true WHERE id = $1::uuid"

    /// Pauses a queue.
    ///
    /// In: queue, by whom, now. Out: whether it was not paused before. Locks its row.
    static let pause = """
        INSERT INTO stint.paused_queues (queue, paused_by, paused_at) VALUES ($1, $2, $3::bigint)
        ON CONFLICT (queue) DO UPDATE SET paused_by = EXCLUDED.paused_by
        RETURNING xmax = 0
        """

    /// Resumes a queue.
    ///
    /// In: queue. Out: a row if it was paused. Locks its row.
    static let resume = "DELETE FROM stint.paused_queues WHERE queue = $1 RETURNING queue"

    // MARK: Counts

    /// Adds to the ledger of counts.
    ///
    /// In: per row queue, state, number. Out: nothing. Locks nothing that exists.
    static let count = """
        INSERT INTO stint.queue_counts (queue, state, jobs) SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[])
        """

    /// Replaces rows of the ledger by their sums, when there are many more rows than sums.
    ///
    /// Sums of nothing stay, so that the queue stays known. In: nothing. Out: nothing. Locks up to 20,000 rows, skipping
    /// locked ones.
    static let foldCounts = """
        WITH size AS MATERIALIZED (
          SELECT sum(n) AS entries, count(*) AS sums
          FROM (SELECT count(*) AS n FROM stint.queue_counts GROUP BY queue, state) c),
        gone AS (
          DELETE FROM stint.queue_counts
          WHERE (SELECT entries > 64 + 4 * sums FROM size)
            AND ctid = ANY (ARRAY(SELECT ctid FROM stint.queue_counts LIMIT 20000 FOR UPDATE SKIP LOCKED))
          RETURNING queue, state, jobs)
        INSERT INTO stint.queue_counts (queue, state, jobs) SELECT queue, state, sum(jobs) FROM gone GROUP BY queue, state
        """
}
