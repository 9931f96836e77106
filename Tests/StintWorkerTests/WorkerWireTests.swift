// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@testable import StintWorker

@Suite("The worker protocol's JSON")
struct WorkerWireTests {
    private func read<Message: WireMessage>(_ type: Message.Type, _ text: String) throws(JSONProblem) -> Message {
        try Message.read(Array(text.utf8))
    }

    private func problem<Message: WireMessage>(_ type: Message.Type, _ text: String) -> JSONProblem? {
        do throws(JSONProblem) {
            _ = try read(type, text)
            return nil
        } catch {
            return error
        }
    }

    private func roundTrips<Message: WireMessage & Equatable>(_ message: Message) throws {
        #expect(try Message.read(message.encoded()) == message)
    }

    // MARK: There and back

    private let lease = MachineDesk.lease(7)
    private let error = JobError(type: "E", message: "m\"\\\n\u{1F600}", stack: "s")

    @Test func requestsComeBackAsTheyWent() throws {
        try roundTrips(
            RegisterRequest(
                name: "host-1",
                capabilities: Capabilities(queues: ["a", "b"], jobNames: ["*"]),
                concurrency: 8,
                host: "h",
                pid: 42,
                sdk: "test/1",
                labels: Array(#"{"zone":"x"}"#.utf8)
            )
        )
        let endings: [Ending] = [
            .completed(result: nil), .completed(result: Array(#"{"a": 1.0e0}"#.utf8)), .released, .cancelled,
            .failed(error: error, isRetryable: false, retryAfter: .seconds(1.5)), .snoozed(.seconds(60)),
            .failed(error: JobError(type: "", message: ""), isRetryable: true, retryAfter: nil),
        ]
        let results = endings.map { WorkerResult(lease: lease, jobID: JobID(high: 1, low: 7), ending: $0) }
        try roundTrips(
            PollRequest(freeSlots: 5, wait: .seconds(20), running: [lease, WireLease("opaque")], results: results)
        )
        try roundTrips(PollRequest(freeSlots: 0))
        try roundTrips(ResultsRequest(results: results))
        try roundTrips(
            HeartbeatRequest(running: [
                .init(lease: lease), .init(lease: lease, progress: JobProgress(percent: 12.5, message: "x")),
            ])
        )
    }

    @Test func answersComeBackAsTheyWent() throws {
        try roundTrips(
            RegisterAnswer(
                workerID: WorkerID(high: 1, low: 2),
                lease: .seconds(30),
                heartbeat: .seconds(10),
                poll: .seconds(20)
            )
        )
        var job = MachineDesk.job(7)
        job.payload = Array(#"{"a": 1.0e0, "a": "\u0000"}"#.utf8)
        job.metadata = Array(#"{"k":"v"}"#.utf8)
        job.traceparent = "00-x"
        job.createdAt = Timestamp(milliseconds: 1_790_000_000_123)
        let statuses = ReportedResult.Status.allCases.map { ReportedResult(lease: lease, status: $0) }
        try roundTrips(PollAnswer(jobs: [job, MachineDesk.job(8)], cancel: [lease], results: statuses, drain: true))
        try roundTrips(PollAnswer())
        try roundTrips(ResultsAnswer(results: statuses))
        let verdicts = HeartbeatAnswer.Lease.Verdict.allCases.map { HeartbeatAnswer.Lease(lease: lease, verdict: $0) }
        try roundTrips(HeartbeatAnswer(leases: verdicts, drain: true))
    }

    // MARK: Requests are read strictly

    private static let id = "0190b5a2-0000-7000-8000-000000000001"

    @Test(arguments: [
        (#"{"queues":["q"],"job_names":["n"]}"#, "/name"),
        (#"{"name":"","queues":["q"],"job_names":["n"]}"#, "/name"),
        (#"{"name":7,"queues":["q"],"job_names":["n"]}"#, "/name"),
        (#"{"name":"a\nb","queues":["q"],"job_names":["n"]}"#, "/name"),
        (#"{"name":"\#(String(repeating: "x", count: 257))","queues":["q"],"job_names":["n"]}"#, "/name"),
        (#"{"name":"w","job_names":["n"]}"#, "/queues"),
        (#"{"name":"w","queues":[],"job_names":["n"]}"#, "/queues"),
        (#"{"name":"w","queues":"q","job_names":["n"]}"#, "/queues"),
        (#"{"name":"w","queues":["*"],"job_names":["n"]}"#, "/queues/0"),
        (#"{"name":"w","queues":["q","a b"],"job_names":["n"]}"#, "/queues/1"),
        (#"{"name":"w","queues":["\#(String(repeating: "x", count: 129))"],"job_names":["n"]}"#, "/queues/0"),
        (#"{"name":"w","queues":["q"]}"#, "/job_names"),
        (#"{"name":"w","queues":["q"],"job_names":[]}"#, "/job_names"),
        (#"{"name":"w","queues":["q"],"job_names":[""]}"#, "/job_names/0"),
        (#"{"name":"w","queues":["q"],"job_names":["**"]}"#, "/job_names/0"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"concurrency":0}"#, "/concurrency"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"concurrency":10001}"#, "/concurrency"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"concurrency":1.5}"#, "/concurrency"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"labels":[]}"#, "/labels"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"labels":{"a":1}}"#, "/labels/a"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"pid":-1}"#, "/pid"),
        (#"{"name":"w","queues":["q"],"job_names":["n"],"slots":1}"#, "/slots"),
        (#"{"name":"w","name":"w","queues":["q"],"job_names":["n"]}"#, "/name"),
        ("[]", ""), ("", ""), ("{} {}", "/name"),
    ])
    func aRegistrationThatIsWrongIsRefusedWithThePlace(text: String, pointer: String) {
        #expect(problem(RegisterRequest.self, text)?.pointer == pointer)
    }

    @Test func whatMayBeLeftOutOfARegistrationMayBe() throws {
        let request = try read(
            RegisterRequest.self,
            #"{"name":"w","queues":["q","q"],"job_names":["n","*"],"labels":null}"#
        )
        #expect(request.concurrency == 1)
        #expect(request.queues == ["q"])
        #expect(request.jobNames == ["n", "*"])
        #expect((request.host, request.pid, request.sdk, request.labels) == (nil, nil, "", []))
    }

    @Test func aRegistrationHasBounds() {
        let queues = (0...1000).map { "\"q\($0)\"" }.joined(separator: ",")
        #expect(
            problem(RegisterRequest.self, #"{"name":"w","queues":[\#(queues)],"job_names":["n"]}"#)?.pointer
                == "/queues/1000"
        )
        let labels = (0...64).map { "\"l\($0)\":\"v\"" }.joined(separator: ",")
        let request = #"{"name":"w","queues":["q"],"job_names":["n"],"labels":{\#(labels)}}"#
        #expect(problem(RegisterRequest.self, request)?.pointer == "/labels/l64")
    }

    @Test(arguments: [
        ("{}", "/free_slots"),
        (#"{"free_slots":-1}"#, "/free_slots"),
        (#"{"free_slots":null}"#, "/free_slots"),
        (#"{"free_slots":"1"}"#, "/free_slots"),
        (#"{"free_slots":1,"wait_seconds":61}"#, "/wait_seconds"),
        (#"{"free_slots":1,"wait_seconds":-0.1}"#, "/wait_seconds"),
        (#"{"free_slots":1,"running":["a",1]}"#, "/running/1"),
        (#"{"free_slots":1,"running":[""]}"#, "/running/0"),
        (#"{"free_slots":1,"running":["\#(String(repeating: "x", count: 129))"]}"#, "/running/0"),
        (#"{"free_slots":1,"results":{}}"#, "/results"),
        (#"{"free_slots":1,"results":[{}]}"#, "/results/0/lease"),
        (#"{"free_slots":1,"wait":1}"#, "/wait"),
    ])
    func aPollThatIsWrongIsRefusedWithThePlace(text: String, pointer: String) {
        #expect(problem(PollRequest.self, text)?.pointer == pointer)
    }

    @Test(arguments: [
        (#"{"outcome":"completed"}"#, "/lease"),
        (#"{"lease":"l"}"#, "/outcome"),
        (#"{"lease":"l","outcome":"lost"}"#, "/outcome"),
        (#"{"lease":"l","outcome":"timed_out"}"#, "/outcome"),
        (#"{"lease":"l","outcome":null}"#, "/outcome"),
        (#"{"lease":"l","outcome":"completed","job_id":"7"}"#, "/job_id"),
        (#"{"lease":"l","outcome":"snoozed"}"#, "/snooze_seconds"),
        (#"{"lease":"l","outcome":"snoozed","snooze_seconds":-1}"#, "/snooze_seconds"),
        (#"{"lease":"l","outcome":"snoozed","snooze_seconds":315360001}"#, "/snooze_seconds"),
        (#"{"lease":"l","outcome":"failed","retry_after_seconds":2592001}"#, "/retry_after_seconds"),
        (#"{"lease":"l","outcome":"failed","retryable":"yes"}"#, "/retryable"),
        (#"{"lease":"l","outcome":"failed","error":"broken"}"#, "/error"),
        (#"{"lease":"l","outcome":"failed","error":{"text":"x"}}"#, "/error/text"),
        (#"{"lease":"l","outcome":"failed","error":{"message":7}}"#, "/error/message"),
        (#"{"lease":"l","outcome":"failed","because":1}"#, "/because"),
    ])
    func aResultThatIsWrongIsRefusedWithThePlace(text: String, pointer: String) {
        #expect(problem(WorkerResult.self, text)?.pointer == pointer)
    }

    @Test func aFailureNeedsNoMoreThanItsOutcome() throws {
        let result = try read(WorkerResult.self, #"{"lease":"l","outcome":"failed","error":null,"retryable":null}"#)
        let error = JobError(type: "", message: "failed")
        #expect(result.ending == .failed(error: error, isRetryable: true, retryAfter: nil))
    }

    @Test func onlyACompletionHasAResult() throws {
        let failed = try read(WorkerResult.self, #"{"lease":"l","outcome":"released","result":[1]}"#)
        #expect(failed.ending == .released)
        let completed = try read(WorkerResult.self, #"{"result": [1, 1.0] ,"lease":"l","outcome":"completed"}"#)
        #expect(completed.ending == .completed(result: Array("[1, 1.0]".utf8)))
    }

    @Test func aResultOfMoreThanAMebibyteIsTooLarge() throws {
        let fitting =
            #"{"lease":"l","outcome":"completed","result":"\#(String(repeating: "x", count: (1 << 20) - 2))"}"#
        #expect(problem(WorkerResult.self, fitting) == nil)
        let tooLong =
            #"{"lease":"l","outcome":"completed","result":"\#(String(repeating: "x", count: (1 << 20) - 1))"}"#
        #expect(problem(WorkerResult.self, tooLong)?.isTooLarge == true)
        #expect(problem(WorkerResult.self, tooLong.replacing("completed", with: "cancelled")) == nil)
    }

    @Test func errorsAreCutBetweenCharacters() throws {
        let long = String(repeating: "\u{1F600}", count: 20_000)
        let text =
            #"{"lease":"l","outcome":"failed","error":{"type":"x\#(long)","message":"xy\#(long)","stack":"\#(long)"}}"#
        guard case .failed(let error, _, _) = try read(WorkerResult.self, text).ending else {
            Issue.record("no failure")
            return
        }
        #expect(error.type.utf8.count == 253)
        #expect(error.message.utf8.count == 8_190)
        #expect(error.stack.utf8.count == 32_768)
        #expect(error.message.unicodeScalars.allSatisfy { $0 != "\u{FFFD}" })
    }

    @Test(arguments: [
        (#"a\ud800b"#, "a\u{FFFD}b"), (#"\udc80\udc81"#, "\u{FFFD}\u{FFFD}"), (#"\u0041\ud800"#, "A\u{FFFD}"),
        (#"\ud83d\ude00"#, "\u{1F600}"), (#"\ud83d\ud83d\ude00"#, "\u{FFFD}\u{1F600}"), (#"a\u0000b"#, "a?b"),
        (#"\n\\\""#, "\n\\\""),
    ])
    func whatCannotBeStoredInAnErrorIsReplacedNotRefused(text: String, message: String) throws {
        let result = try read(WorkerResult.self, #"{"lease":"l","outcome":"failed","error":{"message":"\#(text)"}}"#)
        let error = JobError(type: "", message: message)
        #expect(result.ending == .failed(error: error, isRetryable: true, retryAfter: nil))
    }

    @Test(arguments: [
        (#"{"running":[{}]}"#, "/running/0/lease"),
        (#"{"running":["l"]}"#, "/running/0"),
        (#"{"running":[{"lease":"l","progress":{"percent":101}}]}"#, "/running/0/progress/percent"),
        (#"{"running":[{"lease":"l","progress":{"percent":-1}}]}"#, "/running/0/progress/percent"),
        (#"{"running":[{"lease":"l","progress":{"done":1}}]}"#, "/running/0/progress/done"),
        (
            #"{"running":[{"lease":"l","progress":{"message":"\#(String(repeating: "x", count: 1001))"}}]}"#,
            "/running/0/progress/message"
        ),
        (#"{"leases":[]}"#, "/leases"),
    ])
    func aHeartbeatThatIsWrongIsRefusedWithThePlace(text: String, pointer: String) {
        #expect(problem(HeartbeatRequest.self, text)?.pointer == pointer)
    }

    // MARK: Answers are read tolerantly

    @Test func answersOfANewerServerAreUnderstood() throws {
        let poll = try read(
            PollAnswer.self,
            #"""
            {"hint":{"a":[1]},"jobs":[{"id":"\#(Self.id)","name":"n","attempt":2,"lease":"new-style","shard":3,
            "payload":{"a":1},"metadata":{},"traceparent":null}],"cancel":null,
            "results":[{"lease":"l","status":"postponed","why":"x"}],"drain":false}
            """#
        )
        #expect(poll.jobs.map(\.lease) == [WireLease("new-style")])
        #expect(poll.jobs.map(\.lane) == [Lane(queue: "default", name: "n")])
        #expect(poll.jobs.map(\.metadata) == [[]])
        #expect(poll.results.map(\.status) == [.leaseLost], "dealt with, in whatever way")
        let beat = try read(HeartbeatAnswer.self, #"{"leases":[{"lease":"l","verdict":"hurry"}],"load":0.5}"#)
        #expect(beat.leases.map(\.verdict) == [.ok])
        let registered = try read(RegisterAnswer.self, #"{"worker_id":"\#(Self.id)","lease_seconds":30,"region":"x"}"#)
        #expect((registered.heartbeat, registered.poll) == (.seconds(10), .seconds(20)))
    }

    @Test(arguments: [
        "{}", #"{"worker_id":"x","lease_seconds":30}"#, #"{"worker_id":"\#(id)"}"#,
        #"{"worker_id":"\#(id)","lease_seconds":0}"#, "<html>",
    ])
    func aRegistrationWithoutWhatItIsForIsNoAnswer(text: String) {
        #expect(problem(RegisterAnswer.self, text) != nil)
    }

    // MARK: Leases

    @Test func noByteButADigitIsTakenForOne() {
        let digits = Set("0123456789abcdef".utf8)
        for byte in UInt8(0x20)..<0x7F where byte != UInt8(ascii: "-") {
            for position in [0, 7, 8, 15, 16, 31, 35, 42, 50] {
                var text = Array("0123456789abcdeffedcba9876543210-1-000000000000f00d".utf8)
                text[position] = byte
                #expect((WireLease(String(decoding: text, as: UTF8.self)).token != nil) == digits.contains(byte))
            }
        }
    }

    @Test(arguments: [1, 9, 10, 99, 12_345, 4_294_967_295, 9_999_999_999])
    func aLeaseOfTheServerIsKeptAsATokenAndWrittenTheSame(attempt: Int) throws {
        let token = LeaseToken(
            jobID: JobID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210),
            attempt: attempt,
            nonce: 0xF00D
        )
        let lease = WireLease(token.description)
        #expect(lease.token == token)
        #expect(lease == WireLease(token))
        #expect(lease.description == token.description)
        #expect(lease.encoded() == Array("\"\(token)\"".utf8))
        #expect(try read(WireLease.self, "\"\(token)\"") == lease)
    }

    @Test(arguments: [
        "0123456789abcdeffedcba9876543210-1-000000000000f00", "0123456789abcdeffedcba9876543210-01-000000000000f00d",
        "0123456789ABCDEFfedcba9876543210-1-000000000000f00d", "0123456789abcdeffedcba987654321g-1-000000000000f00d",
        "0123456789abcdeffedcba9876543210-0-000000000000f00d", "0123456789abcdeffedcba9876543210--1-00000000000f00d",
        "0123456789abcdeffedcba9876543210-+1-000000000000f00d", "0123456789abcdeffedcba9876543210_1_000000000000f00d",
        "0123456789abcdeffedcba9876543210-1\u{e9}000000000000f00d", "x", "",
    ])
    func anyOtherLeaseIsKeptAsItsText(text: String) throws {
        let lease = WireLease(text)
        #expect(lease.token == nil)
        #expect(lease.description == text)
    }
}
