// SPDX-License-Identifier: Apache-2.0

import StintClient
import StintStubServer
import Testing

/// A client that lives as long as `body`.
func withClient<Result>(
    _ url: String,
    retriesMax: Int = 3,
    token: String? = nil,
    timeout: Duration = .seconds(30),
    _ body: (StintClient) async throws -> Result
) async throws -> Result {
    var configuration = StintClient.Configuration(url: url, token: token)
    configuration.retriesMax = retriesMax
    configuration.timeout = timeout
    let client = try StintClient(configuration)
    do {
        let result = try await body(client)
        await client.shutdown()
        return result
    } catch {
        await client.shutdown()
        throw error
    }
}

/// The error that a call ends with.
func failure(_ call: () async throws -> Void) async throws -> ClientError {
    do {
        try await call()
    } catch let error as ClientError {
        return error
    }
    throw Missing()
}

struct Missing: Error {}

@Suite struct StintClientTests {
    /// One call, what goes over the wire for it, and what comes back.
    struct Call: Sendable, CustomTestStringConvertible {
        var line: String
        var answer: String
        var status = 200
        /// Makes the call and says whether its answer was understood.
        var make: @Sendable (StintClient) async throws -> Bool

        init(
            _ line: String,
            _ answer: String,
            status: Int = 200,
            _ make: @escaping @Sendable (StintClient) async throws -> Bool
        ) {
            self.line = line
            self.answer = answer
            self.status = status
            self.make = make
        }

        var testDescription: String { line }
    }

    private static let jobCalls = [
        Call("POST /v1/jobs", Sample.job(), status: 201) {
            _ = try await $0.submit(SubmitRequest(name: "a"))
            return true
        },
        Call("POST /v1/jobs/batch", #"{"ids":["\#(Sample.id)"]}"#, status: 201) {
            try await $0.submitBatch([SubmitRequest(name: "a")]) == [Sample.id]
        },
        Call("GET /v1/jobs/\(Sample.id)", Sample.job()) { try await $0.job(Sample.id).name == "n" },
        Call("GET /v1/jobs", Sample.emptyPage) { try await $0.jobs().items.isEmpty },
        Call(
            "GET /v1/jobs?queue=q&state=dead&name=n&tag=a%20b&created_after=2026-12-01T09%3A00%3A00.000Z"
                + "&created_before=2026-12-01T09%3A00%3A00.001Z&cursor=c%2F1&limit=7",
            #"{"items":[],"next_cursor":"d"}"#
        ) { client in
            var filter = JobFilter()
            filter.queue = "q"
            filter.state = .dead
            filter.name = "n"
            filter.tag = "a b"
            filter.createdAfter = Timestamp(milliseconds: 1_796_115_600_000)
            filter.createdBefore = Timestamp(milliseconds: 1_796_115_600_001)
            return try await client.jobs(filter, cursor: "c/1", limit: 7).nextCursor == "d"
        },
        Call("GET /v1/jobs/\(Sample.id)/result", Sample.job(), status: 202) {
            _ = try await $0.result(of: Sample.id)
            return true
        },
        Call("GET /v1/jobs/\(Sample.id)/result?wait=2.5", Sample.job("completed")) {
            try await $0.result(of: Sample.id, waitSeconds: 2.5).state == .completed
        },
        Call("GET /v1/jobs/\(Sample.id)/explain", #"{"runnable":true,"reasons":[]}"#) {
            try await $0.explain(Sample.id).isRunnable
        },
        Call("POST /v1/jobs/\(Sample.id)/cancel", Sample.job("cancelled")) {
            _ = try await $0.cancel(Sample.id)
            return true
        },
        Call("POST /v1/jobs/\(Sample.id)/retry", Sample.job()) {
            _ = try await $0.retry(Sample.id)
            return true
        },
        Call("DELETE /v1/jobs/\(Sample.id)", "", status: 204) {
            try await $0.delete(Sample.id)
            return true
        },
    ]

    private static let operatingCalls = [
        Call("GET /v1/dead-letters?queue=q&cause=crash_loop&limit=3", Sample.emptyPage) {
            _ = try await $0.deadLetters(DeadLetterSelection(queue: "q", cause: .crashLoop), limit: 3)
            return true
        },
        Call("GET /v1/dead-letters/groups?name=n&fingerprint=f", Sample.emptyPage) {
            _ = try await $0.deadLetterGroups(DeadLetterSelection(name: "n", fingerprint: "f"))
            return true
        },
        Call("POST /v1/dead-letters/redrive", #"{"count":4}"#, status: 202) {
            try await $0.redrive(DeadLetterSelection(), perSecond: 2) == 4
        },
        Call("POST /v1/dead-letters/purge", #"{"count":4}"#, status: 202) {
            try await $0.purge(DeadLetterSelection()) == 4
        },
        Call("GET /v1/queues", Sample.emptyPage) {
            _ = try await $0.queues()
            return true
        },
        Call("GET /v1/queues/a%20b", Sample.queue) { try await $0.queue("a b").isPaused },
        Call("POST /v1/queues/..%2Fjobs/pause", Sample.queue) {
            _ = try await $0.pause(queue: "../jobs")
            return true
        },
        Call("POST /v1/queues/q/resume", Sample.queue) {
            _ = try await $0.resume(queue: "q")
            return true
        },
        Call("GET /v1/workers", Sample.emptyPage) {
            _ = try await $0.workers()
            return true
        },
        Call("POST /v1/workers/\(Sample.id)/drain", Sample.worker) {
            _ = try await $0.drain(worker: Sample.id)
            return true
        },
        Call("GET /v1/stats", #"{"counts":{"dead":2},"rates":{}}"#) {
            try await $0.stats().counts[.dead] == 2
        },
        Call("GET /healthz", #"{"status":"ok","version":"9"}"#) { try await $0.health().version == "9" },
        Call("GET /readyz", #"{"status":"ok"}"#) { try await $0.readiness().status == "ok" },
        Call("GET /readyz", Sample.problem(503, "unavailable"), status: 503) {
            try await $0.readiness().status == "unavailable"
        },
    ]

    @Test(arguments: jobCalls + operatingCalls)
    func aCallIsMadeAsDocumented(call: Call) async throws {
        let (status, answer) = (call.status, call.answer)
        try await StubServer.with(.answers(.reply(status, answer))) { server in
            let isUnderstood = try await withClient(server.url) { try await call.make($0) }
            #expect(isUnderstood)
            #expect(server.requests.map(\.line) == [call.line])
            let hasBody = server.requests[0].body.isEmpty == false
            #expect(server.requests[0].header("Content-Type") == (hasBody ? "application/json" : nil))
            #expect(server.requests[0].header("Authorization") == nil)
        }
    }

    @Test func aSubmittedPayloadIsSentByteForByte() async throws {
        try await StubServer.with(.answers(.reply(201, Sample.job()))) { server in
            try await withClient(server.url) { client in
                var request = SubmitRequest(name: "a", json: #"{"b":1.50,"a":"\ud800"}"#)
                request.delaySeconds = 0.5
                _ = try await client.submit(request)
            }
            #expect(server.requests[0].text == #"{"name":"a","payload":{"b":1.50,"a":"\ud800"},"delay_seconds":0.5}"#)
        }
    }

    @Test func encodableValuesBecomePayloads() throws {
        struct Resize: Encodable {
            var width: Int
            var key: String
        }
        let request = try SubmitRequest(name: "a", encoding: Resize(width: 3, key: "a/b"))
        #expect(String(decoding: request.payload, as: UTF8.self) == #"{"key":"a/b","width":3}"#)
    }

    @Test(arguments: ["", "{", "1,\"queue\":\"other\"", "\"a\" \"b\""])
    func aPayloadThatIsNoJSONIsNeverSent(payload: String) async throws {
        try await StubServer.with(.answers(.reply(201, Sample.job()))) { server in
            guard !payload.isEmpty else { return }
            let error = try await failure {
                _ = try await withClient(server.url) { try await $0.submit(SubmitRequest(name: "a", json: payload)) }
            }
            #expect(error.code == .callInvalid)
            #expect(server.requests.isEmpty)
        }
    }

    @Test func theTokenIsShownAndNeverTold() async throws {
        try await StubServer.with(.answers(.reply(401, Sample.problem(401, "unauthorized")))) { server in
            let error = try await failure {
                _ = try await withClient(server.url, token: "s3cret") { try await $0.stats() }
            }
            #expect(server.requests[0].header("Authorization") == "Bearer s3cret")
            #expect(error.status == 401)
            #expect(!error.description.contains("s3cret"))
        }
        #expect(throws: ClientError.self) {
            _ = try StintClient(StintClient.Configuration(url: "http://127.0.0.1:1", token: "a\r\nb"))
        }
    }

    @Test func aProblemIsTold() async throws {
        let answer = """
            {"code":"bad_request","status":400,"detail":"The body is wrong.","request_id":"r1",\
            "errors":[{"pointer":"/priority","detail":"must be -100 to 100"}],"index":3}
            """
        try await StubServer.with(.answers(.reply(400, answer))) { server in
            let error = try await failure {
                _ = try await withClient(server.url) { try await $0.submit(SubmitRequest(name: "a")) }
            }
            #expect(error.code == .problem)
            #expect(error.problem?.code == "bad_request")
            #expect(error.problem?.index == 3)
            #expect(
                error.description
                    == "The body is wrong. (bad_request, status 400, request r1)\n  /priority: must be -100 to 100"
            )
        }
    }

    @Test func anAnswerThatIsNotStintsIsTold() async throws {
        try await StubServer.with(.answers(.reply(200, "<html>"))) { server in
            let error = try await failure { _ = try await withClient(server.url) { try await $0.stats() } }
            #expect(error.code == .answerNotUnderstood)
        }
    }

    @Test func aRedirectIsNotFollowed() async throws {
        try await StubServer.with(.answers(.reply(200, Sample.job()))) { other in
            let target = "\(other.url)/stolen"
            try await StubServer.with(.answers(.reply(307, "", headers: [("Location", target)]))) { server in
                let error = try await failure {
                    _ = try await withClient(server.url, token: "t") { try await $0.job(Sample.id) }
                }
                #expect(error.code == .answerNotUnderstood)
            }
            #expect(other.requests.isEmpty)
        }
    }
}
