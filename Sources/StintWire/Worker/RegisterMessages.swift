// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// `POST /v1/workers`: opens a worker session.
package struct RegisterRequest: Hashable, Sendable {
    package var name: String
    package var host: String?
    package var pid: Int?
    package var sdk: String
    package var queues: [String]
    /// Job names, or `*` for every name.
    package var jobNames: [String]
    package var concurrency: Int
    /// The JSON object as sent, checked to map strings to strings; empty when there is none.
    package var labels: [UInt8]

    package init(
        name: String,
        capabilities: Capabilities,
        concurrency: Int,
        host: String? = nil,
        pid: Int? = nil,
        sdk: String = "",
        labels: [UInt8] = []
    ) {
        self.name = name
        self.host = host
        self.pid = pid
        self.sdk = sdk
        self.queues = capabilities.queues
        self.jobNames = capabilities.jobNames
        self.concurrency = concurrency
        self.labels = labels
    }

    package var capabilities: Capabilities { Capabilities(queues: queues, jobNames: jobNames) }
}

extension RegisterRequest: WireMessage {
    private static let fields = JSONFields(
        "name",
        "queues",
        "job_names",
        "concurrency",
        "labels",
        "sdk",
        "host",
        "pid"
    )

    /// Strict.
    ///
    /// Repeated queues and names are dropped.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var request = RegisterRequest(name: "", capabilities: Capabilities(queues: [], jobNames: []), concurrency: 1)
        try cursor.object(Self.fields) { cursor, field throws(JSONProblem) in
            if field > 2, try cursor.takeNull() { return }
            try request.read(field, from: &cursor)
        }
        if request.name.isEmpty { throw JSONProblem("is required").inside("name") }
        if request.queues.isEmpty { throw JSONProblem("at least one is required").inside("queues") }
        if request.jobNames.isEmpty { throw JSONProblem("at least one is required").inside("job_names") }
        self = request
    }

    private mutating func read(_ field: Int, from cursor: inout JSONCursor) throws(JSONProblem) {
        typealias Limits = WorkerProtocolLimits
        switch field {
        case 0: name = try cursor.line(lengthMax: Limits.nameCharactersMax, minimum: 1)
        case 1: queues = try Self.names(from: &cursor, countMax: Limits.queuesMax, allowingWildcard: false)
        case 2: jobNames = try Self.names(from: &cursor, countMax: Limits.jobNamesMax, allowingWildcard: true)
        case 3: concurrency = try cursor.int(in: 1...Limits.concurrencyMax)
        case 4: labels = try Self.labels(from: &cursor)
        case 5: sdk = try cursor.line(lengthMax: Limits.nameCharactersMax)
        case 6: host = try cursor.line(lengthMax: Limits.nameCharactersMax)
        default: pid = try cursor.int(in: 0...Int(Int32.max))
        }
    }

    private static func names(
        from cursor: inout JSONCursor,
        countMax: Int,
        allowingWildcard: Bool
    ) throws(JSONProblem) -> [String] {
        var names: [String] = []
        var seen = Set<String>()
        try cursor.array { cursor, index throws(JSONProblem) in
            guard index < countMax else { throw JSONProblem("there may be at most \(countMax)") }
            let name = try cursor.laneName(allowingWildcard: allowingWildcard)
            if seen.insert(name).inserted { names.append(name) }
        }
        return names
    }

    private static func labels(from cursor: inout JSONCursor) throws(JSONProblem) -> [UInt8] {
        var count = 0
        cursor.skipWhitespace()
        let start = cursor.position
        try cursor.anyObject { cursor, _ throws(JSONProblem) in
            count += 1
            guard count <= WorkerProtocolLimits.labelsMax else {
                throw JSONProblem("there may be at most \(WorkerProtocolLimits.labelsMax) labels")
            }
            _ = try cursor.string()
        }
        return count == 0 ? [] : cursor.slice(start..<cursor.position)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("name")
            writer.string(name)
            if let host {
                writer.name("host")
                writer.string(host)
            }
            if let pid {
                writer.name("pid")
                writer.int(pid)
            }
            writer.name("sdk")
            writer.string(sdk)
            writer.name("queues")
            writer.array(queues) { $0.string($1) }
            writer.name("job_names")
            writer.array(jobNames) { $0.string($1) }
            writer.name("concurrency")
            writer.int(concurrency)
            if !labels.isEmpty {
                writer.name("labels")
                writer.raw(labels)
            }
        }
    }
}

/// What a new worker session has to keep to.
package struct RegisterAnswer: Hashable, Sendable {
    package var workerID: WorkerID
    /// The session lives this long past its last heartbeat or poll.
    package var lease: Milliseconds
    package var heartbeat: Milliseconds
    /// How long a poll may wait when it names no time.
    package var poll: Milliseconds

    package init(workerID: WorkerID, lease: Milliseconds, heartbeat: Milliseconds, poll: Milliseconds) {
        self.workerID = workerID
        self.lease = lease
        self.heartbeat = heartbeat
        self.poll = poll
    }
}

extension RegisterAnswer: WireMessage {
    private static let fields = JSONFields("worker_id", "lease_seconds", "heartbeat_seconds", "poll_seconds")

    /// Tolerant, but a session without its lease cannot be kept: `worker_id` and `lease_seconds` are required.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        let range = 0.001...86_400.0
        var workerID: WorkerID?
        var lease: Milliseconds?
        var heartbeat: Milliseconds?
        var poll: Milliseconds?
        try cursor.tolerantObject(Self.fields) { cursor, field throws(JSONProblem) in
            switch field {
            case 0: workerID = WorkerID(try cursor.string())
            case 1: lease = try cursor.seconds(in: range)
            case 2: heartbeat = try cursor.seconds(in: range)
            default: poll = try cursor.seconds(in: range)
            }
        }
        guard let workerID else { throw JSONProblem("a worker session's id is required").inside("worker_id") }
        guard let lease else { throw JSONProblem("is required").inside("lease_seconds") }
        self.init(
            workerID: workerID,
            lease: lease,
            heartbeat: heartbeat ?? Milliseconds(max(1, lease.count / 3)),
            poll: poll ?? .seconds(20)
        )
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("worker_id")
            writer.id(workerID)
            writer.name("lease_seconds")
            writer.double(lease.seconds)
            writer.name("heartbeat_seconds")
            writer.double(heartbeat.seconds)
            writer.name("poll_seconds")
            writer.double(poll.seconds)
        }
    }
}
