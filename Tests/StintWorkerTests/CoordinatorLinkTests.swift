// SPDX-License-Identifier: Apache-2.0

import NIOPosix
import StintClient
import StintModel
import StintStubServer
import StintWire
import Testing

@testable import StintWorker

@Suite("A worker's calls over HTTP", .timeLimit(.minutes(1)))
struct CoordinatorLinkTests {
    private static let session = WorkerID(high: 1, low: 2)
    private static let registered = RegisterAnswer(
        workerID: session,
        lease: .seconds(30),
        heartbeat: .seconds(10),
        poll: .seconds(20)
    )

    private func with<Result>(
        _ urls: [String],
        token: String? = nil,
        _ body: (CoordinatorLink) async throws -> Result
    ) async throws -> Result {
        let registration = RegisterRequest(
            name: "w",
            capabilities: Capabilities(queues: ["q"], jobNames: ["*"]),
            concurrency: 3
        )
        let link = CoordinatorLink(
            try urls.map { try ServerAddress($0) },
            token: token,
            registration: registration,
            on: MultiThreadedEventLoopGroup.singleton
        )
        do {
            let result = try await body(link)
            await link.shutdown()
            return result
        } catch {
            await link.shutdown()
            throw error
        }
    }

    private func failure(_ call: WorkerCall, _ answer: StubServer.Answer) async throws -> CallFailure {
        try await StubServer.with(.answers(answer)) { server in
            try await with([server.url]) { link in
                try #require(await #expect(throws: CallFailure.self) { try await self.call(link, call) })
            }
        }
    }

    /// Throws untyped, as the macros of tests want it.
    private func call(_ link: CoordinatorLink, _ call: WorkerCall) async throws -> WorkerAnswer {
        try await link.perform(call)
    }

    private static func text(_ message: some WireMessage) -> String {
        String(decoding: message.encoded(), as: UTF8.self)
    }

    @Test func everyCallGoesToItsAddressWithTheToken() async throws {
        let plan = StubServer.Plan { request, _ in
            switch request.line {
            case "POST /v1/workers": .reply(201, Self.text(Self.registered))
            case "DELETE /v1/workers/\(Self.session)": .reply(204)
            default: .reply(200, "{}")
            }
        }
        try await StubServer.with(plan) { server in
            let answers = try await with([server.url], token: "secret") { link in
                [
                    try await link.perform(.register),
                    try await link.perform(.poll(Self.session, PollRequest(freeSlots: 3))),
                    try await link.perform(.report(Self.session, ResultsRequest())),
                    try await link.perform(.heartbeat(Self.session, HeartbeatRequest())),
                    try await link.perform(.goodbye(Self.session)),
                ]
            }
            #expect(
                answers == [
                    .registered(Self.registered), .polled(PollAnswer()), .reported(ResultsAnswer()),
                    .beaten(HeartbeatAnswer()), .saidGoodbye,
                ]
            )
            let path = "/v1/workers/\(Self.session)"
            #expect(
                server.requests.map(\.line) == [
                    "POST /v1/workers", "POST \(path)/poll", "POST \(path)/results", "POST \(path)/heartbeat",
                    "DELETE \(path)",
                ]
            )
            #expect(server.requests.allSatisfy { $0.header("authorization") == "Bearer secret" })
            #expect(server.requests[1].text == #"{"free_slots":3}"#)
        }
    }

    @Test(arguments: [
        (400, CallFailure.Kind.refused), (401, .unauthorized), (403, .unauthorized), (404, .sessionLost),
        (408, .passing), (410, .sessionLost), (413, .refused), (422, .refused), (429, .passing), (500, .passing),
        (502, .passing), (503, .passing), (301, .passing),
    ])
    func theStatusDecidesWhetherToComeAgain(status: Int, kind: CallFailure.Kind) async throws {
        let failure = try await failure(.poll(Self.session, PollRequest(freeSlots: 1)), .reply(status, "<html>"))
        #expect(failure.kind == kind)
    }

    @Test func aCoordinatorThatIsNotThereYetIsNoLostSession() async throws {
        #expect(try await failure(.register, .reply(404)).kind == .passing)
    }

    @Test func theServersWishToBeLeftAloneIsHeard() async throws {
        let answer = StubServer.Answer.reply(503, headers: [("Retry-After", "7")])
        #expect(try await failure(.register, answer).retryAfter == .seconds(7))
    }

    @Test(arguments: [StubServer.Answer.close, .reply(200, "<html>"), .reply(200, "{\"jobs\":[{}]}")])
    func whatMakesNoSenseMayPass(answer: StubServer.Answer) async throws {
        #expect(try await failure(.poll(Self.session, PollRequest(freeSlots: 1)), answer).kind == .passing)
    }

    @Test func anotherCoordinatorIsCalledAfterAFailure() async throws {
        try await StubServer.with(.answers(.reply(503))) { first in
            try await StubServer.with(.answers(.reply(201, Self.text(Self.registered)))) { second in
                let answers = try await with([first.url, second.url]) { link in
                    await #expect(throws: CallFailure.self) { try await call(link, .register) }
                    return [try await link.perform(.register), try await link.perform(.register)]
                }
                #expect(answers == [.registered(Self.registered), .registered(Self.registered)])
                #expect(second.requests.count == 2)
            }
            #expect(first.requests.count == 1)
        }
    }

    @Test func aFailureDoesNotShowTheToken() async throws {
        try await StubServer.with(.answers(.close)) { server in
            try await with([server.url], token: "secret") { link in
                let failure = await #expect(throws: CallFailure.self) { try await call(link, .register) }
                #expect(failure?.message.contains("secret") == false)
            }
        }
    }
}
