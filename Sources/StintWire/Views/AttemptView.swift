// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// One run of a job.
public struct AttemptView: Hashable, Sendable {
    /// Its number, from 1.
    public var attempt: Int
    /// The worker session that ran it.
    public var worker: WorkerID
    /// What that worker calls itself.
    public var workerName: String
    /// When it began.
    public var startedAt: Timestamp
    /// When it ended, nil while it runs.
    public var endedAt: Timestamp?
    /// How it ended, nil while it runs.
    public var outcome: AttemptOutcome?
    /// What went wrong.
    public var error: JobError?

    package init(_ attempt: Attempt) {
        self.attempt = attempt.number
        worker = attempt.worker
        workerName = attempt.workerName
        startedAt = attempt.startedAt
        endedAt = attempt.endedAt
        outcome = attempt.outcome
        error = attempt.error
    }
}

extension AttemptView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("attempt")
            json.int(attempt)
            json.name("worker")
            json.id(worker)
            json.name("worker_name")
            json.string(workerName)
            json.name("started_at")
            json.time(startedAt)
            json.name("ended_at")
            json.time(endedAt)
            json.name("outcome")
            json.string(outcome?.name)
            json.name("error")
            if let error { error.writeView(to: &json) } else { json.null() }
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var (number, worker, startedAt): (Int?, WorkerID?, Timestamp?)
        var (workerName, endedAt): (String, Timestamp?) = ("", nil)
        var (outcome, error): (AttemptOutcome?, JobError?)
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "attempt": number = try json.int()
            case "worker": worker = try json.id()
            case "worker_name": workerName = try json.string()
            case "started_at": startedAt = try json.time()
            case "ended_at": endedAt = try json.optionalTime()
            case "outcome": outcome = try json.outcome()
            case "error": error = try json.takeNull() ? nil : JobError(viewFrom: &json)
            default: try json.skip()
            }
        }
        guard let number else { throw .missing("attempt") }
        guard let worker else { throw .missing("worker") }
        guard let startedAt else { throw .missing("started_at") }
        self.attempt = number
        self.worker = worker
        self.workerName = workerName
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.outcome = outcome
        self.error = error
    }
}

extension JobError {
    fileprivate func writeView(to json: inout JSONWriter) {
        json.object { json in
            json.name("type")
            json.string(type)
            json.name("message")
            json.string(message)
            json.name("stack")
            json.string(stack)
        }
    }

    init(viewFrom json: inout JSONCursor) throws(JSONProblem) {
        var error = JobError(type: "", message: "")
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "type": error.type = try json.optionalString() ?? ""
            case "message": error.message = try json.optionalString() ?? ""
            case "stack": error.stack = try json.optionalString() ?? ""
            default: try json.skip()
            }
        }
        self = error
    }
}

extension JSONCursor {
    fileprivate mutating func outcome() throws(JSONProblem) -> AttemptOutcome? {
        guard let word = try optionalString() else { return nil }
        guard let outcome = AttemptOutcome(name: word) else {
            throw JSONProblem("'\(word)' is no outcome that this version knows")
        }
        return outcome
    }
}
