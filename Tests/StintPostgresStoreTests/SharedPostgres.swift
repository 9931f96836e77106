// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import StintModel
import StintPostgresStore
import StintTestServers

/// One server for all tests of this module; each test gets a database of its own, copied from one that is migrated.
enum SharedPostgres {
    static let server = Result { try PrivatePostgres(settings: ["autovacuum=on"]) }
    static let bouncer = Result { try PrivatePgBouncer(server.get()) }

    /// More at once only make each other slower.
    private static let databases = DatabaseShelf(limit: 4)

    /// With patience: other tests share the machine.
    ///
    /// Tests of time-outs set their own.
    static func configuration(_ database: String, isPooled: Bool = false) throws -> PostgresConfiguration {
        let server = try server.get()
        let port = isPooled ? try bouncer.get().port : server.port
        let url = server.url(database: database, port: port)
        var configuration = try PostgresConfiguration(url: isPooled ? url + "?pgbouncer=true" : url)
        configuration.connectTimeoutMilliseconds = 30_000
        configuration.statementTimeoutMilliseconds = 30_000
        configuration.lockTimeoutMilliseconds = 20_000
        configuration.idleInTransactionMilliseconds = 20_000
        return configuration
    }

    /// Lends a migrated database without a row.
    static func withDatabase<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        let database = try await databases.take()
        do {
            let value = try await body(database.name)
            await databases.put(database)
            return value
        } catch {
            await databases.put(database)
            throw error
        }
    }
}

/// Databases that are used one after the other, since making one takes longer than emptying one.
actor DatabaseShelf {
    struct Database {
        var name: String
        var pool: PostgresPool
    }

    private let limit: Int
    private var made = 0
    private var idle: [Database] = []
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(limit: Int) {
        self.limit = limit
    }

    func take() async throws -> Database {
        while idle.isEmpty, made == limit {
            await withCheckedContinuation { waiting.append($0) }
        }
        if let database = idle.popLast() {
            try await empty(database)
            return database
        }
        made += 1
        let name = "case_\(made)"
        try SharedPostgres.server.get().execute("CREATE DATABASE \(name)")
        var limits = PostgresPool.Limits()
        limits.connectionsMax = 1
        let configuration = try SharedPostgres.configuration(name)
        let database = Database(
            name: name,
            pool: PostgresPool(configuration, limits: limits, logger: Logger(label: "test"))
        )
        _ = try await PostgresMigrator(pool: database.pool).up()
        return database
    }

    func put(_ database: Database) {
        idle.append(database)
        if !waiting.isEmpty { waiting.removeFirst().resume() }
    }

    private func empty(_ database: Database) async throws {
        let tables = [
            "jobs", "dead_letters", "job_history", "worker_sessions", "worker_details", "idempotency_keys",
            "paused_queues", "queue_counts",
        ]
        _ = try await database.pool.withConnection { connection throws(PostgresError) in
            try connection.run(tables.map { PostgresStatement("DELETE FROM stint.\($0)") }).count
        }
    }
}
