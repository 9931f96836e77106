// SPDX-License-Identifier: Apache-2.0

package import PostgresDriver

/// Brings the schema up to date, one numbered step after the other.
///
/// Each step is a transaction of its own that holds an advisory lock, so that two migrators cannot meet and a killed one can be
/// run again. Steps only add, and wait briefly for locks: servers of the version before go on working.
package struct PostgresMigrator: Sendable {
    private let pool: PostgresPool

    /// Names the lock among all advisory locks of the database.
    private static let lockKey: Int64 = 0x5374_696E_7401

    /// An index of a large table takes its time.
    private static let statementMilliseconds = 6 * 3_600_000

    package init(pool: PostgresPool) {
        self.pool = pool
    }

    /// Where the schema stands.
    package struct Status: Hashable, Sendable {
        /// 0 when there is none yet.
        package var version: Int
        /// What this program knows.
        package var newest: Int

        /// What keeps a server from starting, nil when nothing does.
        package var problem: PostgresStoreError? {
            if version < newest {
                return PostgresStoreError(
                    "the database's schema is at version \(version), this program needs \(newest): run `stint migrate up`"
                )
            }
            if version > newest {
                return PostgresStoreError(
                    "the database's schema is at version \(version), newer than this program knows (\(newest)): "
                        + "start the newer version of stint"
                )
            }
            return nil
        }
    }

    package func status() async throws(PostgresError) -> Status {
        try await pool.withConnection { connection throws(PostgresError) in try Self.status(connection) }
    }

    /// Carries out every step that is missing.
    ///
    /// - Returns: The steps done, as `number title`.
    package func up() async throws(PostgresError) -> [String] {
        try await pool.withConnection { connection throws(PostgresError) in
            var done: [String] = []
            for step in PostgresSchema.steps where try Self.carryOut(step, connection) {
                done.append("\(step.number) \(step.title)")
            }
            return done
        }
    }

    /// Every step as a script for `psql`.
    package static func sql() -> String {
        let steps = PostgresSchema.steps.map { step in
            let record = "INSERT INTO stint.schema_version (version) VALUES (\(step.number))"
            let statements = (step.statements + [record]).map { $0 + ";" }.joined(separator: "\n\n")
            return "-- \(step.number): \(step.title)\nBEGIN;\n\n\(statements)\n\nCOMMIT;\n"
        }
        let head = preparation.map { $0 + ";" }.joined(separator: "\n")
        return ([head + "\n"] + steps).joined(separator: "\n")
    }

    private static let preparation = [
        "CREATE SCHEMA IF NOT EXISTS stint",
        """
        CREATE TABLE IF NOT EXISTS stint.schema_version (
          version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())
        """,
    ]

    /// Reads the newest step that was done.
    ///
    /// In: nothing. Out: one integer; the table may be missing. Locks nothing.
    static func status(_ connection: PostgresConnection) throws(PostgresError) -> Status {
        let hasTable = "SELECT to_regclass('stint.schema_version') IS NOT NULL"
        let isThere = try connection.run(PostgresStatement(hasTable, isKept: false)).first?.bool(0) ?? false
        guard isThere else { return Status(version: 0, newest: PostgresSchema.newest) }
        let read = PostgresStatement("SELECT coalesce(max(version), 0) FROM stint.schema_version", isKept: false)
        let version = try connection.run(read).first?.int(0) ?? 0
        return Status(version: version, newest: PostgresSchema.newest)
    }

    /// One transaction.
    ///
    /// In: a step. Out: whether it was missing. Locks the migration lock, and what the step changes, for at most `lock_timeout`.
    private static func carryOut(
        _ step: PostgresSchema.Step,
        _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        // A build of an index may take long; an idle transaction, a wait for a lock may not.
        let settings = PostgresStatement("SELECT set_config('statement_timeout', '0', true)", isKept: false)
        let lock = PostgresStatement("SELECT pg_advisory_xact_lock($1)", isKept: false) { $0.add(lockKey) }
        let prepare = preparation.map { PostgresStatement($0, isKept: false) }
        _ = try connection.run([.begin, settings, lock] + prepare)
        guard try status(connection).version < step.number else {
            _ = try connection.run([.commit])
            return false
        }
        let record = PostgresStatement("INSERT INTO stint.schema_version (version) VALUES ($1)", isKept: false) {
            $0.add(Int64(step.number))
        }
        let statements = step.statements.map { PostgresStatement($0, isKept: false) }
        _ = try connection.run(statements + [record, .commit], within: statementMilliseconds)
        return true
    }
}

/// Why the record cannot be used, as a sentence for the person who starts the server.
package struct PostgresStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
