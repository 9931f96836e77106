// SPDX-License-Identifier: Apache-2.0

import StintStubServer
import Testing

private let id = "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01"

@Suite struct ExitStatusTests {
    @Test func helpAndVersionAreNoFailures() async {
        for arguments in ["--help", "--version", "help"] {
            let outcome = await stint(arguments)
            #expect(outcome.status == 0)
            #expect(!outcome.output.isEmpty)
            #expect(outcome.errors.isEmpty)
        }
        #expect(await stint("version").output == "stint 0.1.0\n")
        #expect(await stint("version", "-o", "json").output == "{\n  \"version\": \"0.1.0\"\n}\n")
        #expect(await stint("version", "-o", "yaml").output == "version: \"0.1.0\"\n")
        #expect(await stint("version", "-o", "id").output == "0.1.0\n")
    }

    @Test(arguments: [
        ["nonsense"], ["submit"], ["jobs", "show"], ["jobs", "show", "xyz"], ["jobs", "list", "--state", "asleep"],
        ["jobs", "list", "--limit", "0"], ["submit", "a", "--delay", "soon"], ["submit", "a", "--wait-timeout", "1"],
        ["submit", "a", "--delay", "1", "--run-at", "2026-12-01T09:00:00Z"], ["stats", "--output", "xml"],
        ["dead-letters", "redrive", "--limit", "10001"], ["dead-letters", "redrive", "--per-second", "0"],
        ["stats", "--api-url", "localhost:8000"], ["submit", "a", "--meta", "novalue"], ["stats", "extra"],
        ["dead-letters", "list", "--cause", "bad_luck"], ["jobs", "list", "--created-after", "yesterday"],
    ])
    func wrongUsageIsTwo(arguments: [String]) async {
        let outcome = await stint(arguments)
        #expect(outcome.status == 2, "\(outcome)")
        #expect(outcome.output.isEmpty)
        #expect(!outcome.errors.isEmpty)
    }

    @Test func noServerIsFiveAndSaysWhatToDo() async throws {
        // Nobody listens on port 1.
        let url = "http://127.0.0.1:1"
        let outcome = await stint("stats", surroundings: Surroundings(environment: ["STINT_API_URL": url]))
        #expect(outcome.status == 5)
        #expect(outcome.errors.hasPrefix("stint: no connection to \(url): connection refused\nStart a server"))
    }

    @Test(arguments: [
        (404, "not_found", 3), (410, "session_lost", 3), (400, "bad_request", 4), (401, "unauthorized", 4),
        (409, "wrong_state", 4),
        (422, "idempotency_mismatch", 4), (413, "payload_too_large", 4),
    ])
    func theServersNoIsTold(status: Int, code: String, expected: Int32) async throws {
        let problem = """
            {"code":"\(code)","status":\(status),"title":"T","detail":"That is\\u001b[31m wrong.","request_id":"r1",\
            "errors":[{"pointer":"/a","detail":"b"}]}
            """
        try await StubServer.with(.answers(.reply(status, problem))) { server in
            let outcome = await stint("jobs", "show", id, "--api-url", server.url)
            #expect(outcome.status == expected)
            #expect(outcome.output.isEmpty)
            let told = "stint: That is\u{FFFD}[31m wrong. (\(code), status \(status), request r1)\n  /a: b\n"
            #expect(outcome.errors.hasPrefix(told), "\(outcome.errors)")
            #expect(outcome.errors.contains("STINT_TOKEN") == (status == 401))
        }
    }

    @Test func anotherServersAnswerIsOne() async throws {
        try await StubServer.with(.answers(.reply(200, "<html>"))) { server in
            let outcome = await stint("stats", "--api-url", server.url)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("--api-url"))
        }
    }

    @Test func whatHasNoIDsCannotPrintThem() async throws {
        try await StubServer.with(.answers(.reply(200, #"{"counts":{}}"#))) { server in
            #expect(await stint("stats", "-o", "id", "--api-url", server.url).status == 2)
        }
    }

    @Test func theTokenComesFromTheEnvironmentOnly() async throws {
        try await StubServer.with(.answers(.reply(200, #"{"counts":{}}"#))) { server in
            let environment = ["STINT_API_URL": server.url, "STINT_TOKEN": "s3cret"]
            #expect(await stint("stats", surroundings: Surroundings(environment: environment)).status == 0)
            #expect(server.requests[0].header("Authorization") == "Bearer s3cret")
            #expect(await stint("stats", "--token", "x").status == 2)
        }
    }
}
