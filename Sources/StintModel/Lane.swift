// SPDX-License-Identifier: Apache-2.0

/// A queue and a job name.
///
/// A worker serves the lanes of its queues whose names it knows, so that a job that nobody here can run never stands in
/// the way of others.
package struct Lane: Hashable, Comparable, Sendable {
    package var queue: String
    package var name: String

    package init(queue: String, name: String) {
        self.queue = queue
        self.name = name
    }

    package static func < (lhs: Lane, rhs: Lane) -> Bool {
        (lhs.queue, lhs.name) < (rhs.queue, rhs.name)
    }
}

/// A job's place in its lane: smallest `run_at − priority × 60 s` first, ties by id.
package struct ServingOrder: Hashable, Comparable, Sendable {
    /// One step of priority is worth this much head start.
    package static let headStartPerPriority = Milliseconds(60_000)

    /// Milliseconds: `run_at − priority × 60 s`.
    package var key: Int64
    package var id: JobID

    package init(key: Int64, id: JobID) {
        self.key = key
        self.id = id
    }

    package init(runAt: Timestamp, priority: Int, id: JobID) {
        self.init(key: Self.key(runAt: runAt, priority: priority), id: id)
    }

    package static func key(runAt: Timestamp, priority: Int) -> Int64 {
        runAt.milliseconds &- Int64(priority) &* headStartPerPriority.count
    }

    package static func < (lhs: ServingOrder, rhs: ServingOrder) -> Bool {
        lhs.key != rhs.key ? lhs.key < rhs.key : lhs.id < rhs.id
    }
}

/// An available job as the belt knows it: a hint, checked against the record before anything is leased.
package struct ReadyJob: Hashable, Sendable {
    package var lane: Lane
    package var order: ServingOrder

    package init(lane: Lane, order: ServingOrder) {
        self.lane = lane
        self.order = order
    }

    package var id: JobID { order.id }
}
