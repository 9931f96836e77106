// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// `POST /v1/workers/{id}/heartbeat`: renews the session and hears of cancellations and losses.
package struct HeartbeatRequest: Hashable, Sendable {
    package struct Running: Hashable, Sendable {
        package var lease: WireLease
        package var progress: JobProgress?

        package init(lease: WireLease, progress: JobProgress? = nil) {
            self.lease = lease
            self.progress = progress
        }
    }

    package var running: [Running]

    package init(running: [Running] = []) {
        self.running = running
    }
}

extension HeartbeatRequest: WireMessage {
    private static let fields = JSONFields("running")

    /// Strict.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var running: [Running] = []
        try cursor.object(Self.fields) { cursor, _ throws(JSONProblem) in
            if try cursor.takeNull() { return }
            running = try cursor.messages()
        }
        self.init(running: running)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("running")
            writer.array(running) { $1.write(to: &$0) }
        }
    }
}

extension HeartbeatRequest.Running: WireMessage {
    private static let fields = JSONFields("lease", "progress")

    /// Strict.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var lease: WireLease?
        var progress: JobProgress?
        try cursor.object(Self.fields) { cursor, field throws(JSONProblem) in
            if field == 0 {
                lease = try WireLease(from: &cursor)
            } else if try !cursor.takeNull() {
                progress = try JobProgress(reportedIn: &cursor)
            }
        }
        guard let lease else { throw JSONProblem("is required").inside("lease") }
        self.init(lease: lease, progress: progress)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("lease")
            lease.write(to: &writer)
            if let progress {
                writer.name("progress")
                progress.writeReport(to: &writer)
            }
        }
    }
}

extension JobProgress {
    private static let fields = JSONFields("percent", "message")

    /// Strict.
    fileprivate init(reportedIn cursor: inout JSONCursor) throws(JSONProblem) {
        var progress = JobProgress(percent: nil, message: nil)
        try cursor.object(Self.fields) { cursor, field throws(JSONProblem) in
            if try cursor.takeNull() { return }
            if field == 0 {
                let percent = try cursor.double()
                guard (0...100).contains(percent) else { throw JSONProblem("must be 0 to 100") }
                progress.percent = percent
            } else {
                let message = try cursor.prose()
                let limit = WorkerProtocolLimits.progressCharactersMax
                guard message.unicodeScalars.count <= limit else {
                    throw JSONProblem("must have at most \(limit) characters")
                }
                progress.message = message
            }
        }
        self = progress
    }

    fileprivate func writeReport(to writer: inout JSONWriter) {
        writer.object { writer in
            if let percent {
                writer.name("percent")
                writer.double(percent)
            }
            if let message {
                writer.name("message")
                writer.string(message)
            }
        }
    }
}

/// What became of the leases that a heartbeat named.
package struct HeartbeatAnswer: Hashable, Sendable {
    package struct Lease: Hashable, Sendable {
        package enum Verdict: String, CaseIterable, Sendable {
            case ok
            /// The job was called off: stop it and report how it ended.
            case cancel
            /// The lease is another's now: stop, and do not report.
            case lost
        }

        package var lease: WireLease
        package var verdict: Verdict

        package init(lease: WireLease, verdict: Verdict) {
            self.lease = lease
            self.verdict = verdict
        }
    }

    package var leases: [Lease]
    /// The worker is to take no more jobs.
    package var drain: Bool

    package init(leases: [Lease] = [], drain: Bool = false) {
        self.leases = leases
        self.drain = drain
    }
}

extension HeartbeatAnswer: WireMessage {
    private static let fields = JSONFields("leases", "drain")

    /// Tolerant.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var leases: [Lease] = []
        var drain = false
        try cursor.tolerantObject(Self.fields) { cursor, field throws(JSONProblem) in
            if try cursor.takeNull() { return }
            if field == 0 {
                leases = try cursor.messages()
            } else {
                drain = try cursor.bool()
            }
        }
        self.init(leases: leases, drain: drain)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("leases")
            writer.array(leases) { $1.write(to: &$0) }
            writer.name("drain")
            writer.bool(drain)
        }
    }
}

extension HeartbeatAnswer.Lease: WireMessage {
    private static let fields = JSONFields("lease", "verdict")

    /// Tolerant: a verdict this version does not know is read as ``Verdict/ok``.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var lease: WireLease?
        var verdict = Verdict.ok
        try cursor.tolerantObject(Self.fields) { cursor, field throws(JSONProblem) in
            if field == 0 {
                lease = try WireLease(from: &cursor)
            } else {
                verdict = Verdict(rawValue: try cursor.string()) ?? .ok
            }
        }
        guard let lease else { throw JSONProblem("is required").inside("lease") }
        self.init(lease: lease, verdict: verdict)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("lease")
            lease.write(to: &writer)
            writer.name("verdict")
            writer.string(verdict.rawValue)
        }
    }
}
