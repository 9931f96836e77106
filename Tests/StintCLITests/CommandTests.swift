// SPDX-License-Identifier: Apache-2.0

import StintStubServer
import Testing

private let id = "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01"

private func job(_ state: String, more: String = "", isSummary: Bool = false) -> String {
    let long = isSummary ? "" : #""payload":{"key": "a.png"},"result":null,"attempts":[],"#
    return """
        {"id":"\(id)","name":"resize_image","queue":"default","state":"\(state)","priority":0,"attempt":2,\(long)\(more)\
        "max_attempts":12,"failures":0,"losses":0,"max_losses":3,"created_at":"2026-12-01T08:57:00.000Z",\
        "run_at":"2026-12-01T09:00:12.000Z","timeout_seconds":1800,"tags":[],"metadata":{}}
        """
}

private func page(_ items: String..., next: String? = nil) -> StubServer.Answer {
    let cursor = next.map { "\"\($0)\"" } ?? "null"
    return .reply(200, #"{"items":[\#(items.joined(separator: ","))],"next_cursor":\#(cursor)}"#)
}

@Suite struct ListTests {
    @Test func jobsAreListed() async throws {
        let answer = page(
            job("scheduled", isSummary: true),
            job("running", more: #""progress":{"percent":40,"message":"x"},"#)
        )
        try await StubServer.with(.answers(answer)) { server in
            let outcome = await stint("jobs", "list", "--api-url", server.url)
            #expect(
                outcome.output == """
                    ID                                    STATE      NAME          QUEUE    ATT    AGE  NOTE
                    \(id)  scheduled  resize_image  default    2  3 min  due in 12 s
                    \(id)  running    resize_image  default    2  3 min  40% x

                    """
            )
            #expect(outcome.errors.isEmpty)
            #expect(server.requests.map(\.line) == ["GET /v1/jobs?limit=50"])
            #expect(await stint("jobs", "list", "-o", "id", "--api-url", server.url).output == "\(id)\n\(id)\n")
        }
    }

    @Test func aLongListIsAskedForPageByPage() async throws {
        let item = job("available", isSummary: true)
        let full = page(item, next: "c2")
        try await StubServer.with(.answers(full, full)) { server in
            let outcome = await stint("jobs", "list", "--limit", "2", "--state", "available", "--api-url", server.url)
            #expect(
                server.requests.map(\.line)
                    == ["GET /v1/jobs?state=available&limit=2", "GET /v1/jobs?state=available&cursor=c2&limit=1"]
            )
            #expect(outcome.errors == "There are more: --cursor c2\n")
        }
    }

    @Test func anEmptyListSaysSoBesideTheOutput() async throws {
        try await StubServer.with(.answers(page())) { server in
            for list in [["jobs", "list"], ["queues", "list"], ["workers", "list"], ["dead-letters", "groups"]] {
                let outcome = await stint(list + ["--api-url", server.url])
                #expect(outcome.status == 0)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors == "There are none.\n")
            }
            let json = await stint("jobs", "list", "-o", "json", "--api-url", server.url)
            #expect(json.output == "{\n  \"items\": [],\n  \"next_cursor\": null\n}\n")
            #expect(json.errors.isEmpty)
        }
    }

    @Test func coloursStandOnTerminalsThatWantThem() async throws {
        try await StubServer.with(.answers(page(job("dead", isSummary: true)))) { server in
            func output(_ environment: [String: String], width: Int?) async -> String {
                await stint(
                    "jobs",
                    "list",
                    "--api-url",
                    server.url,
                    surroundings: Surroundings(environment: environment, terminalWidth: width)
                ).output
            }
            #expect(await output([:], width: 120).contains("\u{1B}[31mdead\u{1B}[0m"))
            #expect(await output(["NO_COLOR": ""], width: 120).contains("\u{1B}"))
            #expect(await !output(["NO_COLOR": "1"], width: 120).contains("\u{1B}"))
            #expect(await !output(["TERM": "dumb"], width: 120).contains("\u{1B}"))
            #expect(await !output([:], width: nil).contains("\u{1B}"))
            for line in await output(["NO_COLOR": "1"], width: 80).split(separator: "\n") { #expect(line.count <= 80) }
        }
    }

    @Test func workersThatHaveEndedAreShownOnRequest() async throws {
        func worker(_ state: String, _ id: String) -> String {
            """
            {"worker_id":"\(id)","name":"w","state":"\(state)","queues":["default"],"job_names":["*"],"concurrency":4,"running":1,\
            "free_slots":3,"started_at":"2026-12-01T08:00:00Z","last_heartbeat_at":"2026-12-01T08:59:58Z",\
            "expires_at":"2026-12-01T09:00:28Z"}
            """
        }
        let other = id.replacing("0198", with: "0199")
        try await StubServer.with(.answers(page(worker("available", id), worker("unavailable", other)))) { server in
            #expect(await stint("workers", "list", "-o", "id", "--api-url", server.url).output == "\(id)\n")
            #expect(
                await stint("workers", "list", "--all", "-o", "id", "--api-url", server.url).output
                    == "\(id)\n\(other)\n"
            )
            #expect(
                await stint("workers", "show", other, "--api-url", server.url).output.contains("running     1 of 4\n")
            )
            let unknown = await stint("workers", "show", id.replacing("0198", with: "0200"), "--api-url", server.url)
            #expect(unknown.status == 3)
        }
    }

    @Test func statsAreTotalsAndRates() async throws {
        let stats = #"{"counts":{"dead":3},"rates":{"submitted":{"1m":0.456,"5m":12.5,"15m":1234.4}}}"#
        try await StubServer.with(.answers(.reply(200, stats))) { server in
            let output = await stint("stats", "--api-url", server.url).output
            #expect(output.contains("\ndead          3\n"))
            #expect(output.contains("\nsubmitted    0.46  12.50    1234\n"))
        }
    }
}

@Suite struct SubmitCommandTests {
    private func sent(_ arguments: [String], input: String = "") async throws -> String {
        try await StubServer.with(.answers(.reply(201, job("available")))) { server in
            let outcome = await stint(
                ["submit", "--api-url", server.url] + arguments,
                surroundings: Surroundings(input: input)
            )
            #expect(outcome.status == 0, "\(outcome)")
            return server.requests.first?.text ?? ""
        }
    }

    @Test func jsonIsSentAsItIsAndTextAsAString() async throws {
        #expect(try await sent(["a"]) == #"{"name":"a","payload":null}"#)
        #expect(try await sent(["a", #"{"b": 1.50}"#]) == #"{"name":"a","payload":{"b": 1.50}}"#)
        #expect(try await sent(["a", "12"]) == #"{"name":"a","payload":12}"#)
        #expect(try await sent(["a", "test task"]) == #"{"name":"a","payload":"test task"}"#)
        #expect(try await sent(["--", "a", "-5"]) == #"{"name":"a","payload":-5}"#)
        #expect(try await sent(["a", "{"]) == #"{"name":"a","payload":"{"}"#)
        #expect(try await sent(["a", "-"], input: "[1]\n") == #"{"name":"a","payload":[1]}"#)
        #expect(try await sent(["a", "-"], input: "two\nlines\n") == #"{"name":"a","payload":"two\nlines"}"#)
    }

    @Test func optionsBecomeFields() async throws {
        let body = try await sent([
            "a", "1", "--queue", "q", "--priority", "-5", "--delay", "5m", "--start-within", "1h", "--timeout", "30s",
            "--max-attempts", "3", "--tag", "x", "--tag", "y", "--meta", "k=v=w",
        ])
        #expect(
            body == """
                {"name":"a","payload":1,"queue":"q","priority":-5,"delay_seconds":300,"start_within_seconds":3600,\
                "max_attempts":3,"timeout_seconds":30,"tags":["x","y"],"metadata":{"k":"v=w"}}
                """
        )
        #expect(
            try await sent(["a", "--run-at", "2026-12-01T10:00:00+01:00"])
                == #"{"name":"a","payload":null,"run_at":"2026-12-01T09:00:00.000Z"}"#
        )
    }

    @Test func theKeyIsSent() async throws {
        try await StubServer.with(.answers(.reply(200, job("running")))) { server in
            let outcome = await stint("submit", "a", "--key", "order-4711", "--api-url", server.url)
            #expect(outcome.output == "submitted \(id) (default/resize_image, running)\n")
            #expect(server.requests[0].header("Idempotency-Key") == "order-4711")
        }
    }

    @Test func waitingEndsWithTheJobsEnd() async throws {
        let submitted = StubServer.Answer.reply(201, job("available"))
        let running = StubServer.Answer.reply(202, job("running", more: #""progress":{"percent":40,"message":"x"},"#))
        try await StubServer.with(.answers(submitted, running, .reply(200, job("completed")))) { server in
            let outcome = await stint("submit", "a", "--watch", "--api-url", server.url)
            #expect(outcome.status == 0)
            #expect(outcome.errors == "submitted \(id)\navailable\nrunning, attempt 2, 40% x\ncompleted\n")
            #expect(outcome.output.contains("state      completed\n"))
        }
        let dead = job("dead", more: #""cause":"not_retryable","#)
        try await StubServer.with(.answers(submitted, .reply(200, dead))) { server in
            let outcome = await stint("submit", "a", "--wait", "-o", "json", "--api-url", server.url)
            #expect(outcome.status == 1)
            #expect(outcome.output.hasPrefix("{\n  \"id\": \"\(id)\""))
            #expect(outcome.errors.contains("job \(id) is dead (not_retryable)\n"))
        }
        try await StubServer.with(.answers(submitted, running)) { server in
            let outcome = await stint("submit", "a", "--wait", "--wait-timeout", "10ms", "--api-url", server.url)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("has not ended within"))
        }
    }

    @Test func aTerminalShowsABar() async throws {
        let running = StubServer.Answer.reply(202, job("running", more: #""progress":{"percent":50},"#))
        try await StubServer.with(.answers(.reply(201, job("available")), running, .reply(200, job("completed")))) {
            server in
            let terminal = Surroundings(terminalWidth: 60)
            let errors = await stint("submit", "a", "--watch", "--api-url", server.url, surroundings: terminal).errors
            #expect(errors.contains("\r[###############...............] running, attempt 2, 50%"))
            #expect(errors.contains("\r[##############################] completed"))
        }
    }
}

@Suite struct ChangeTests {
    @Test func oneJobThatCannotBeChangedDoesNotKeepTheOthersFromIt() async throws {
        let problem = #"{"code":"wrong_state","status":409,"title":"T","detail":"No.","request_id":"r"}"#
        try await StubServer.with(.answers(.reply(409, problem), .reply(200, job("cancelled")))) { server in
            let outcome = await stint("jobs", "cancel", id, id, "--api-url", server.url)
            #expect(outcome.status == 4)
            #expect(outcome.errors.hasPrefix("stint: \(id): No."))
            #expect(outcome.output.contains("cancelled"))
            #expect(server.requests.count == 2)
        }
    }

    @Test func changesSayWhatTheJobIsNow() async throws {
        try await StubServer.with(.answers(.reply(200, job("running", more: #""cancel_requested":true,"#)))) { server in
            #expect(
                await stint("jobs", "cancel", id, "--api-url", server.url).output
                    == "\(id) is running, cancel requested\n"
            )
        }
        try await StubServer.with(.answers(.reply(204))) { server in
            #expect(await stint("jobs", "delete", id, "--api-url", server.url).output == "deleted \(id)\n")
        }
    }

    private let groups = page(
        #"{"fingerprint":"f","name":"n","count":3,"first_seen":"2026-12-01T08:00:00Z","last_seen":"2026-12-01T08:00:00Z"}"#
    )

    @Test func aMassActionAsksFirst() async throws {
        let plan = StubServer.Plan.answers(groups, .reply(202, #"{"count":3}"#))
        try await StubServer.with(plan) { server in
            let outcome = await stint(
                "dead-letters",
                "redrive",
                "--name",
                "n",
                "--per-second",
                "2",
                "--api-url",
                server.url,
                surroundings: Surroundings(typed: "y")
            )
            #expect(outcome.errors == "Send back 3 dead letters? [y/N] ")
            #expect(outcome.output == "sent back 3 dead letters\n")
            #expect(server.requests[1].text == #"{"filter":{"name":"n"},"limit":1000,"per_second":2}"#)
        }
        for (typed, status) in [("n", 1), ("", 1), (nil, 2)] as [(String?, Int32)] {
            try await StubServer.with(plan) { server in
                let outcome = await stint(
                    "dead-letters",
                    "purge",
                    "--api-url",
                    server.url,
                    surroundings: Surroundings(typed: typed)
                )
                #expect(outcome.status == status)
                #expect(server.requests.map(\.method) == ["GET"])
            }
        }
    }

    @Test func yesIsNotAsked() async throws {
        try await StubServer.with(.answers(.reply(202, #"{"count":1}"#))) { server in
            let outcome = await stint("dead-letters", "purge", "--yes", id, "-o", "json", "--api-url", server.url)
            #expect(outcome.output == "{\n  \"count\": 1\n}\n")
            #expect(server.requests.map(\.text) == [#"{"filter":{"ids":["\#(id)"]},"limit":1000}"#])
        }
    }

    @Test func aListOfDeadLettersTellsWhatEachDiedOf() async throws {
        let error = #""cause":"not_retryable","error":{"type":"Oops","message":"no user 17"},"#
        try await StubServer.with(.answers(page(job("dead", more: error, isSummary: true)))) { server in
            let outcome = await stint("dead-letters", "list", "--api-url", server.url)
            #expect(outcome.output.contains("  not_retryable: Oops: no user 17\n"))
            let json = await stint("dead-letters", "list", "-o", "json", "--api-url", server.url)
            #expect(json.output.contains(#""message": "no user 17""#))
        }
    }

    @Test func pausingSaysWhoDoesIt() async throws {
        let queue = #"{"queue":"default","paused":true,"paused_by":"anna@host-1","counts":{}}"#
        let listed = #"{"items":[\#(queue)],"next_cursor":null}"#
        try await StubServer.with(.answers(.reply(200, queue), .reply(200, listed))) { server in
            let paused = await stint("queues", "pause", "default", "--api-url", server.url)
            #expect(paused.output.contains("paused by anna@host-1"))
            let request = try #require(server.requests.first)
            #expect(request.line == "POST /v1/queues/default/pause")
            let body = String(decoding: request.body, as: UTF8.self)
            #expect(body.wholeMatch(of: /\{"by":"[^"@]+@[^"@]+"\}/) != nil, "\(body)")
            let list = await stint("queues", "list", "--api-url", server.url)
            #expect(list.output.contains("paused by anna@host-1"))
        }
    }

    @Test func onlyADeadLetterIsShownAsOne() async throws {
        try await StubServer.with(.answers(.reply(200, job("completed")))) { server in
            let outcome = await stint("dead-letters", "show", id, "--api-url", server.url)
            #expect(outcome.status == 3)
            #expect(outcome.output.isEmpty)
        }
    }
}
