// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

private let jobID = UUIDv7(high: 0x0198_F4C2_7A10_7C3E, low: 0x9B1D_5F2A_6E8C_4D01)
private let workerID = UUIDv7(high: 0x0198_F4C0_11AA_7D52, low: 0x8E07_3C9B_1F6A_2E10)
private let instant = Timestamp(milliseconds: 1_764_579_600_000)

private func fullJob() -> Job {
    var options = JobOptions()
    options.tags = ["a"]
    options.metadata = Array(#"{"k": "v"}"#.utf8)
    var job = Job(
        id: jobID,
        lane: Lane(queue: "q", name: "n"),
        payload: Array(#"{"b":1.50 ,"a":"\ud800"}"#.utf8),
        state: .running,
        options: options,
        createdAt: instant,
        runAt: instant
    )
    job.attempt = 2
    job.failures = 1
    job.losses = 1
    job.startedAt = instant
    job.finishedAt = instant
    job.cancelRequested = true
    job.progress = JobProgress(percent: 40.5, message: "scaling")
    job.lease = JobLease(worker: workerID, grantedAt: instant, expiresAt: instant + Milliseconds(30_000))
    job.result = Array("[1e400]".utf8)
    job.cause = .crashLoop
    job.fingerprint = "9f1c"
    let error = JobError(type: "IOError", message: "disk\nfull", stack: "at …")
    job.attempts = [
        Attempt(
            number: 1,
            worker: workerID,
            workerName: "host-1",
            startedAt: instant,
            endedAt: instant,
            outcome: .failed,
            error: error
        ),
        Attempt(number: 2, worker: workerID, workerName: "host-1", startedAt: instant),
    ]
    return job
}

private func roundTrip<View: WireView & Equatable>(_ view: View) throws {
    #expect(try View.read(view.encoded()) == view)
}

@Suite struct ViewTests {
    @Test func viewsAreReadAsTheyWereWritten() throws {
        try roundTrip(JobView(fullJob()))
        try roundTrip(JobView(fullJob(), isSummary: true))
        let plain = Job(
            id: jobID,
            lane: Lane(queue: "q", name: "n"),
            payload: Array("null".utf8),
            state: .available,
            options: JobOptions(),
            createdAt: instant,
            runAt: instant
        )
        try roundTrip(JobView(plain))
        let rates = StatsView.Rates(oneMinute: 1.5, fiveMinutes: 2, fifteenMinutes: 0)
        let counts = Dictionary(uniqueKeysWithValues: JobState.allCases.map { ($0, $0.rawValue) })
        try roundTrip(StatsView(counts: counts, submitted: rates, completed: rates, failed: rates))
        try roundTrip(QueueView(queue: "q", pausedBy: "api", counts: counts, oldestAvailableAgeSeconds: 1.25))
        try roundTrip(
            ExplainView(
                isRunnable: false,
                reasons: [.init(code: "scheduled_for", message: "It waits.", until: instant)]
            )
        )
        try roundTrip(
            DeadLetterGroupView(
                fingerprint: "9f1c",
                name: "n",
                errorType: "E",
                message: "m",
                count: 3,
                firstSeen: instant,
                lastSeen: instant,
                queues: ["a", "b"]
            )
        )
        try roundTrip(CountView(count: 3))
        try roundTrip(IDsView(ids: [jobID, workerID]))
        try roundTrip(SubmittedView(jobID: jobID, state: .available))
        try roundTrip(HealthView())
        try roundTrip(PageView(items: [CountView(count: 1), CountView(count: 2)], nextCursor: "abc"))
        try roundTrip(PageView<CountView>(items: []))
        let problem = ProblemView(
            code: "bad_request",
            status: 400,
            title: "Bad request",
            detail: "No.",
            requestID: "r",
            errors: [.init(pointer: "/priority", detail: "must be −100 to 100")],
            index: 7
        )
        try roundTrip(problem)
    }

    @Test func aWorkerIsReadAsItWasWritten() throws {
        var session = WorkerSession(
            id: workerID,
            name: "host-1",
            host: "h",
            pid: 42,
            sdk: "stint-swift/0.1.0",
            capabilities: Capabilities(queues: ["default"], jobNames: ["*"]),
            concurrency: 8,
            labels: [],
            startedAt: instant,
            expiresAt: instant
        )
        session.running = 8
        let view = WorkerView(session)
        #expect(view.state == .busy)
        #expect(view.freeSlots == 0)
        try roundTrip(view)
        session.endedAt = instant
        session.running = 0
        #expect(WorkerView(session).freeSlots == 0)
    }

    @Test func aJobLooksAsDocumented() {
        let expected = """
            {"id":"0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01","name":"n","queue":"q","payload":{"b":1.50 ,"a":"\\ud800"},\
            "state":"running","priority":0,"attempt":2,"max_attempts":12,"failures":1,"losses":1,"max_losses":3,\
            "created_at":"2025-12-01T09:00:00.000Z","run_at":"2025-12-01T09:00:00.000Z",\
            "started_at":"2025-12-01T09:00:00.000Z","finished_at":"2025-12-01T09:00:00.000Z","timeout_seconds":1800,\
            "cancel_requested":true,"progress":{"percent":40.5,"message":"scaling"},\
            "lease":{"worker":"0198f4c0-11aa-7d52-8e07-3c9b1f6a2e10","granted_at":"2025-12-01T09:00:00.000Z",\
            "expires_at":"2025-12-01T09:00:30.000Z"},"result":[1e400],"cause":"crash_loop","fingerprint":"9f1c",\
            "tags":["a"],"metadata":{"k": "v"},"attempts":[\
            {"attempt":1,"worker":"0198f4c0-11aa-7d52-8e07-3c9b1f6a2e10","worker_name":"host-1",\
            "started_at":"2025-12-01T09:00:00.000Z","ended_at":"2025-12-01T09:00:00.000Z","outcome":"failed",\
            "error":{"type":"IOError","message":"disk\\nfull","stack":"at …"}},\
            {"attempt":2,"worker":"0198f4c0-11aa-7d52-8e07-3c9b1f6a2e10","worker_name":"host-1",\
            "started_at":"2025-12-01T09:00:00.000Z","ended_at":null,"outcome":null,"error":null}]}
            """
        #expect(String(decoding: JobView(fullJob()).encoded(), as: UTF8.self) == expected)
    }

    @Test func aSummaryLeavesTheLongPartsOut() {
        let text = String(decoding: JobView(fullJob(), isSummary: true).encoded(), as: UTF8.self)
        for field in ["payload", "result", "attempts"] { #expect(!text.contains("\"\(field)\":")) }
    }

    @Test func unknownFieldsOfANewerServerAreSkipped() throws {
        let view = JobView(fullJob())
        var text = String(decoding: view.encoded(), as: UTF8.self)
        text.insert(
            contentsOf: #""weather":{"sun":[1,2,{"a":"\ud800"}]},"x":null,"#,
            at: text.index(after: text.startIndex)
        )
        #expect(try JobView.read(text.utf8) == view)
        let problem = try ProblemView.read(
            #"{"code":"odd","extra":[[]],"errors":[{"pointer":"/a","detail":"b","more":1}]}"#.utf8
        )
        #expect(problem.code == "odd")
        #expect(problem.errors == [.init(pointer: "/a", detail: "b")])
    }

    @Test(arguments: [
        "{}", "[]", "<html>", "", #"{"id":"0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01"}"#, #"{"state":"running"}"#,
        #"{"id":"0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01","state":"asleep"}"#, #"{"id":7,"state":"running"}"#,
    ])
    func whatIsNoJobIsRefused(text: String) {
        #expect(throws: JSONProblem.self) { try JobView.read(text.utf8) }
    }

    @Test func metadataAndTheLastErrorAreReadable() {
        let view = JobView(fullJob())
        #expect(view.metadata == ["k": "v"])
        #expect(view.lastError?.type == "IOError")
    }
}
