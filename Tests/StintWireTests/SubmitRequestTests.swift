// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

private let someID = UUIDv7(high: 1, low: 2)

private func read(_ text: String) throws(JSONProblem) -> SubmitRequest {
    try SubmitRequest.read(text.utf8)
}

@Suite struct SubmitRequestTests {
    @Test func theNameAloneIsEnough() throws {
        let job = try read(#"{"name":"a"}"#).newJob(id: someID)
        #expect(job.lane == Lane(queue: "default", name: "a"))
        #expect(job.payload == Array("null".utf8))
        #expect(job.schedule == .now)
        #expect(job.startWithin == nil)
        #expect(job.options == JobOptions())
    }

    @Test func everyFieldIsTaken() throws {
        let job = try read(
            """
            {"name":"resize_image","payload":{"key": "a.png"},"queue":"q.1","priority":-100,"delay_seconds":1.5,
             "start_within_seconds":60,"max_attempts":1000,"max_losses":100,"timeout_seconds":604800,
             "retry":{"base_seconds":0,"factor":100,"cap_seconds":2592000,"jitter":"decorrelated"},
             "tags":["a","é b"],"metadata":{"k" : "v"},
             "traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
            """
        ).newJob(id: someID)
        #expect(job.lane == Lane(queue: "q.1", name: "resize_image"))
        #expect(job.payload == Array(#"{"key": "a.png"}"#.utf8))
        #expect(job.schedule == .after(Milliseconds(1500)))
        #expect(job.startWithin == Milliseconds(60_000))
        #expect(job.options.priority == -100)
        #expect(job.options.maxAttempts == 1000)
        #expect(job.options.maxLosses == 100)
        #expect(job.options.timeout == Milliseconds(604_800_000))
        #expect(
            job.options.retry == RetryPolicy(baseSeconds: 0, factor: 100, capSeconds: 2_592_000, jitter: .decorrelated)
        )
        #expect(job.options.tags == ["a", "é b"])
        #expect(job.options.metadata == Array(#"{"k" : "v"}"#.utf8))
        #expect(job.options.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    }

    @Test func nullMeansNotGiven() throws {
        let fields = [
            "queue", "priority", "run_at", "delay_seconds", "start_within_seconds", "max_attempts", "max_losses",
            "timeout_seconds", "retry", "tags", "metadata", "traceparent",
        ]
        let text = #"{"name":"a",\#(fields.map { "\"\($0)\":null" }.joined(separator: ","))}"#
        #expect(try read(text) == SubmitRequest(name: "a"))
        #expect(try read(#"{"name":"a","retry":{"factor":null}}"#).retry == .standard)
        #expect(try read(#"{"name":"a","run_at":null,"delay_seconds":2}"#).delaySeconds == 2)
    }

    @Test func timesAreKeptToTheMillisecond() throws {
        let job = try read(#"{"name":"a","run_at":"2026-12-01T10:00:00.5+01:00"}"#).newJob(id: someID)
        #expect(job.schedule == .at(try #require(RFC3339.parse("2026-12-01T09:00:00.500Z"))))
        // The protocol's own example gives a time and no delay, as a zero.
        let both = try read(#"{"name":"a","run_at":"2026-12-01T09:00:00Z","delay_seconds":0}"#).newJob(id: someID)
        #expect(both.schedule == .at(try #require(RFC3339.parse("2026-12-01T09:00:00Z"))))
        #expect(try read(#"{"name":"a","delay_seconds":0}"#).newJob(id: someID).schedule == .now)
    }

    @Test(arguments: [
        "null", "1e400", "  {\"b\" :1, \"a\": [ 1.50 , \"\\u0000\\ud800\" ] ,\"a\":2}  ", "\"text\"", "[]", "-0.0",
        "\"\\/\"",
    ])
    func thePayloadIsKeptByteForByte(text: String) throws {
        let job = try read(#"{"name":"a","payload":\#(text),"queue":"q"}"#)
        let trimmed = Array(text.utf8).drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }.reversed()
        #expect(job.payload == Array(trimmed))
    }

    @Test func thePayloadMayHave256KiB() throws {
        let fits = "\"" + String(repeating: "x", count: (256 << 10) - 2) + "\""
        #expect(try read(#"{"payload":\#(fits),"name":"a"}"#).payload.count == 256 << 10)
        #expect(throws: JSONProblem.self) { try read(#"{"payload":\#(fits) ,"name":"a b"}"#) }
        let over = "\"" + String(repeating: "x", count: (256 << 10) - 1) + "\""
        do throws(JSONProblem) {
            _ = try read(#"{"name":"a","payload":\#(over)}"#)
            Issue.record("a payload over the limit was taken")
        } catch {
            #expect(error.isTooLarge)
            #expect(error.pointer == "/payload")
        }
    }

    @Test func metadataIsReadableByClients() throws {
        var request = SubmitRequest(name: "a")
        request.metadata = ["b": "2", "a": "\"1\""]
        #expect(String(decoding: request.metadataBytes, as: UTF8.self) == #"{"a":"\"1\"","b":"2"}"#)
        #expect(request.metadata == ["b": "2", "a": "\"1\""])
        request.metadata = [:]
        #expect(request.metadataBytes.isEmpty)
        #expect(try read(#"{"name":"a","metadata":{ }}"#).metadataBytes.isEmpty)
    }

    @Test func theShortFormTakesNameAndPayloadOnly() throws {
        func short(_ text: String) throws(JSONProblem) -> SubmitRequest {
            try JSONCursor.read(text.utf8) { json throws(JSONProblem) in try SubmitRequest.readShortForm(from: &json) }
        }
        let request = try short(#"{"name":"cpu_intensive","payload":"test task"}"#)
        #expect(request == SubmitRequest(name: "cpu_intensive", json: "\"test task\""))
        #expect(try short(#"{"name":"a"}"#).payload == SubmitRequest.noPayload)
        for text in [#"{"name":"a","queue":"q"}"#, #"{"payload":1}"#, #"{"name":""}"#, "[]"] {
            #expect(throws: JSONProblem.self) { try short(text) }
        }
    }

    @Test(arguments: seeds)
    func whatAClientWritesTheServerReads(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let request = Self.request(&random)
            #expect(try SubmitRequest.read(request.encoded()) == request, "seed \(seed)")
        }
    }

    private static func request(_ random: inout SeededGenerator) -> SubmitRequest {
        func maybe<Value>(_ random: inout SeededGenerator, _ value: Value) -> Value? {
            Bool.random(using: &random) ? value : nil
        }
        var request = SubmitRequest(name: "job-\(random.index(1000))", json: random.json())
        request.queue = maybe(&random, "q:\(random.index(9))")
        request.priority = maybe(&random, random.index(201) - 100)
        if Bool.random(using: &random) {
            request.runAt = Timestamp(milliseconds: Int64(random.index(1_000_000_000)) * 1000 + 7)
        } else {
            request.delaySeconds = maybe(&random, Double(random.index(1000)) / 8)
        }
        request.startWithinSeconds = maybe(&random, Double(1 + random.index(1000)) / 8)
        request.maxAttempts = maybe(&random, 1 + random.index(1000))
        request.maxLosses = maybe(&random, 1 + random.index(100))
        request.timeoutSeconds = maybe(&random, 1 + Double(random.index(1000)) / 8)
        request.retry = maybe(&random, RetryPolicy(baseSeconds: 0.5, factor: 1.5, capSeconds: 7, jitter: .full))
        request.tags = (0..<random.index(17)).map { "tag \($0) é" }
        request.metadata = Dictionary(uniqueKeysWithValues: (0..<random.index(17)).map { ("k\($0)", "v\"\($0)\n") })
        return request
    }
}
