// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import StintModel
import StintStorage
import StintTestServers
import Testing

@testable import StintPostgresStore

/// At volume, with sequential scans allowed, no statement reads a table of jobs from end to end.
@Suite("Query plans of the PostgreSQL record")
struct QueryPlanTests {
    @Test func noStatementScansATableOfJobs() async throws {
        try SharedPostgres.server.get().execute("CREATE DATABASE plans")
        var configuration = try SharedPostgres.configuration("plans")
        configuration.settings = PostgresJobStore.plannerSettings
        configuration.settings["enable_seqscan"] = "on"
        configuration.statementTimeoutMilliseconds = 120_000
        let pool = PostgresPool(configuration, logger: Logger(label: "test"))
        _ = try await PostgresMigrator(pool: pool).up()
        try await pool.withConnection { connection throws(PostgresError) in
            for sql in Self.volume { _ = try connection.run(PostgresStatement(sql, isKept: false)) }
        }
        for (name, sql) in Self.statements {
            let plan = try await Self.plan(of: sql, pool)
            for table in ["jobs", "job_history", "dead_letters"] {
                let isScanned = plan.contains { $0.contains("Seq Scan on \(table)") }
                #expect(!isScanned, "\(name):\n\(plan.joined(separator: "\n"))")
            }
        }
        // Groups need every dead letter: from the index alone, as our sessions' settings have it.
        let groups = try await Self.plan(of: PostgresReader.deadGroups, pool, before: "SET enable_seqscan = off")
        #expect(groups.contains { $0.contains("Index Only Scan using dead_letters_group") }, "\(groups)")
        await pool.close()
        try SharedPostgres.server.get().execute("DROP DATABASE plans WITH (FORCE)")
    }

    /// The plan for arguments that are not known.
    private static func plan(
        of sql: String,
        _ pool: PostgresPool,
        before: String = "SET enable_seqscan = on"
    ) async throws -> [String] {
        let count = (1...30).last { sql.contains("$\($0)") } ?? 0
        let arguments = count == 0 ? "" : "(\(Array(repeating: "NULL", count: count).joined(separator: ", ")))"
        return try await pool.withConnection { connection throws(PostgresError) in
            let statements = [before, "PREPARE p AS \(sql)", "EXPLAIN EXECUTE p\(arguments)", "DEALLOCATE p"]
            return try statements.map { sql throws(PostgresError) in
                try connection.run(PostgresStatement(sql, isKept: false)).rows.map { $0.text(0) }
            }[2]
        }
    }

    /// 200,000 live jobs of every kind, 200,000 of history, 50,000 dead letters, 2,000 sessions.
    private static let volume = [
        """
        INSERT INTO stint.worker_sessions
        SELECT stint.new_id(), 1, 2, CASE WHEN n % 2 = 0 THEN 3 END, NULL, false, false FROM generate_series(1, 2000) n
        """,
        """
        INSERT INTO stint.jobs (id, created_at, run_at, order_key, timeout_ms, max_attempts, max_losses, state, priority,
          queue, name, payload, worker, nonce, deadline, start_by, tags)
        SELECT stint.new_id(), n, n, n, 1000, 12, 3, 1 + n % 3, 0, 'queue-' || n % 20, 'name-' || n % 10, '{}',
          CASE WHEN n % 3 = 2 THEN stint.new_id() END, n, n, CASE WHEN n % 100 = 0 THEN n END,
          CASE WHEN n % 50 = 0 THEN ARRAY['tag-' || n % 500] END
        FROM generate_series(1, 200000) n
        """,
        """
        INSERT INTO stint.job_history (id, created_at, run_at, timeout_ms, max_attempts, max_losses, state, priority,
          queue, name, payload, finished_at, tags)
        SELECT stint.new_id(), n, n, 1000, 12, 3, 4 + 2 * (n % 2), 0, 'queue-' || n % 20, 'name-' || n % 10, '{}',
          CASE WHEN n % 10 = 0 THEN n ELSE (extract(epoch FROM now()) * 1000)::bigint + n * 1000 END, CASE WHEN n % 50 = 0 THEN ARRAY['tag-' || n % 500] END
        FROM generate_series(1, 200000) n
        """,
        """
        INSERT INTO stint.dead_letters (id, created_at, run_at, timeout_ms, max_attempts, max_losses, state, priority,
          queue, name, payload, finished_at, cause, fingerprint, error_type, error_message)
        SELECT stint.new_id(), n, n, 1000, 12, 3, 5, 0, 'queue-' || n % 20, 'name-' || n % 10,
          convert_to(repeat('payload', 30), 'UTF8'), n, n % 3, 'print-' || n % 40, '', ''
        FROM generate_series(1, 50000) n
        """,
        "VACUUM ANALYZE",
    ]

    private static var statements: [(String, String)] {
        let hot = [
            ("complete", HotSQL.complete), ("renew", HotSQL.renew), ("progress", HotSQL.progress),
            ("current leases", HotSQL.currentLeases), ("lease", HotSQL.lease), ("paused jobs", HotSQL.pausedJobs),
            ("insert", HotSQL.insert(isKeyed: false)), ("insert with keys", HotSQL.insert(isKeyed: true)),
        ]
        let cold = [
            ("jobs by id", ColdSQL.jobsByID), ("overdue jobs", ColdSQL.overdueJobs),
            ("overdue ids", ColdSQL.overdueIDs),
            ("jobs of sessions", ColdSQL.jobsOfSessions), ("due", ColdSQL.dueJobs), ("late", ColdSQL.lateJobs),
            ("move", ColdSQL.move), ("archive", ColdSQL.archive), ("bury", ColdSQL.bury), ("call off", ColdSQL.callOff),
            ("dead by id", ColdSQL.deadByID), ("history by id", ColdSQL.historyByID),
            ("dead letters", ColdSQL.deadLetters(false)), ("dead letters by id", ColdSQL.deadLetters(true)),
            ("redrive", ColdSQL.redrive(from: "dead_letters")), ("delete", ColdSQL.delete(from: "job_history")),
        ]
        let reads = [
            ("ready after", PostgresReader.readyAfter), ("ready before", PostgresReader.readyBefore),
            ("ready lanes", PostgresReader.readyLanes), ("first due", PostgresReader.firstDue),
        ]
        return hot + cold + reads + RememberedJob.sources.map { ("remembered", $0) } + lists
    }

    private static var lists: [(String, String)] {
        var queries: [(String, JobQuery)] = [("every job", JobQuery())]
        for state in JobState.allCases {
            var query = JobQuery()
            query.state = state
            queries.append(("\(state) jobs", query))
        }
        var tagged = JobQuery()
        tagged.tag = "tag-50"
        var named = JobQuery()
        named.queue = "queue-3"
        named.name = "name-3"
        named.createdAfter = Timestamp(milliseconds: 5)
        var print = JobQuery()
        print.fingerprint = "print-1"
        queries += [("tagged", tagged), ("of a queue and a name", named), ("of a fingerprint", print)]
        return queries.map { ($0.0, PostgresReader.statement($0.1, window: 5000).sql) }
    }
}
