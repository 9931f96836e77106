// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// The belt: ids of available jobs in serving order.
///
/// A hint that may be stale, doubled or empty at any moment without harm: an id taken from it is leased by a
/// conditional write, and what is missing is refilled from the record.
package protocol ReadyQueue: Sendable {
    /// Adds jobs that became available. A belt that is full in a lane may leave some in the record; it then asks for them
    /// through ``refillRequests()`` before it runs dry.
    func put(_ jobs: [ReadyJob]) async throws(StorageError)

    /// Takes up to `limit` jobs, smallest serving order first over the lanes asked for.
    func take(_ demand: LaneDemand, limit: Int) async throws(StorageError) -> [ReadyJob]

    /// The lanes that are running low while the record may hold more. Each is asked for once until ``refill(_:)`` answers.
    func refillRequests() async throws(StorageError) -> [RefillRequest]

    /// Puts back what the record gave for a request.
    func refill(_ refill: Refill) async throws(StorageError)

    /// Forgets the lanes' contents and asks for them anew: after an unknown outcome, or when the record says so.
    func reset(_ lanes: [Lane]) async throws(StorageError)

    /// Those of the lanes, which have available jobs in the record, of which the belt knows nothing.
    func missing(among lanes: [Lane]) async throws(StorageError) -> [Lane]

    /// Those of the jobs, which are available in the record, that should be on the belt and are not.
    ///
    /// A job that was taken and is just being leased is among them: only one that is absent time after time was lost.
    func absent(among jobs: [ReadyJob]) async throws(StorageError) -> [ReadyJob]

    /// How many jobs are on the belt.
    func depth() async throws(StorageError) -> Int
}

/// Which lanes are wanted: for each queue, names, or all names.
package struct LaneDemand: Hashable, Sendable {
    package struct Names: Hashable, Sendable {
        package var isEveryName: Bool
        package var names: Set<String>

        package init(isEveryName: Bool = false, names: Set<String> = []) {
            self.isEveryName = isEveryName
            self.names = names
        }
    }

    package var queues: [String: Names]

    package init(queues: [String: Names] = [:]) {
        self.queues = queues
    }

    package var isEmpty: Bool { queues.isEmpty }

    /// Widens the demand by what a worker can run.
    package mutating func add(_ capabilities: Capabilities) {
        for queue in capabilities.queues {
            var names = queues[queue] ?? Names()
            if capabilities.servesEveryName {
                names.isEveryName = true
            } else {
                names.names.formUnion(capabilities.jobNames)
            }
            queues[queue] = names
        }
    }

    package func contains(_ lane: Lane) -> Bool {
        guard let names = queues[lane.queue] else { return false }
        return names.isEveryName || names.names.contains(lane.name)
    }
}

/// A lane that runs low.
package struct RefillRequest: Hashable, Sendable {
    package var lane: Lane
    /// The record's jobs after this place are wanted, nil for all.
    package var after: ServingOrder?
    package var limit: Int

    package init(lane: Lane, after: ServingOrder?, limit: Int) {
        self.lane = lane
        self.after = after
        self.limit = limit
    }
}

/// What the record gave for a ``RefillRequest``.
package struct Refill: Hashable, Sendable {
    package var request: RefillRequest
    /// Nil when the record could not be read: ask again later.
    package var jobs: [ReadyJob]?

    package init(request: RefillRequest, jobs: [ReadyJob]?) {
        self.request = request
        self.jobs = jobs
    }

    /// Whether the record holds no more than this.
    package var isComplete: Bool { (jobs?.count ?? 0) < request.limit }
}
