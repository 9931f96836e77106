// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// A worker session as the API shows it.
public struct WorkerView: Hashable, Sendable, Identifiable {
    /// Names the session.
    public var id: WorkerID
    /// What the worker calls itself.
    public var name: String
    /// Where it runs; empty when it did not say.
    public var host: String
    /// Its process there.
    public var pid: Int?
    /// Which library it uses.
    public var sdk: String
    /// Whether it can take jobs.
    public var state: WorkerState
    /// The queues it serves.
    public var queues: [String]
    /// The job names it knows, or `*` for all.
    public var jobNames: [String]
    /// How many jobs it runs at once.
    public var concurrency: Int
    /// How many it runs now.
    public var running: Int
    /// How many more it could run.
    public var freeSlots: Int
    /// When the session began.
    public var startedAt: Timestamp
    /// When it was last heard of.
    public var lastHeartbeatAt: Timestamp
    /// When it counts as lost unless it is heard of.
    public var expiresAt: Timestamp
}

extension WorkerView: WireView {
    package init(_ session: WorkerSession) {
        self.init(
            id: session.id,
            name: session.name,
            host: session.host,
            pid: session.pid,
            sdk: session.sdk,
            state: session.state,
            queues: session.capabilities.queues,
            jobNames: session.capabilities.jobNames,
            concurrency: session.concurrency,
            running: session.running,
            freeSlots: session.endedAt == nil ? max(0, session.concurrency - session.running) : 0,
            startedAt: session.startedAt,
            lastHeartbeatAt: session.lastHeartbeatAt,
            expiresAt: session.expiresAt
        )
    }

    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("worker_id")
            json.id(id)
            json.name("name")
            json.string(name)
            json.name("host")
            json.string(host)
            json.name("pid")
            json.int(pid)
            json.name("sdk")
            json.string(sdk)
            json.name("state")
            json.string(state.rawValue)
            json.name("queues")
            json.strings(queues)
            json.name("job_names")
            json.strings(jobNames)
            json.name("concurrency")
            json.int(concurrency)
            json.name("running")
            json.int(running)
            json.name("free_slots")
            json.int(freeSlots)
            json.name("started_at")
            json.time(startedAt)
            json.name("last_heartbeat_at")
            json.time(lastHeartbeatAt)
            json.name("expires_at")
            json.time(expiresAt)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        let epoch = Timestamp(milliseconds: 0)
        var view = WorkerView(
            WorkerSession(
                id: UUIDv7(high: 0, low: 0),
                name: "",
                host: "",
                pid: nil,
                sdk: "",
                capabilities: Capabilities(queues: [], jobNames: []),
                concurrency: 0,
                labels: [],
                startedAt: epoch,
                expiresAt: epoch
            )
        )
        var hasState = false
        try json.anyObject { (json, name) throws(JSONProblem) in
            if name == "state" {
                view.state = try json.workerState()
                hasState = true
            } else {
                try view.read(name, from: &json)
            }
        }
        guard view.id != UUIDv7(high: 0, low: 0) else { throw .missing("worker_id") }
        guard hasState else { throw .missing("state") }
        self = view
    }

    private mutating func read(_ name: String, from json: inout JSONCursor) throws(JSONProblem) {
        switch name {
        case "worker_id": id = try json.id()
        case "name": self.name = try json.string()
        case "host": host = try json.optionalString() ?? ""
        case "pid": pid = try json.optionalInt()
        case "sdk": sdk = try json.optionalString() ?? ""
        case "queues": queues = try json.strings()
        case "job_names": jobNames = try json.strings()
        case "concurrency": concurrency = try json.int()
        case "running": running = try json.int()
        case "free_slots": freeSlots = try json.int()
        case "started_at": startedAt = try json.time()
        case "last_heartbeat_at": lastHeartbeatAt = try json.time()
        case "expires_at": expiresAt = try json.time()
        default: try json.skip()
        }
    }
}

extension JSONCursor {
    fileprivate mutating func workerState() throws(JSONProblem) -> WorkerState {
        let word = try string()
        guard let state = WorkerState(rawValue: word) else {
            throw JSONProblem("'\(word)' is no worker state that this version knows")
        }
        return state
    }
}
