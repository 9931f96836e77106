// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintTestServers
import Testing

/// Each with a server of its own, which it breaks.
@Suite("When the database goes away")
struct PostgresOutageTests {
    @Test func aCommitWhoseAnswerIsLostHasAnUnknownOutcome() throws {
        let proxy = try CuttingProxy(to: DriverServer.shared.get().port)
        defer { proxy.stop() }
        let through = try PostgresConnection.open(DriverServer.configuration(port: proxy.port))
        let direct = try DriverServer.connection()
        _ = try direct.run(PostgresStatement("CREATE TABLE lost_answer (n bigint)", isKept: false))
        let insert = PostgresStatement("INSERT INTO lost_answer VALUES (1)", isKept: false)

        proxy.loseNextAnswer()
        let error = try postgresError { _ = try through.run([.begin, insert, .commit]) }
        #expect(error.kind == .unknownOutcome)
        #expect(through.isBroken)
        let count = try direct.run(PostgresStatement("SELECT count(*) FROM lost_answer", isKept: false))
        #expect(count.first?.int(0) == 1, "it was committed: nobody could know")
    }

    @Test func aPipelineWithoutACommitThatBreaksHadNoEffect() throws {
        let proxy = try CuttingProxy(to: DriverServer.shared.get().port)
        defer { proxy.stop() }
        let through = try PostgresConnection.open(DriverServer.configuration(port: proxy.port))
        _ = try through.run([.begin])
        proxy.loseNextAnswer()
        let error = try postgresError { _ = try through.run(PostgresStatement("SELECT 1", isKept: false)) }
        #expect(error.kind == .unreachable)
        #expect(proxy.lostAnswers == 1)
    }

    @Test func aServerThatSaysNothingCostsABoundedTime() throws {
        let server = try PrivatePostgres()
        var configuration = try PostgresConfiguration(url: server.url())
        configuration.statementTimeoutMilliseconds = 200
        configuration.connectTimeoutMilliseconds = 500
        let connection = try PostgresConnection.open(configuration)
        server.freeze()
        defer { server.thaw() }
        let clock = ContinuousClock()
        let begin = clock.now
        let error = try postgresError { _ = try connection.run([.begin]) }
        #expect(error.kind == .timedOut)
        #expect(clock.now - begin < .seconds(10))
        #expect(connection.isBroken)
        #expect(try postgresError { _ = try PostgresConnection.open(configuration) }.kind == .unreachable)
    }

    @Test func aSilentServerLeavesACommitUnknown() throws {
        let server = try PrivatePostgres()
        var configuration = try PostgresConfiguration(url: server.url())
        configuration.statementTimeoutMilliseconds = 100
        let connection = try PostgresConnection.open(configuration)
        server.freeze()
        defer { server.thaw() }
        #expect(try postgresError { _ = try connection.run([.begin, .commit]) }.kind == .unknownOutcome)
    }

    @Test func thePoolFailsAtOnceWhileItIsAwayAndHealsByItself() async throws {
        let server = try PrivatePostgres()
        let pool = DriverServer.pool(try PostgresConfiguration(url: server.url()))
        #expect(try await ask(pool, "SELECT 'here'") == "here")
        server.crash()
        let clock = ContinuousClock()
        let begin = clock.now
        for _ in 0..<5 {
            let error = try await awaitedError { _ = try await ask(pool, "SELECT 'here'") }
            #expect(error.kind == .unreachable)
        }
        #expect(clock.now - begin < .seconds(12), "five waits of three seconds each would take longer")
        try server.start()
        // The pool tries again after its pause, which is never longer than two seconds.
        var answer: String?
        while clock.now - begin < .seconds(60), answer == nil {
            answer = try? await ask(pool, "SELECT 'here'")
            await Task.yield()
        }
        #expect(answer == "here")
        await pool.close()
    }

    @Test func anIdleConnectionThatDiedIsReplacedUnnoticed() async throws {
        let server = try PrivatePostgres()
        let pool = DriverServer.pool(try PostgresConfiguration(url: server.url()))
        #expect(try await ask(pool, "SELECT 'one'") == "one")
        server.stop()
        try server.start()
        #expect(try await ask(pool, "SELECT 'two'") == "two")
        await pool.close()
    }

    @Test func aBackendThatIsTerminatedMidStatementIsToldAsUnreachable() async throws {
        let victim = try DriverServer.connection()
        let killer = try DriverServer.connection()
        _ = try victim.run([.begin])
        _ = try killer.run(
            PostgresStatement("SELECT pg_terminate_backend(\(victim.serverProcess), 5000)", isKept: false)
        )
        let error = try postgresError { _ = try victim.run(PostgresStatement("SELECT 1", isKept: false)) }
        #expect(error.kind == .unreachable)
        #expect(victim.isBroken)
    }
}
