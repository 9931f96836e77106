// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintPostgresStore
import StintStorage
import Testing

@Suite("Submitting from SQL")
struct SubmitFunctionTests {
    @Test func aJobOfAnotherApplicationRunsLikeAnyOther() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let payload = #"  {"b":1.0, "a":2, "a":"\u0000"}  "#
            let text = try await bench.sql(
                "SELECT stint.submit('resize_image', '\(payload)', queue => 'media', priority => 3)::text"
            )
            let id = try #require(JobID(text))
            let job = try #require(try await bench.store.job(id))
            #expect(job.payload == Array(payload.utf8))
            #expect(job.lane == Lane(queue: "media", name: "resize_image"))
            #expect(job.options.priority == 3)
            #expect(job.state == .available)
            let ready = try await bench.store.readyJobs(lane: job.lane, after: nil, limit: 9)
            #expect(ready == [ReadyJob(lane: job.lane, order: ServingOrder(runAt: job.runAt, priority: 3, id: id))])
            #expect(try await bench.store.queues().map(\.counts) == [[.available: 1]])
            let session = try await bench.register()
            let token = try #require(try await bench.lease([id], to: session).granted.first).token
            _ = try await bench.store.perform([StoreBench.report(token, .completed(result: nil), from: session)])
            #expect(try await bench.store.job(id)?.state == .completed)
            await bench.close()
        }
    }

    @Test func itsIdsAreOfVersionSevenAndTellTheTime() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let now = try await bench.store.now()
            for _ in 0..<20 {
                let id = try #require(UUIDv7(try await bench.sql("SELECT stint.new_id()::text")))
                #expect(id.high >> 12 & 0xF == 7)
                #expect(id.low >> 62 == 0b10)
                #expect(id > UUIDv7.lowerBound(at: now - Milliseconds(1000)))
                #expect(id < UUIDv7.lowerBound(at: now + Milliseconds(600_000)))
            }
            await bench.close()
        }
    }

    @Test func aDelayedJobIsScheduled() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let text = try await bench.sql("SELECT stint.submit('work', delay => '90 seconds')::text")
            let id = try #require(JobID(text))
            let job = try #require(try await bench.store.job(id))
            #expect(job.state == .scheduled)
            #expect(job.runAt == job.createdAt + Milliseconds(90_000))
            #expect(job.payload == Array("null".utf8))
            #expect(try await bench.store.nextDue() == job.runAt)
            await bench.close()
        }
    }

    @Test func aTransactionThatIsRolledBackSubmitsNothing() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            try await bench.raw.withConnection { connection throws(PostgresError) in
                _ = try connection.run([
                    .begin, PostgresStatement("SELECT stint.submit('work')", isKept: false), .rollback,
                ])
            }
            #expect(try await bench.store.queues().isEmpty)
            #expect(try await bench.store.readyLanes().isEmpty)
            await bench.close()
        }
    }

    @Test(arguments: [
        "'two words'", "''", "NULL", "'work', payload => '{nonsense'", "'work', payload => NULL",
        "'work', queue => 'a/b'", "'work', queue => repeat('q', 129)", "'work', priority => 101",
        "'work', delay => '-1 second'", "'work', max_attempts => 0", "'work', timeout => '8 days'",
        "'work', payload => '\"' || repeat('x', 262144) || '\"'",
    ])
    func whatTheAPIRefusesIsRefusedHereToo(_ arguments: String) async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            await #expect(throws: PostgresError.self) { try await bench.sql("SELECT stint.submit(\(arguments))::text") }
            #expect(try await bench.store.queues().isEmpty)
            await bench.close()
        }
    }
}
