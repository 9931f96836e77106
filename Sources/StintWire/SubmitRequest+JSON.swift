// SPDX-License-Identifier: Apache-2.0

import StintModel

extension SubmitRequest: WireMessage {
    private static let fields = JSONFields(
        "name",
        "payload",
        "queue",
        "priority",
        "run_at",
        "delay_seconds",
        "start_within_seconds",
        "max_attempts",
        "max_losses",
        "timeout_seconds",
        "retry",
        "tags",
        "metadata",
        "traceparent"
    )

    /// Reads a job as `POST /v1/jobs` takes it: strictly, every limit checked.
    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var request = SubmitRequest(name: "")
        try json.object(Self.fields) { json, field throws(JSONProblem) in
            switch field {
            case 0: request.name = try json.laneName()
            case 1: request.payload = try json.payload()
            default:
                // An optional field that is null counts as not given.
                if try !json.takeNull() { try request.read(optional: field, from: &json) }
            }
        }
        guard !request.name.isEmpty else { throw .missing("name") }
        guard request.runAt == nil || (request.delaySeconds ?? 0) == 0 else {
            throw JSONProblem("run_at and delay_seconds exclude each other", pointer: "/delay_seconds")
        }
        self = request
    }

    private mutating func read(optional field: Int, from json: inout JSONCursor) throws(JSONProblem) {
        switch field {
        case 2: queue = try json.laneName()
        case 3: priority = try json.int(in: SubmitLimits.priority)
        case 4: runAt = try json.runAt()
        case 5: delaySeconds = try json.double(in: 0...SubmitLimits.delaySecondsMax)
        // At least the millisecond that the record can tell.
        case 6: startWithinSeconds = try json.double(in: 0.001...SubmitLimits.delaySecondsMax)
        case 7: maxAttempts = try json.int(in: SubmitLimits.maxAttempts)
        case 8: maxLosses = try json.int(in: SubmitLimits.maxLosses)
        case 9: timeoutSeconds = try json.double(in: SubmitLimits.timeoutSeconds)
        case 10: retry = try RetryPolicy(submittedIn: &json)
        case 11: tags = try json.tags()
        case 12: metadataBytes = try json.metadata()
        default: traceparent = try json.traceparent()
        }
    }

    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("name")
            json.string(name)
            json.name("payload")
            json.raw(payload)
            if let queue { json.member("queue") { $0.string(queue) } }
            if let priority { json.member("priority") { $0.int(priority) } }
            if let runAt { json.member("run_at") { $0.time(runAt) } }
            if let delaySeconds { json.member("delay_seconds") { $0.double(delaySeconds) } }
            if let startWithinSeconds { json.member("start_within_seconds") { $0.double(startWithinSeconds) } }
            if let maxAttempts { json.member("max_attempts") { $0.int(maxAttempts) } }
            if let maxLosses { json.member("max_losses") { $0.int(maxLosses) } }
            if let timeoutSeconds { json.member("timeout_seconds") { $0.double(timeoutSeconds) } }
            if let retry { json.member("retry") { retry.write(to: &$0) } }
            if !tags.isEmpty { json.member("tags") { $0.strings(tags) } }
            if !metadataBytes.isEmpty { json.member("metadata") { $0.raw(metadataBytes) } }
            if let traceparent { json.member("traceparent") { $0.string(traceparent) } }
        }
    }
}

extension SubmitRequest {
    private static let shortFields = JSONFields("name", "payload")

    /// Reads a job as `POST /submit_job` takes it: a name and a payload, nothing else.
    package static func readShortForm(from json: inout JSONCursor) throws(JSONProblem) -> SubmitRequest {
        var request = SubmitRequest(name: "")
        try json.object(shortFields) { json, field throws(JSONProblem) in
            if field == 0 {
                request.name = try json.laneName()
            } else {
                request.payload = try json.payload()
            }
        }
        guard !request.name.isEmpty else { throw .missing("name") }
        return request
    }

    /// The body of `POST /v1/jobs/batch`.
    package static func writeBatch(_ requests: [SubmitRequest]) -> [UInt8] {
        JSONWriter.write(capacity: 64 + requests.count * 128) { json in
            json.object { json in
                json.name("jobs")
                json.array(requests) { json, request in request.write(to: &json) }
            }
        }
    }
}

extension RetryPolicy {
    private static let fields = JSONFields("base_seconds", "factor", "cap_seconds", "jitter")

    fileprivate init(submittedIn json: inout JSONCursor) throws(JSONProblem) {
        var policy = RetryPolicy.standard
        try json.object(Self.fields) { json, field throws(JSONProblem) in
            if try json.takeNull() { return }
            switch field {
            case 0: policy.baseSeconds = try json.double(in: SubmitLimits.retryBaseSeconds)
            case 1: policy.factor = try json.double(in: SubmitLimits.retryFactor)
            case 2: policy.capSeconds = try json.double(in: SubmitLimits.retryCapSeconds)
            default: policy.jitter = try json.jitter()
            }
        }
        self = policy
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("base_seconds") { $0.double(baseSeconds) }
            json.member("factor") { $0.double(factor) }
            json.member("cap_seconds") { $0.double(capSeconds) }
            json.member("jitter") { $0.string(jitter.rawValue) }
        }
    }
}
