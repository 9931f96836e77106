// SPDX-License-Identifier: Apache-2.0

/// The tables, as numbered steps that only add.
///
/// - `jobs` holds live jobs only, each with its *current* attempt, so that a job that completes at first try is one row that is
///   written three times. A job that ends leaves this table in the statement that ends it.
/// - `dead_letters` holds whole jobs in state dead.
/// - `job_history` holds whole jobs that completed, were cancelled or expired, in one partition a day. Retention drops partitions.
/// - `earlier` holds the attempts that ended before the current one, packed (see `AttemptCodec`): no table of attempts.
/// - `worker_sessions` holds what a renewal writes and nothing else, and no index depends on it, so that renewals stay within their
///   page; `worker_details` holds the rest.
/// - `queue_counts` is a ledger: writers only add rows, so they never wait for one another; readers sum it, the sweep replaces rows by
///   their sums.
/// - Texts that a worker or client writes freely are `bytea`: JSON may hold U+0000, which `text` cannot.
/// - Names sort by bytes: `COLLATE "C"`.
enum PostgresSchema {
    /// One migration; its statements run in one transaction.
    struct Step {
        var number: Int
        var title: String
        var statements: [String]
    }

    static let steps: [Step] = [
        Step(number: 1, title: "jobs, their history and their workers", statements: tables + indexes),
        Step(number: 2, title: "submitting from SQL", statements: SubmitFunction.statements),
        Step(number: 3, title: "history by day", statements: HistoryPartitions.statements),
    ]

    static var newest: Int { steps.last?.number ?? 0 }

    /// What a job takes along wherever it goes, besides its id, state and the times of its end.
    static let carriedColumns = [
        "created_at", "timeout_ms", "start_by", "previous_delay", "started_at", "attempt", "max_attempts", "max_losses",
        "priority", "cancel_requested", "progress_percent", "queue", "name", "retry", "traceparent", "tags", "metadata",
        "progress_message", "payload",
    ]

    private static let jobColumns = """
        id uuid NOT NULL, created_at bigint NOT NULL, run_at bigint NOT NULL, timeout_ms bigint NOT NULL,
        start_by bigint, previous_delay bigint, started_at bigint, nonce bigint, worker uuid,
        attempt integer NOT NULL DEFAULT 0, failures integer NOT NULL DEFAULT 0, losses integer NOT NULL DEFAULT 0,
        max_attempts integer NOT NULL, max_losses integer NOT NULL, state smallint NOT NULL, priority smallint NOT NULL,
        cancel_requested boolean NOT NULL DEFAULT false, progress_percent double precision,
        queue text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, retry text, traceparent text,
        tags text[] COLLATE "C", metadata bytea, progress_message bytea, earlier bytea, payload bytea NOT NULL
        """

    /// Every row is written three times in its short life: room for that in its page, and a vacuum that never falls far
    /// behind.
    private static let busyTable = """
        autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_threshold = 2000, autovacuum_analyze_scale_factor = 0.1
        """

    private static let tables: [String] = [
        """
        CREATE TABLE stint.jobs (
          \(jobColumns), order_key bigint NOT NULL, deadline bigint, CONSTRAINT jobs_id PRIMARY KEY (id)
        ) WITH (fillfactor = 80, \(busyTable))
        """,
        """
        CREATE TABLE stint.dead_letters (
          \(jobColumns), finished_at bigint NOT NULL, cause smallint NOT NULL, fingerprint text COLLATE "C" NOT NULL,
          error_type bytea NOT NULL, error_message bytea NOT NULL, CONSTRAINT dead_letters_id PRIMARY KEY (id))
        """,
        """
        CREATE TABLE stint.job_history (\(jobColumns), finished_at bigint NOT NULL, result bytea)
        PARTITION BY RANGE (finished_at)
        """,
        "CREATE TABLE stint.job_history_default PARTITION OF stint.job_history DEFAULT",
        """
        CREATE TABLE stint.worker_sessions (
          id uuid NOT NULL, last_heartbeat_at bigint NOT NULL, expires_at bigint NOT NULL, ended_at bigint,
          coordinator bigint, is_draining boolean NOT NULL, is_reseated boolean NOT NULL,
          CONSTRAINT worker_sessions_id PRIMARY KEY (id)
        ) WITH (fillfactor = 50, \(busyTable))
        """,
        """
        CREATE TABLE stint.worker_details (
          id uuid NOT NULL, started_at bigint NOT NULL, name text NOT NULL, host text NOT NULL, pid bigint, sdk text NOT NULL,
          queues text[] NOT NULL, job_names text[] NOT NULL, concurrency integer NOT NULL, labels bytea NOT NULL,
          CONSTRAINT worker_details_id PRIMARY KEY (id))
        """,
        """
        CREATE TABLE stint.idempotency_keys (
          key text COLLATE "C" NOT NULL, digest bytea NOT NULL, job_ids uuid[] NOT NULL, expires_at bigint NOT NULL,
          claim bigint NOT NULL, CONSTRAINT idempotency_keys_key PRIMARY KEY (key))
        """,
        """
        CREATE TABLE stint.paused_queues (
          queue text COLLATE "C" NOT NULL, paused_by text NOT NULL, paused_at bigint NOT NULL,
          CONSTRAINT paused_queues_queue PRIMARY KEY (queue))
        """,
        """
        CREATE TABLE stint.queue_counts (queue text COLLATE "C" NOT NULL, state smallint NOT NULL, jobs bigint NOT NULL)
        WITH (\(busyTable))
        """,
    ]

    private static let indexes: [String] = [
        "CREATE INDEX jobs_available ON stint.jobs (queue, name, order_key, id) WHERE state = 2",
        "CREATE INDEX jobs_scheduled ON stint.jobs (run_at, id) WHERE state = 1",
        "CREATE INDEX jobs_running ON stint.jobs (worker, deadline) WHERE state = 3",
        "CREATE INDEX jobs_called_off ON stint.jobs (worker) WHERE cancel_requested",
        """
        CREATE INDEX jobs_start_by ON stint.jobs (start_by, id)
        WHERE start_by IS NOT NULL AND state <= 2 AND attempt = 0
        """,
        "CREATE INDEX jobs_tags ON stint.jobs USING gin (tags) WHERE tags IS NOT NULL",
        "CREATE INDEX dead_letters_age ON stint.dead_letters (finished_at, id)",
        """
        CREATE INDEX dead_letters_group ON stint.dead_letters (fingerprint, finished_at, id) INCLUDE (queue, name, cause)
        """,
        "CREATE INDEX dead_letters_tags ON stint.dead_letters USING gin (tags) WHERE tags IS NOT NULL",
        "CREATE INDEX job_history_id ON stint.job_history (id)",
        """
        CREATE INDEX job_history_age ON stint.job_history USING brin (finished_at)
        WITH (pages_per_range = 32, autosummarize = on)
        """,
        "CREATE INDEX job_history_tags ON stint.job_history USING gin (tags) WHERE tags IS NOT NULL",
        "CREATE INDEX worker_sessions_live ON stint.worker_sessions (id) WHERE ended_at IS NULL",
        "CREATE INDEX worker_sessions_ended ON stint.worker_sessions (ended_at) WHERE ended_at IS NOT NULL",
        "CREATE INDEX idempotency_keys_expiry ON stint.idempotency_keys (expires_at)",
    ]
}
