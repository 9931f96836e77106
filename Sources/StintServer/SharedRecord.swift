// SPDX-License-Identifier: Apache-2.0

package import Logging
import PostgresDriver
import StintCore
import StintPostgresStore
package import StintStorage

/// The PostgreSQL database that the processes of a fleet share.
package struct SharedRecord: Sendable {
    private let configuration: PostgresConfiguration
    private let logger: Logger

    /// - Throws: ``ConfigurationError`` for an address that cannot be used.
    package init(_ url: String, logger: Logger) throws {
        do throws(PostgresError) {
            configuration = try PostgresConfiguration(url: url)
        } catch {
            throw ConfigurationError("STINT_DATABASE_URL cannot be used: \(error)")
        }
        self.logger = logger
    }

    /// Opens the record when the database answers, however long that takes; its schema is checked, or first brought up to date.
    ///
    /// - Throws: A sentence for the person who starts the process.
    func open(migrating: Bool) async throws -> any JobStore {
        try await awaitDatabase()
        if migrating {
            for step in try await migrate() { logger.notice("schema step done", metadata: ["step": "\(step)"]) }
        }
        return try await PostgresJobStore(configuration, rules: EndingDecision.rules, logger: logger)
    }

    /// One pool for all tries: it says once that the database is away, and once that it is back.
    private func awaitDatabase() async throws {
        try await withMigrator { migrator in
            var pause = Duration.milliseconds(200)
            while true {
                do {
                    _ = try await migrator.status()
                    return
                } catch let error as PostgresError where Self.mayPass(error) {
                    try await Task.sleep(for: pause)
                    pause = min(.seconds(2), pause * 2)
                }
            }
        }
    }

    /// Whether waiting helps: the server is down, starting, stopping or full; it has not refused us by name, password or database.
    private static func mayPass(_ error: PostgresError) -> Bool {
        guard error.kind == .unreachable || error.kind == .timedOut || error.sqlState?.hasPrefix("57P") == true else {
            return false
        }
        // The client library gives no code for a refused connection, only the server's words.
        let passing = ["the database system is", "too many clients", "remaining connection slots"]
        return !error.message.contains("FATAL") || passing.contains { error.message.contains($0) }
    }

    /// What `doctor` shows of the database.
    package func diagnostics() async throws -> [RecordDiagnostic] {
        let store = try await PostgresJobStore(configuration, rules: EndingDecision.rules, logger: logger)
        do {
            let lines = try await store.diagnostics()
            await store.close()
            return lines
        } catch {
            await store.close()
            throw error
        }
    }

    /// - Returns: The version of the database's schema, the newest one known here, and what keeps servers from starting.
    package func schemaStatus() async throws -> (version: Int, newest: Int, problem: String?) {
        let status = try await withMigrator { migrator in try await migrator.status() }
        return (status.version, status.newest, status.problem?.description)
    }

    /// - Returns: The steps that were done.
    package func migrate() async throws -> [String] {
        try await withMigrator { migrator in
            let status = try await migrator.status()
            if status.version > status.newest, let problem = status.problem { throw problem }
            return try await migrator.up()
        }
    }

    /// Every step as a script for `psql`.
    package static var migrationScript: String { PostgresMigrator.sql() }

    private func withMigrator<Value: Sendable>(
        _ body: (PostgresMigrator) async throws -> Value
    ) async throws -> Value {
        let pool = PostgresPool(configuration, logger: logger)
        do {
            let value = try await body(PostgresMigrator(pool: pool))
            await pool.close()
            return value
        } catch {
            await pool.close()
            throw error
        }
    }
}
