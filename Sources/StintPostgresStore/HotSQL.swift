// SPDX-License-Identifier: Apache-2.0

/// The statements that every job passes through: one each for thousands of jobs.
///
/// All take the clock as `$1` (a time given from outside, for tests; else NULL) and `$2` (a time that must not be undercut), and the
/// rows as arrays sorted by job id, so that rows are locked in that order: the planner is told to join by nested loops
/// (see ``PostgresJobStore/plannerSettings``), which keep it. `now()` is one instant for the whole transaction.
///
/// A plan must be right whatever the statistics say: this table is empty one second and holds a million rows the next. So each
/// statement leaves the planner one way only, from the arrays to the rows by their ids:
/// - `j.id = ANY (ARRAY[x.id])` instead of `j.id = x.id`: it can be looked up in the index, but gives no reason to walk all of it;
/// - `j.state + 0 = 3` instead of `j.state = 3`: the partial indexes do not offer themselves;
/// - `coalesce(s.ended_at, 0) = 0` instead of `s.ended_at IS NULL`: likewise.
///
/// Each adds what it changed to the ledger of counts by itself, since the client learns it only after the commit.
enum HotSQL {
    static let instant = "greatest($2::bigint, coalesce($1::bigint, (extract(epoch FROM now()) * 1000)::bigint))"
    static let clock = "(SELECT \(instant) AS now)"

    /// Tells the time of this transaction.
    ///
    /// In: the clock. Out: milliseconds. Locks nothing.
    static let now = "SELECT now FROM \(clock) AS clock"

    /// Completes running jobs whose fence holds: each leaves `jobs` for `job_history`.
    ///
    /// In: per report job id, attempt, nonce, session, result; then the sessions that report. Out: one row per completed job; one row
    /// per reporting session that is live, with nothing but its id in the last column. Locks the sessions' rows in key share mode, then
    /// the completed jobs' rows, each in order of id.
    ///
    /// A running job's session is live, always: whoever ends a session ends its leases in the same transaction. The sessions are
    /// locked first, against key share only, because whoever ends them locks them first too: with the jobs first, a report that comes
    /// just when its session is swept would deadlock with the sweep. So the sweep passes by, and the report counts.
    static let complete = """
        WITH clock AS MATERIALIZED \(clock),
        live AS MATERIALIZED (
          SELECT s.id FROM stint.worker_sessions s WHERE s.id = ANY ($8::uuid[]) AND coalesce(s.ended_at, 0) = 0
          ORDER BY s.id FOR KEY SHARE),
        seen AS MATERIALIZED (SELECT count(*) AS sessions FROM live),
        done AS (
          DELETE FROM stint.jobs j
          USING seen CROSS JOIN unnest($3::uuid[], $4::integer[], $5::bigint[], $6::uuid[], $7::bytea[])
            AS r (id, attempt, nonce, session, result)
          WHERE seen.sessions > 0 AND j.id = ANY (ARRAY[r.id]) AND j.state + 0 = 3 AND j.attempt = r.attempt AND j.nonce = r.nonce
            AND j.worker = r.session
          RETURNING j.*, r.result),
        kept AS (
          INSERT INTO stint.job_history (id, state, run_at, failures, losses, nonce, worker, earlier, finished_at, result,
            \(carried))
          SELECT id, 4, run_at, failures, losses, nonce, worker, earlier, clock.now, result, \(carried)
          FROM done CROSS JOIN clock),
        counts AS (SELECT queue, count(*) AS jobs FROM done GROUP BY queue),
        counted AS (
          INSERT INTO stint.queue_counts (queue, state, jobs)
          SELECT queue, 3, -jobs FROM counts UNION ALL SELECT queue, 4, jobs FROM counts)
        SELECT id, queue, name, attempt, priority, created_at, run_at, started_at, NULL::uuid FROM done
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, id FROM live
        """

    /// Renews live sessions, and seats them at a coordinator where one is given.
    ///
    /// In: per session id, lease in milliseconds, coordinator or NULL. Out: one row per renewed session and lease of it whose job was
    /// called off (one row with NULLs when there is none). Locks the sessions' rows, not against key share.
    static let renew = """
        WITH clock AS MATERIALIZED \(clock),
        renewed AS (
          UPDATE stint.worker_sessions s
          SET last_heartbeat_at = clock.now, expires_at = clock.now + r.lease,
            is_reseated = r.coordinator IS NOT NULL AND s.coordinator IS DISTINCT FROM r.coordinator,
            coordinator = coalesce(r.coordinator, s.coordinator)
          FROM unnest($3::uuid[], $4::bigint[], $5::bigint[]) AS r (id, lease, coordinator) CROSS JOIN clock
          WHERE s.id = ANY (ARRAY[r.id]) AND coalesce(s.ended_at, 0) = 0
          RETURNING s.id, s.is_draining, s.is_reseated)
        SELECT r.id, r.is_draining, r.is_reseated, c.id, c.attempt, c.nonce
        FROM renewed r LEFT JOIN LATERAL (
          SELECT j.id, j.attempt, j.nonce FROM stint.jobs j WHERE j.worker = r.id AND j.cancel_requested OFFSET 0) c ON true
        """

    /// Keeps what workers say of their progress, where they hold the lease.
    ///
    /// In: per lease job id, attempt, nonce, session, per cent, words. Out: nothing. Locks the jobs' rows, in order of id.
    static let progress = """
        UPDATE stint.jobs j SET progress_percent = p.percent, progress_message = p.message
        FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::uuid[], $5::double precision[], $6::bytea[])
          AS p (id, attempt, nonce, session, percent, message)
        WHERE j.id = ANY (ARRAY[p.id]) AND j.state + 0 = 3 AND j.attempt = p.attempt AND j.nonce = p.nonce
          AND j.worker = p.session
        """

    /// The current leases of jobs.
    ///
    /// In: job ids. Out: job id, attempt, nonce, session, cancel flag of those that run. Locks nothing.
    static let currentLeases = """
        SELECT id, attempt, nonce, worker, cancel_requested FROM stint.jobs WHERE id = ANY ($1::uuid[]) AND state + 0 = 3
        """

    /// Leases available jobs to sessions that are fit for work.
    ///
    /// In: per session id, coordinator or NULL, first and last index of its jobs; per job id, nonce. Out: one row per leased job; one row
    /// per live session that is not draining, with its id and coordinator in the last columns. Locks those sessions' rows in share mode, and
    /// the leased jobs' rows, in order of id.
    ///
    /// Why no lease can go to a session that ends at the same moment: the sweep and a goodbye first lock the session's row FOR UPDATE,
    /// then look for its leases. Either they have it first: then this statement waits for them, looks at the row again, finds it
    /// ended, and leases nothing. Or this one has it first, in share mode until its commit: then the sweep skips the session
    /// (a goodbye waits), and when it looks for leases later it sees these. A session moving to another coordinator writes the same
    /// row, so it too comes wholly before or after.
    static let lease = """
        WITH clock AS MATERIALIZED \(clock),
        fit AS MATERIALIZED (
          SELECT s.id, s.coordinator, r.coordinator AS asker, r.low, r.high
          FROM unnest($3::uuid[], $4::bigint[], $5::integer[], $6::integer[]) AS r (session, coordinator, low, high)
          CROSS JOIN LATERAL (
            SELECT s.id, s.coordinator FROM stint.worker_sessions s
            WHERE s.id = r.session AND coalesce(s.ended_at, 0) = 0 AND NOT s.is_draining FOR SHARE) s),
        wanted AS (
          SELECT g.id, g.nonce, f.id AS session
          FROM fit f
          CROSS JOIN LATERAL unnest(($7::uuid[])[f.low:f.high], ($8::bigint[])[f.low:f.high]) AS g (id, nonce)
          WHERE f.asker IS NULL OR f.asker IS NOT DISTINCT FROM f.coordinator
          ORDER BY g.id),
        leased AS (
          UPDATE stint.jobs j
          SET state = 3, attempt = j.attempt + 1, worker = w.session, nonce = w.nonce, started_at = clock.now,
            deadline = clock.now + j.timeout_ms, progress_percent = NULL, progress_message = NULL
          FROM wanted w CROSS JOIN clock
          WHERE j.id = ANY (ARRAY[w.id]) AND j.state + 0 = 2
            AND (j.start_by IS NULL OR j.attempt > 0 OR j.start_by >= clock.now)
            AND NOT j.queue = ANY (ARRAY(SELECT queue FROM stint.paused_queues))
          RETURNING j.id, j.queue, j.name, j.attempt, j.priority, j.created_at, j.run_at, j.payload, j.max_attempts,
            j.timeout_ms, j.metadata, j.traceparent),
        counts AS (SELECT queue, count(*) AS jobs FROM leased GROUP BY queue),
        counted AS (
          INSERT INTO stint.queue_counts (queue, state, jobs)
          SELECT queue, 2, -jobs FROM counts UNION ALL SELECT queue, 3, jobs FROM counts)
        SELECT *, NULL::uuid, NULL::bigint FROM leased
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, id, coordinator FROM fit
        """

    /// Why jobs were not leased.
    ///
    /// In: job ids. Out: of those that are available, in time and in a paused queue the id. Locks nothing.
    static let pausedJobs = """
        SELECT j.id FROM stint.jobs j
        WHERE j.id = ANY ($1::uuid[]) AND j.state + 0 = 2
          AND (j.start_by IS NULL OR j.attempt > 0 OR j.start_by >= $2::bigint)
          AND EXISTS (SELECT FROM stint.paused_queues p WHERE p.queue = j.queue)
        """

    /// Claims idempotency keys: new ones, and those whose time has passed.
    ///
    /// In: per key its text, digest, ids, retention in milliseconds, claim. Out: per key what is stored now; the claim in it tells who
    /// won. Locks the keys' rows, in order of key. A key that another transaction is claiming is waited for.
    static let claimKeys = """
        INSERT INTO stint.idempotency_keys AS k (key, digest, job_ids, expires_at, claim)
        SELECT c.key, c.digest, string_to_array(c.ids, ',')::uuid[], \(instant) + c.retention, c.claim
        FROM unnest($3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[])
          AS c (key, digest, ids, retention, claim)
        ORDER BY c.key
        ON CONFLICT (key) DO UPDATE SET
          digest = CASE WHEN k.expires_at > \(instant) THEN k.digest ELSE EXCLUDED.digest END,
          job_ids = CASE WHEN k.expires_at > \(instant) THEN k.job_ids ELSE EXCLUDED.job_ids END,
          claim = CASE WHEN k.expires_at > \(instant) THEN k.claim ELSE EXCLUDED.claim END,
          expires_at = CASE WHEN k.expires_at > \(instant) THEN k.expires_at ELSE EXCLUDED.expires_at END
        RETURNING key, digest, job_ids, claim
        """

    /// Stores new jobs.
    ///
    /// In: per job its columns, and the key and claim of its submission where it has one. Out: nothing. Locks nothing that exists. A
    /// job whose submission did not win its key is left out.
    static func insert(isKeyed: Bool) -> String {
        let onlyWinners = """

            WHERE i.key IS NULL
              OR EXISTS (SELECT FROM stint.idempotency_keys k WHERE k.key = i.key AND k.claim = i.claim)
            """
        return """
            WITH clock AS MATERIALIZED \(clock),
            placed AS (
              SELECT i.*, clock.now,
                CASE WHEN i.instant IS NOT NULL THEN greatest(i.instant, clock.now) ELSE clock.now + i.delay END AS run_at
              FROM unnest($3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::smallint[],
                $10::integer[], $11::integer[], $12::bigint[], $13::text[], $14::text[], $15::bytea[], $16::text[],
                $17::bytea[]\(isKeyed ? ", $18::text[], $19::bigint[]" : ""))
              AS i (id, queue, name, delay, instant, start_within, priority, max_attempts, max_losses, timeout_ms, retry,
                tags, metadata, traceparent, payload\(isKeyed ? ", key, claim" : ""))
              CROSS JOIN clock\(isKeyed ? onlyWinners : "")),
            stored AS (
              INSERT INTO stint.jobs (id, queue, name, created_at, run_at, order_key, start_by, state, priority,
                max_attempts, max_losses, timeout_ms, retry, tags, metadata, traceparent, payload)
              SELECT id, queue, name, now, run_at, run_at - priority::bigint * 60000, run_at + start_within,
                CASE WHEN run_at > now THEN 1 ELSE 2 END, priority, max_attempts, max_losses, timeout_ms, retry,
                string_to_array(tags, E'\\x1f'), metadata, traceparent, payload
              FROM placed
              RETURNING queue, state)
            INSERT INTO stint.queue_counts (queue, state, jobs)
            SELECT queue, state, count(*) FROM stored GROUP BY queue, state
            """
    }

    static let carried = PostgresSchema.carriedColumns.joined(separator: ", ")
}
