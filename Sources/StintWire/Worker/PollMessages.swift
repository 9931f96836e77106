// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// `POST /v1/workers/{id}/poll`: asks for jobs, reports results, renews the session.
package struct PollRequest: Hashable, Sendable {
    package var freeSlots: Int
    /// Nil for the server's default.
    package var wait: Milliseconds?
    /// Every lease the worker believes it holds or has yet to report.
    package var running: [WireLease]
    package var results: [WorkerResult]

    package init(
        freeSlots: Int,
        wait: Milliseconds? = nil,
        running: [WireLease] = [],
        results: [WorkerResult] = []
    ) {
        self.freeSlots = freeSlots
        self.wait = wait
        self.running = running
        self.results = results
    }
}

extension PollRequest: WireMessage {
    private static let fields = JSONFields("free_slots", "wait_seconds", "running", "results")

    /// Strict.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var freeSlots: Int?
        var wait: Milliseconds?
        var running: [WireLease] = []
        var results: [WorkerResult] = []
        try cursor.object(Self.fields) { cursor, field throws(JSONProblem) in
            if field > 0, try cursor.takeNull() { return }
            switch field {
            case 0: freeSlots = try cursor.int(in: 0...Int.max)
            case 1: wait = try cursor.seconds(in: 0...WorkerProtocolLimits.waitSecondsMax)
            case 2: running = try cursor.messages()
            default: results = try cursor.messages()
            }
        }
        guard let freeSlots else { throw JSONProblem("is required").inside("free_slots") }
        self.init(freeSlots: freeSlots, wait: wait, running: running, results: results)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("free_slots")
            writer.int(freeSlots)
            if let wait {
                writer.name("wait_seconds")
                writer.double(wait.seconds)
            }
            if !running.isEmpty {
                writer.name("running")
                writer.array(running) { $1.write(to: &$0) }
            }
            if !results.isEmpty {
                writer.name("results")
                writer.array(results) { $1.write(to: &$0) }
            }
        }
    }
}

/// The answer to a poll.
package struct PollAnswer: Hashable, Sendable {
    package var jobs: [GrantedJob]
    /// The leases of the session whose jobs were called off.
    package var cancel: [WireLease]
    /// One per result of the request, in its order.
    package var results: [ReportedResult]
    /// The worker is to take no more jobs.
    package var drain: Bool

    package init(
        jobs: [GrantedJob] = [],
        cancel: [WireLease] = [],
        results: [ReportedResult] = [],
        drain: Bool = false
    ) {
        self.jobs = jobs
        self.cancel = cancel
        self.results = results
        self.drain = drain
    }
}

extension PollAnswer: WireMessage {
    private static let fields = JSONFields("jobs", "cancel", "results", "drain")

    /// Tolerant.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var jobs: [GrantedJob] = []
        var cancel: [WireLease] = []
        var results: [ReportedResult] = []
        var drain = false
        try cursor.tolerantObject(Self.fields) { cursor, field throws(JSONProblem) in
            if try cursor.takeNull() { return }
            switch field {
            case 0: jobs = try cursor.messages()
            case 1: cancel = try cursor.messages()
            case 2: results = try cursor.messages()
            default: drain = try cursor.bool()
            }
        }
        self.init(jobs: jobs, cancel: cancel, results: results, drain: drain)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("jobs")
            writer.array(jobs) { $1.write(to: &$0) }
            writer.name("cancel")
            writer.array(cancel) { $1.write(to: &$0) }
            writer.name("results")
            writer.array(results) { $1.write(to: &$0) }
            writer.name("drain")
            writer.bool(drain)
        }
    }
}

extension JSONCursor {
    /// An array of messages of one kind.
    mutating func messages<Message: WireMessage>() throws(JSONProblem) -> [Message] {
        var messages: [Message] = []
        try array { cursor, _ throws(JSONProblem) in messages.append(try Message(from: &cursor)) }
        return messages
    }
}
