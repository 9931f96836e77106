// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import StintCore
import StintPostgresStore
import StintTestServers
import Testing

@Suite("Migrating PostgreSQL")
struct MigratorTests {
    private func withEmptyDatabase(_ body: (PostgresConfiguration, PostgresPool) async throws -> Void) async throws {
        let name = "migrate_\(UInt64.random(in: 0 ... .max))"
        try SharedPostgres.server.get().execute("CREATE DATABASE \(name)")
        let configuration = try SharedPostgres.configuration(name)
        let pool = PostgresPool(configuration, logger: Logger(label: "test"))
        try await body(configuration, pool)
        await pool.close()
        try SharedPostgres.server.get().execute("DROP DATABASE \(name) WITH (FORCE)")
    }

    private func refusal(_ configuration: PostgresConfiguration) async throws -> String {
        do throws(PostgresStoreError) {
            let store = try await PostgresJobStore(
                configuration,
                rules: EndingDecision.rules,
                logger: Logger(label: "test")
            )
            await store.close()
            return "none"
        } catch {
            return error.description
        }
    }

    @Test func anEmptyDatabaseIsRefusedUntilItIsMigrated() async throws {
        try await withEmptyDatabase { configuration, pool in
            let migrator = PostgresMigrator(pool: pool)
            let status = try await migrator.status()
            #expect(status.version == 0)
            #expect(status.newest > 0)
            #expect(try await refusal(configuration).contains("run `stint migrate up`"))
            #expect(try await migrator.up().count == status.newest)
            #expect(try await migrator.status().version == status.newest)
            #expect(try await refusal(configuration) == "none")
        }
    }

    @Test func migratingAgainDoesNothing() async throws {
        try await withEmptyDatabase { _, pool in
            let migrator = PostgresMigrator(pool: pool)
            _ = try await migrator.up()
            #expect(try await migrator.up().isEmpty)
        }
    }

    @Test func severalMigratorsAtOnceDoEachStepOnce() async throws {
        try await withEmptyDatabase { _, pool in
            let migrator = PostgresMigrator(pool: pool)
            let done = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 { group.addTask { try await migrator.up() } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(done.count == (try await migrator.status().newest))
            #expect(Set(done).count == done.count)
        }
    }

    @Test func aNewerSchemaIsRefused() async throws {
        try await withEmptyDatabase { configuration, pool in
            _ = try await PostgresMigrator(pool: pool).up()
            try await pool.withConnection { connection throws(PostgresError) in
                _ = try connection.run(
                    PostgresStatement("INSERT INTO stint.schema_version VALUES (999)", isKept: false)
                )
            }
            #expect(try await refusal(configuration).contains("start the newer version"))
        }
    }

    @Test func theScriptDoesTheSameAsTheMigrator() async throws {
        try await withEmptyDatabase { configuration, pool in
            try SharedPostgres.server.get().execute(PostgresMigrator.sql(), database: configuration.database)
            let status = try await PostgresMigrator(pool: pool).status()
            #expect(status.version == status.newest)
            #expect(try await refusal(configuration) == "none")
        }
    }

    @Test func aServerThatIsNotThereIsToldInASentence() async throws {
        var configuration = try SharedPostgres.configuration("postgres")
        configuration.port = 1
        let sentence = try await refusal(configuration)
        #expect(sentence.contains("cannot connect"))
        #expect(!sentence.contains(PrivatePostgres.password))
    }
}
