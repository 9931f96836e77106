// SPDX-License-Identifier: Apache-2.0

import StintModel

extension JobView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            writeIdentity(to: &json)
            writeCounters(to: &json)
            writeTimes(to: &json)
            writeRun(to: &json)
            json.name("cause")
            json.string(cause?.name)
            json.name("fingerprint")
            json.string(fingerprint)
            if isDeadLetter { writeError(to: &json) }
            json.name("tags")
            json.strings(tags)
            json.name("metadata")
            if metadataBytes.isEmpty { json.object { _ in } } else { json.raw(metadataBytes) }
            if !isSummary {
                json.name("attempts")
                json.array(attempts) { json, attempt in attempt.write(to: &json) }
            }
        }
    }

    private func writeError(to json: inout JSONWriter) {
        json.name("error")
        guard let error else { return json.null() }
        json.object { json in
            json.name("type")
            json.string(error.type)
            json.name("message")
            json.string(error.message)
        }
    }

    private func writeIdentity(to json: inout JSONWriter) {
        json.name("id")
        json.id(id)
        json.name("name")
        json.string(name)
        json.name("queue")
        json.string(queue)
        if !isSummary {
            json.name("payload")
            json.raw(payload)
        }
        json.name("state")
        json.string(state.name)
        json.name("priority")
        json.int(priority)
    }

    private func writeCounters(to json: inout JSONWriter) {
        json.name("attempt")
        json.int(attempt)
        json.name("max_attempts")
        json.int(maxAttempts)
        json.name("failures")
        json.int(failures)
        json.name("losses")
        json.int(losses)
        json.name("max_losses")
        json.int(maxLosses)
    }

    private func writeTimes(to json: inout JSONWriter) {
        json.name("created_at")
        json.time(createdAt)
        json.name("run_at")
        json.time(runAt)
        json.name("started_at")
        json.time(startedAt)
        json.name("finished_at")
        json.time(finishedAt)
        json.name("timeout_seconds")
        json.double(timeoutSeconds)
    }

    private func writeRun(to json: inout JSONWriter) {
        json.name("cancel_requested")
        json.bool(cancelRequested)
        json.name("progress")
        if let progress { progress.write(to: &json) } else { json.null() }
        json.name("lease")
        if let lease { lease.write(to: &json) } else { json.null() }
        if !isSummary {
            json.name("result")
            json.raw(result)
        }
    }
}

extension JobView {
    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var view = JobView(Job(nothingKnownOf: UUIDv7(high: 0, low: 0)), isSummary: true)
        var hasState = false
        try json.anyObject { (json, name) throws(JSONProblem) in
            if name == "state" {
                view.state = try json.state()
                hasState = true
            } else if try !view.readIdentity(name, from: &json), try !view.readTimes(name, from: &json),
                try !view.readRun(name, from: &json)
            {
                try json.skip()
            }
        }
        guard view.id != UUIDv7(high: 0, low: 0) else { throw .missing("id") }
        guard hasState else { throw .missing("state") }
        self = view
    }

    private mutating func readIdentity(_ name: String, from json: inout JSONCursor) throws(JSONProblem) -> Bool {
        switch name {
        case "id": id = try json.id()
        case "name": self.name = try json.string()
        case "queue": queue = try json.string()
        case "payload":
            payload = try json.raw()
            isSummary = false
        case "priority": priority = try json.int()
        case "attempt": attempt = try json.int()
        case "max_attempts": maxAttempts = try json.int()
        case "failures": failures = try json.int()
        case "losses": losses = try json.int()
        case "max_losses": maxLosses = try json.int()
        case "tags": tags = try json.strings()
        case "metadata":
            let pairs = try json.raw()
            // No metadata at all and none in it are the same.
            metadataBytes = pairs == Array("{}".utf8) ? [] : pairs
        default: return false
        }
        return true
    }

    private mutating func readTimes(_ name: String, from json: inout JSONCursor) throws(JSONProblem) -> Bool {
        switch name {
        case "created_at": createdAt = try json.time()
        case "run_at": runAt = try json.time()
        case "started_at": startedAt = try json.optionalTime()
        case "finished_at": finishedAt = try json.optionalTime()
        case "timeout_seconds": timeoutSeconds = try json.double()
        default: return false
        }
        return true
    }

    private mutating func readRun(_ name: String, from json: inout JSONCursor) throws(JSONProblem) -> Bool {
        switch name {
        case "cancel_requested": cancelRequested = try json.bool()
        case "progress": progress = try json.takeNull() ? nil : Progress(from: &json)
        case "lease": lease = try json.takeNull() ? nil : Lease(from: &json)
        case "result": result = try json.optionalRaw()
        case "cause": cause = try json.cause()
        case "fingerprint": fingerprint = try json.optionalString()
        case "error":
            isDeadLetter = true
            error = try json.takeNull() ? nil : JobError(viewFrom: &json)
        case "attempts": attempts = try json.views()
        default: return false
        }
        return true
    }
}

extension JobView.Progress: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("percent")
            json.double(percent)
            json.name("message")
            json.string(message)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var progress = Self(percent: nil, message: nil)
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "percent": progress.percent = try json.optionalDouble()
            case "message": progress.message = try json.optionalString()
            default: try json.skip()
            }
        }
        self = progress
    }
}

extension JobView.Lease: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("worker")
            json.id(worker)
            json.name("granted_at")
            json.time(grantedAt)
            json.name("expires_at")
            json.time(expiresAt)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var (worker, grantedAt, expiresAt): (WorkerID?, Timestamp?, Timestamp?)
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "worker": worker = try json.id()
            case "granted_at": grantedAt = try json.time()
            case "expires_at": expiresAt = try json.time()
            default: try json.skip()
            }
        }
        guard let worker else { throw .missing("worker") }
        guard let grantedAt else { throw .missing("granted_at") }
        guard let expiresAt else { throw .missing("expires_at") }
        self.init(worker: worker, grantedAt: grantedAt, expiresAt: expiresAt)
    }
}

extension JSONCursor {
    fileprivate mutating func state() throws(JSONProblem) -> JobState {
        let word = try string()
        guard let state = JobState(name: word) else {
            throw JSONProblem("'\(word)' is no job state that this version knows")
        }
        return state
    }

    fileprivate mutating func cause() throws(JSONProblem) -> DeadCause? {
        guard let word = try optionalString() else { return nil }
        guard let cause = DeadCause(name: word) else {
            throw JSONProblem("'\(word)' is no cause of death that this version knows")
        }
        return cause
    }

    package mutating func views<View: WireView>() throws(JSONProblem) -> [View] {
        var views: [View] = []
        try array { (json, _) throws(JSONProblem) in views.append(try View(from: &json)) }
        return views
    }
}

extension Job {
    /// What a reader starts from; it insists on the fields that matter.
    fileprivate init(nothingKnownOf id: JobID) {
        let epoch = Timestamp(milliseconds: 0)
        self.init(
            id: id,
            lane: Lane(queue: "", name: ""),
            payload: [],
            state: .available,
            options: JobOptions(),
            createdAt: epoch,
            runAt: epoch
        )
    }
}
