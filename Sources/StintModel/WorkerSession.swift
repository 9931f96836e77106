// SPDX-License-Identifier: Apache-2.0

/// What is shown of a worker session.
public enum WorkerState: String, CaseIterable, Sendable {
    /// Has a free slot.
    case available
    /// Has no free slot.
    case busy
    /// Takes no more jobs and lets running ones end.
    case draining
    /// Said goodbye or was lost.
    case unavailable
}

/// Which jobs a worker session can run.
package struct Capabilities: Hashable, Sendable {
    package var queues: [String]
    /// Job names, or `*` alone for every name.
    package var jobNames: [String]

    package init(queues: [String], jobNames: [String]) {
        self.queues = queues
        self.jobNames = jobNames
    }

    package var servesEveryName: Bool { jobNames.contains("*") }

    package func serves(_ lane: Lane) -> Bool {
        queues.contains(lane.queue) && (servesEveryName || jobNames.contains(lane.name))
    }
}

/// One start of a coordinator process: a number drawn at random when it starts.
package struct CoordinatorID: Hashable, Sendable {
    package var bits: UInt64

    package init(bits: UInt64) {
        self.bits = bits
    }
}

/// One start of a worker process, as the record holds it.
///
/// All its leases live and die with it.
package struct WorkerSession: Hashable, Sendable {
    package var id: WorkerID
    package var name: String
    package var host: String
    package var pid: Int?
    package var sdk: String
    package var capabilities: Capabilities
    package var concurrency: Int
    /// The JSON object as sent; empty when there is none.
    package var labels: [UInt8]
    package var startedAt: Timestamp
    package var lastHeartbeatAt: Timestamp
    package var expiresAt: Timestamp
    package var isDraining = false
    /// The coordinator that took its registration or its latest poll; only that one may lease to it.
    package var coordinator: CoordinatorID?
    /// When it said goodbye or was found lost.
    package var endedAt: Timestamp?
    /// How many leases it holds; filled in by reads.
    package var running = 0

    package init(
        id: WorkerID,
        name: String,
        host: String,
        pid: Int?,
        sdk: String,
        capabilities: Capabilities,
        concurrency: Int,
        labels: [UInt8],
        startedAt: Timestamp,
        expiresAt: Timestamp
    ) {
        self.id = id
        self.name = name
        self.host = host
        self.pid = pid
        self.sdk = sdk
        self.capabilities = capabilities
        self.concurrency = concurrency
        self.labels = labels
        self.startedAt = startedAt
        self.lastHeartbeatAt = startedAt
        self.expiresAt = expiresAt
    }

    package var state: WorkerState {
        if endedAt != nil { return .unavailable }
        if isDraining { return .draining }
        return running < concurrency ? .available : .busy
    }
}
