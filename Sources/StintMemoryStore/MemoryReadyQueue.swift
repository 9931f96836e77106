// SPDX-License-Identifier: Apache-2.0

import HeapModule
package import StintModel
package import StintStorage
import Synchronization

/// The belt in process: a heap per lane, which holds a window of the lane's jobs; the rest stays in the record.
///
/// A lane's *horizon* is the place up to which the belt holds everything that is available; a lane without one holds all.
/// What becomes available beyond the horizon is not kept, because the next refill reads it; what arrives while a refill is being
/// read is held aside and merged, because the read may have been too early to see it.
package final class MemoryReadyQueue: ReadyQueue {
    private let state: Mutex<State>

    /// - Parameter window: Jobs kept per lane; a lane never holds more than twice as many.
    package init(window: Int = 8192) {
        state = Mutex(State(window: window))
    }

    package func put(_ jobs: [ReadyJob]) async throws(StorageError) {
        state.withLock { state in
            for job in jobs { state.put(job) }
        }
    }

    package func take(_ demand: LaneDemand, limit: Int) async throws(StorageError) -> [ReadyJob] {
        state.withLock { $0.take(demand, limit: limit) }
    }

    package func refillRequests() async throws(StorageError) -> [RefillRequest] {
        state.withLock { $0.refillRequests() }
    }

    package func refill(_ refill: Refill) async throws(StorageError) {
        state.withLock { $0.refill(refill) }
    }

    package func reset(_ lanes: [Lane]) async throws(StorageError) {
        state.withLock { state in
            for lane in lanes { state.reset(lane) }
        }
    }

    package func missing(among lanes: [Lane]) async throws(StorageError) -> [Lane] {
        state.withLock { state in
            lanes.filter { state.lanes[$0.queue]?[$0.name] == nil }
        }
    }

    package func absent(among jobs: [ReadyJob]) async throws(StorageError) -> [ReadyJob] {
        state.withLock { state in
            Dictionary(grouping: jobs, by: \.lane).sorted { $0.key < $1.key }.flatMap { state.absent(from: $0, $1) }
        }
    }

    package func depth() async throws(StorageError) -> Int {
        state.withLock { state in
            state.lanes.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.jobs.count } }
        }
    }
}

extension MemoryReadyQueue {
    struct LaneContents {
        var jobs = Heap<ServingOrder>()
        /// Nil: the belt holds all of the lane.
        var horizon: ServingOrder?
        /// A refill is being read: what it may not see.
        var isRefilling = false
        var arrivals: [ServingOrder] = []
        var arrivalsOverflowed = false
    }

    struct State {
        let window: Int
        var lanes: [String: [String: LaneContents]] = [:]
        var hungry: Set<Lane> = []

        init(window: Int) {
            self.window = window
        }

        mutating func put(_ job: ReadyJob) {
            var contents = lanes[job.lane.queue]?[job.lane.name] ?? LaneContents()
            lanes[job.lane.queue]?[job.lane.name] = nil  // keeps the heap unshared while it changes
            if let horizon = contents.horizon, horizon < job.order {
                if contents.isRefilling { holdAside(job.order, in: &contents) }
            } else {
                contents.jobs.insert(job.order)
                if contents.jobs.count > 2 * window { trim(&contents) }
            }
            lanes[job.lane.queue, default: [:]][job.lane.name] = contents
        }

        private func holdAside(_ order: ServingOrder, in contents: inout LaneContents) {
            if contents.arrivals.count < window {
                contents.arrivals.append(order)
            } else {
                contents.arrivalsOverflowed = true
            }
        }

        /// Keeps the window's worth of jobs that are served first.
        private func trim(_ contents: inout LaneContents) {
            var kept: [ServingOrder] = []
            kept.reserveCapacity(window)
            while kept.count < window, let next = contents.jobs.popMin() { kept.append(next) }
            contents.jobs = Heap(kept)
            contents.horizon = kept.last
            // A refill that is being read starts behind the new horizon: it is ignored, and asked for anew.
            contents.isRefilling = false
            contents.arrivals = []
            contents.arrivalsOverflowed = false
        }

        mutating func take(_ demand: LaneDemand, limit: Int) -> [ReadyJob] {
            var heads = Heap<Head>()
            for (queue, names) in demand.queues {
                guard let inQueue = lanes[queue] else { continue }
                for (name, contents) in inQueue where names.isEveryName || names.names.contains(name) {
                    if let first = contents.jobs.min {
                        heads.insert(Head(order: first, lane: Lane(queue: queue, name: name)))
                    }
                }
            }
            var taken: [ReadyJob] = []
            while taken.count < limit, let head = heads.popMin() {
                let next = heads.min?.order
                takeRun(from: head.lane, upTo: next, limit: limit, into: &taken)
                if let first = lanes[head.lane.queue]?[head.lane.name]?.jobs.min {
                    heads.insert(Head(order: first, lane: head.lane))
                }
                settle(head.lane)
            }
            return taken
        }

        /// Takes from one lane as long as it is served before all others.
        private mutating func takeRun(
            from lane: Lane,
            upTo next: ServingOrder?,
            limit: Int,
            into taken: inout [ReadyJob]
        ) {
            guard var contents = lanes[lane.queue]?[lane.name] else { return }
            lanes[lane.queue]?[lane.name] = nil  // keeps the heap unshared while it changes
            while taken.count < limit, let first = contents.jobs.min, next.map({ first < $0 }) ?? true {
                contents.jobs.removeMin()
                taken.append(ReadyJob(lane: lane, order: first))
            }
            lanes[lane.queue]?[lane.name] = contents
        }

        /// Drops a lane that is empty for good, and remembers one that runs low.
        private mutating func settle(_ lane: Lane) {
            guard let contents = lanes[lane.queue]?[lane.name] else { return }
            if contents.horizon == nil {
                guard contents.jobs.isEmpty, !contents.isRefilling else { return }
                lanes[lane.queue]?[lane.name] = nil
                if lanes[lane.queue]?.isEmpty == true { lanes[lane.queue] = nil }
            } else if contents.jobs.count < max(1, window / 4), !contents.isRefilling {
                hungry.insert(lane)
            }
        }

        mutating func refillRequests() -> [RefillRequest] {
            let wanted = hungry.sorted()
            hungry = []
            return wanted.compactMap { lane in
                guard let contents = lanes[lane.queue]?[lane.name], let horizon = contents.horizon,
                    !contents.isRefilling
                else { return nil }
                lanes[lane.queue]?[lane.name]?.isRefilling = true
                return RefillRequest(lane: lane, after: horizon, limit: window)
            }
        }

        mutating func refill(_ refill: Refill) {
            let lane = refill.request.lane
            guard var contents = lanes[lane.queue]?[lane.name], contents.isRefilling,
                contents.horizon == refill.request.after
            else { return }
            lanes[lane.queue]?[lane.name] = nil  // keeps the heap unshared while it changes
            defer {
                lanes[lane.queue, default: [:]][lane.name] = contents
                settle(lane)
            }
            let arrivals = contents.arrivals
            let overflowed = contents.arrivalsOverflowed
            contents.isRefilling = false
            contents.arrivals = []
            contents.arrivalsOverflowed = false
            guard let jobs = refill.jobs, !overflowed else {
                hungry.insert(lane)
                return
            }
            contents.horizon = refill.isComplete ? nil : jobs.last?.order
            let read = Set(jobs.map(\.order))
            for job in jobs { contents.jobs.insert(job.order) }
            for order in arrivals where !read.contains(order) && contents.horizon.map({ order <= $0 }) ?? true {
                contents.jobs.insert(order)
            }
        }

        /// A lane that is being refilled is left alone: what is missing may be on its way.
        func absent(from lane: Lane, _ jobs: [ReadyJob]) -> [ReadyJob] {
            guard let contents = lanes[lane.queue]?[lane.name] else { return jobs }
            guard !contents.isRefilling else { return [] }
            let held = Set(contents.jobs.unordered)
            return jobs.filter { job in
                !held.contains(job.order) && contents.horizon.map { job.order <= $0 } ?? true
            }
        }

        mutating func reset(_ lane: Lane) {
            var contents = LaneContents()
            contents.horizon = ServingOrder(key: .min, id: JobID(high: 0, low: 0))
            lanes[lane.queue, default: [:]][lane.name] = contents
            hungry.insert(lane)
        }
    }

    struct Head: Comparable {
        var order: ServingOrder
        var lane: Lane

        static func < (lhs: Head, rhs: Head) -> Bool { lhs.order < rhs.order }
    }
}
