// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import StintCore
import StintModel
import StintPostgresStore
import StintStorage
import StintTestServers
import Testing

@Suite("A PostgreSQL record that fails")
struct StoreOutageTests {
    private func storageError(_ body: () async throws -> Void) async throws -> StorageError? {
        do {
            try await body()
            return nil
        } catch let error as StorageError {
            return error
        }
    }

    /// The commit goes through, its answer is lost: the caller repeats with its key and finds its job.
    @Test func aLostAnswerIsUnknownAndItsRepetitionAReplay() async throws {
        try await SharedPostgres.withDatabase { database in
            let proxy = try CuttingProxy(to: SharedPostgres.server.get().port)
            defer { proxy.stop() }
            let bench = try await StoreBench(database) { $0.port = proxy.port }
            let key = Idempotency(key: "k", digest: [1], retention: Milliseconds(60_000))
            let first = Submission(jobs: [StoreBench.newJob()], idempotency: key)
            proxy.loseNextAnswer()
            let error = try await storageError { _ = try await bench.store.perform([.submit(first)]) }
            guard case .unknownOutcome = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            let again = Submission(jobs: [StoreBench.newJob()], idempotency: key)
            let receipt = try await bench.store.perform([.submit(again)]).answers[0].submitReceipt
            #expect(receipt.isReplay)
            #expect(receipt.ids == first.jobs.map(\.id))
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.jobs") == "1")
            await bench.close()
        }
    }

    @Test func aReadWhoseAnswerIsLostIsOnlyUnavailable() async throws {
        try await SharedPostgres.withDatabase { database in
            let proxy = try CuttingProxy(to: SharedPostgres.server.get().port)
            defer { proxy.stop() }
            let bench = try await StoreBench(database) { $0.port = proxy.port }
            proxy.loseNextAnswer()
            let error = try await storageError { _ = try await bench.store.queues() }
            guard case .unavailable = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(try await bench.store.queues().isEmpty)
            await bench.close()
        }
    }

    /// As a power cut of the database server's memory: what was answered is there afterwards, without a restart of
    /// ours.
    @Test func whatWasAnsweredSurvivesACrashOfTheServer() async throws {
        let server = try PrivatePostgres()
        let configuration = try PostgresConfiguration(url: server.url())
        let pool = PostgresPool(configuration, logger: Logger(label: "test"))
        _ = try await PostgresMigrator(pool: pool).up()
        await pool.close()
        let store = try await StoreBench.open(configuration)
        let jobs = (0..<50).map { _ in StoreBench.newJob() }
        _ = try await store.perform([.submit(Submission(jobs: jobs))])
        server.crash()
        let during = try await storageError { _ = try await store.perform([.cancel(jobs[0].id)]) }
        guard case .unavailable = during else {
            Issue.record("\(String(describing: during))")
            return
        }
        try server.start()
        var counts: [JobState: Int]?
        let clock = ContinuousClock()
        let begin = clock.now
        while counts == nil, clock.now - begin < .seconds(60) {
            counts = try? await store.queues().first?.counts
            await Task.yield()
        }
        #expect(counts == [.available: 50])
        await store.close()
    }

    @Test func aSecondJobOfOneIDIsRejectedWithoutTellingData() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = StoreBench.newJob { $0.payload = Array("\"a secret\"".utf8) }
            _ = try await bench.store.perform([.submit(Submission(jobs: [job]))])
            let error = try await storageError { _ = try await bench.store.perform([.submit(Submission(jobs: [job]))]) }
            guard case .rejected(let words) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(words.contains("jobs_id"))
            #expect(!words.contains("secret"))
            await bench.close()
        }
    }

    @Test func endangeredDurabilityIsTold() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database) { $0.settings["synchronous_commit"] = "off" }
            let lines = try await bench.store.diagnostics()
            #expect(lines.first { $0.key == "synchronous_commit" }?.warning?.contains("lost in a crash") == true)
            #expect(lines.first { $0.key == "fsync" }?.warning == nil)
            #expect(lines.first { $0.key == "schema" }?.warning == nil)
            #expect(lines.contains { $0.key == "table_jobs" })
            #expect(lines.contains { $0.key == "oldest_transaction_seconds" })
            await bench.close()
        }
    }
}
