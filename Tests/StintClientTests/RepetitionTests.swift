// SPDX-License-Identifier: Apache-2.0

import StintClient
import StintStubServer
import Testing

@Suite struct RepetitionTests {
    @Test func aSubmitIsRepeatedWithTheSameKeyAndBytes() async throws {
        let busy = StubServer.Answer.reply(503, Sample.problem(503, "overloaded"), headers: [("Retry-After", "0")])
        try await StubServer.with(.answers(.close, busy, .reply(201, Sample.job()))) { server in
            let job = try await withClient(server.url) { try await $0.submit(SubmitRequest(name: "a")) }
            #expect(job.id == Sample.id)
            #expect(server.requests.count == 3)
            let keys = Set(server.requests.map { $0.header("Idempotency-Key") })
            #expect(keys.count == 1)
            #expect(keys.first??.count ?? 0 >= 32)
            #expect(Set(server.requests.map(\.text)).count == 1)
        }
    }

    @Test func twoSubmitsHaveTwoKeysUnlessOneIsGiven() async throws {
        try await StubServer.with(.answers(.reply(201, Sample.job()))) { server in
            try await withClient(server.url) { client in
                _ = try await client.submit(SubmitRequest(name: "a"))
                _ = try await client.submit(SubmitRequest(name: "a"))
                _ = try await client.submit(SubmitRequest(name: "a"), idempotencyKey: "order-4711")
                let error = try await failure {
                    _ = try await client.submit(SubmitRequest(name: "a"), idempotencyKey: "a b")
                }
                #expect(error.code == .callInvalid)
            }
            let keys = server.requests.compactMap { $0.header("Idempotency-Key") }
            #expect(Set(keys).count == 3)
            #expect(keys.last == "order-4711")
        }
    }

    @Test func aRedriveWhoseOutcomeIsUnknownIsNotRepeated() async throws {
        try await StubServer.with(.answers(.close)) { server in
            let error = try await failure {
                _ = try await withClient(server.url) { try await $0.redrive(DeadLetterSelection()) }
            }
            #expect(error.code == .connectionBroken)
            #expect(error.isNotReachable)
            #expect(server.requests.count == 1)
        }
    }

    @Test func aRefusalForNowIsWaitedFor() async throws {
        let busy = StubServer.Answer.reply(
            429,
            Sample.problem(429, "too_many_requests"),
            headers: [("Retry-After", "0")]
        )
        try await StubServer.with(.answers(busy, .reply(202, #"{"count":1}"#))) { server in
            let count = try await withClient(server.url) { try await $0.redrive(DeadLetterSelection()) }
            #expect(count == 1)
            #expect(server.requests.count == 2)
        }
    }

    @Test func aServerThatAsksForALongPauseIsNotWaitedFor() async throws {
        let busy = StubServer.Answer.reply(503, Sample.problem(503, "unavailable"), headers: [("Retry-After", "60")])
        try await StubServer.with(.answers(busy)) { server in
            let error = try await failure { _ = try await withClient(server.url) { try await $0.stats() } }
            #expect(error.status == 503)
            #expect(error.retryAfterSeconds == 60)
            #expect(server.requests.count == 1)
        }
    }

    @Test func aDeleteWhoseAnswerWasLostIsDone() async throws {
        let unknown = StubServer.Answer.reply(404, Sample.problem(404, "not_found"))
        try await StubServer.with(.answers(.close, unknown)) { server in
            try await withClient(server.url) { try await $0.delete(Sample.id) }
            #expect(server.requests.count == 2)
        }
        try await StubServer.with(.answers(unknown)) { server in
            let error = try await failure { try await withClient(server.url) { try await $0.delete(Sample.id) } }
            #expect(error.isNotFound)
        }
    }

    @Test func nobodyAtTheAddressIsToldAtOnce() async throws {
        // Nobody listens on port 1; a port that was just given up might be another test's by now.
        for url in ["http://127.0.0.1:1", "http://localhost:1"] {
            let error = try await failure { _ = try await withClient(url, retriesMax: 1) { try await $0.stats() } }
            #expect(error.code == .notReachable, "\(error)")
            #expect(error.description.contains("connection refused"), "\(error)")
        }
    }

    @Test func anAnswerThatDoesNotComeTimesOut() async throws {
        try await StubServer.with(.answers(.silence)) { server in
            let error = try await failure {
                _ = try await withClient(server.url, retriesMax: 0, timeout: .milliseconds(50)) { try await $0.stats() }
            }
            #expect(error.code == .timedOut)
        }
    }

    @Test func cancellingTheTaskEndsTheCall() async throws {
        let (asked, continuation) = AsyncStream.makeStream(of: Void.self)
        let plan = StubServer.Plan { _, _ in
            continuation.yield()
            return .silence
        }
        try await StubServer.with(plan) { server in
            try await withClient(server.url) { client in
                let call = Task { try await client.stats() }
                for await _ in asked { break }
                call.cancel()
                await #expect(throws: CancellationError.self) { try await call.value }
            }
        }
    }

    @Test func aClientThatWasShutDownMakesNoCalls() async throws {
        let client = try StintClient(StintClient.Configuration(url: "http://127.0.0.1:9"))
        await client.shutdown()
        let error = try await failure { _ = try await client.stats() }
        #expect(error.code == .closed)
    }

    @Test func waitingGoesOnUntilTheJobHasEnded() async throws {
        let answers = StubServer.Plan.answers(.reply(202, Sample.job("running")), .reply(200, Sample.job("completed")))
        try await StubServer.with(answers) { server in
            let job = try await withClient(server.url) { try await $0.wait(for: Sample.id) }
            #expect(job.state == .completed)
            #expect(
                server.requests.map(\.line) == Array(repeating: "GET /v1/jobs/\(Sample.id)/result?wait=30.0", count: 2)
            )
        }
        try await StubServer.with(.answers(.reply(202, Sample.job("running")))) { server in
            let error = try await failure {
                _ = try await withClient(server.url) { try await $0.wait(for: Sample.id, timeout: .milliseconds(1)) }
            }
            #expect(error.code == .timedOut)
        }
    }
}
