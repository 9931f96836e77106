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

    private func awaitDatabase() async throws {
        var pause = Duration.milliseconds(200)
        var hasTold = false
        while true {
            do {
                _ = try await schemaStatus()
                return
            } catch let error as PostgresError where Self.isOutage(error) {
                if !hasTold {
                    logger.warning("the database does not answer; trying on", metadata: ["error": "\(error)"])
                }
                hasTold = true
            }
            try await Task.sleep(for: pause)
            pause = min(.seconds(2), pause * 2)
        }
    }

    /// Down, or starting or stopping: worth waiting for.
    private static func isOutage(_ error: PostgresError) -> Bool {
        error.kind == .unreachable || error.kind == .timedOut || error.sqlState?.hasPrefix("57P") == true
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
        try await withMigrator { migrator in try await migrator.up() }
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
