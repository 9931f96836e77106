// SPDX-License-Identifier: Apache-2.0

package import StintCore
package import StintModel
package import StintStorage
import Synchronization

/// What clients and people ask of jobs.
extension Coordinator {
    // MARK: Submitting

    /// New ids in rising order.
    package func newIDs(_ count: Int) async throws(ServiceError) -> [JobID] {
        let now = try await read { (store) throws(StorageError) in try await store.now() }
        let randoms = (0..<count).map { _ in environment.random() }
        return ids.withLock { ids in randoms.map { ids.next(at: now, random: $0) } }
    }

    /// Stores jobs, all or none; returns when they are flushed.
    package func submit(_ jobs: [NewJob], idempotency: Idempotency?) async throws(ServiceError) -> SubmitReceipt {
        switch try await perform(.submit(Submission(jobs: jobs, idempotency: idempotency))) {
        case .submitted(let receipt): return receipt
        case .idempotencyMismatch: throw .idempotencyMismatch
        default: throw .fault("an unexpected answer to a submission")
        }
    }

    // MARK: Reading

    package func job(_ id: JobID) async throws(ServiceError) -> Job {
        guard let job = try await read({ (store) throws(StorageError) in try await store.job(id) }) else {
            throw .notFound("there is no job \(id)")
        }
        return job
    }

    package func jobs(_ query: JobQuery) async throws(ServiceError) -> JobPage {
        try await read { (store) throws(StorageError) in try await store.jobs(query) }
    }

    /// The job once it has ended, or as it is when the wait is over.
    package func result(of id: JobID, wait: Milliseconds) async throws(ServiceError) -> Job {
        let first = try await job(id)
        guard !first.state.isTerminal, wait.count > 0 else { return first }
        let deadline = environment.time.now() + wait.count * 1_000_000
        while true {
            await waiters.wait(for: id, until: deadline, environment.time) {
                guard let job = try? await self.job(id) else { return false }  // the read below throws it again
                return !job.state.isTerminal
            }
            let job = try await job(id)
            let isOver = job.state.isTerminal || environment.time.now() >= deadline || Task.isCancelled
            if isOver || waiters.isStopped { return job }
        }
    }

    // MARK: Changing

    package func cancel(_ id: JobID) async throws(ServiceError) -> Job {
        try await change(.cancel(id), id, wanted: "only a waiting or running job can be cancelled")
    }

    package func retry(_ id: JobID) async throws(ServiceError) -> Job {
        try await change(
            .retry(id),
            id,
            wanted: "only a dead, cancelled, expired or scheduled job can be retried"
        )
    }

    private func change(_ command: RecordCommand, _ id: JobID, wanted: String) async throws(ServiceError) -> Job {
        switch try await perform(command) {
        case .job(let job): return job
        case .notFound: throw .notFound("there is no job \(id)")
        case .wrongState(let state): throw .wrongState(state, wanted: wanted)
        default: throw .fault("an unexpected answer to a change of a job")
        }
    }

    package func delete(_ id: JobID) async throws(ServiceError) {
        switch try await perform(.delete(id)) {
        case .done: return
        case .notFound: throw .notFound("there is no job \(id)")
        case .wrongState(let state): throw .wrongState(state, wanted: "only a job that has ended can be deleted")
        default: throw .fault("an unexpected answer to a deletion")
        }
    }

    // MARK: Dead letters

    package func deadLetterGroups(
        _ filter: DeadLetterFilter,
        limit: Int
    ) async throws(ServiceError) -> [DeadLetterGroup] {
        try await read { (store) throws(StorageError) in try await store.deadLetterGroups(filter, limit: limit) }
    }

    package func redrive(
        _ filter: DeadLetterFilter,
        limit: Int,
        perSecond: Double?
    ) async throws(ServiceError) -> Int {
        try await count(.redrive(filter, limit: limit, perSecond: perSecond))
    }

    package func purge(_ filter: DeadLetterFilter, limit: Int) async throws(ServiceError) -> Int {
        try await count(.purge(filter, limit: limit))
    }

    private func count(_ command: RecordCommand) async throws(ServiceError) -> Int {
        guard case .count(let count) = try await perform(command) else {
            throw .fault("an unexpected answer to a mass action")
        }
        return count
    }

    // MARK: Queues

    package func queues() async throws(ServiceError) -> [QueueStatus] {
        try await read { (store) throws(StorageError) in try await store.queues() }
    }

    package func queue(_ name: String) async throws(ServiceError) -> QueueStatus {
        guard let queue = try await queues().first(where: { $0.queue == name }) else {
            throw .notFound("there is no queue \(name): no job was ever submitted to it and it is not paused")
        }
        return queue
    }

    /// A queue can be paused before its first job.
    package func pause(_ queue: String, by: String) async throws(ServiceError) -> QueueStatus {
        _ = try await perform(.pause(queue: queue, by: by))
        return try await self.queue(queue)
    }

    package func resume(_ queue: String) async throws(ServiceError) -> QueueStatus {
        _ = try await perform(.resume(queue: queue))
        dispatcher.wake()
        return try await queues().first { $0.queue == queue }
            ?? QueueStatus(queue: queue, pausedBy: nil, counts: [:], oldestAvailable: nil)
    }

    // MARK: Explaining

    /// Why the job is not running: everything that applies.
    package func explain(_ id: JobID) async throws(ServiceError) -> Explanation {
        let job = try await job(id)
        let sessions = try await sessions().filter { $0.endedAt == nil }
        let isPaused = try await queues().first { $0.queue == job.lane.queue }?.pausedBy
        let before = job.state == .available ? try await place(of: job, sessions) : 0
        return Explanation.of(job, sessions: sessions, queuePausedBy: isPaused, before: before)
    }

    /// How many available jobs of the job's queue are served before it, counted up to ``Explanation/placeMax``.
    ///
    /// A lane that nobody serves stands in nobody's way.
    private func place(of job: Job, _ sessions: [WorkerSession]) async throws(ServiceError) -> Int {
        let order = ServingOrder(runAt: job.runAt, priority: job.options.priority, id: job.id)
        let lanes = try await read { (store) throws(StorageError) in try await store.readyLanes() }
        let served = sessions.map { LaneSet($0.capabilities) }
        var count = 0
        for lane in lanes where lane.queue == job.lane.queue && count < Explanation.placeMax {
            guard lane == job.lane || served.contains(where: { $0.contains(lane) }) else { continue }
            let rest = Explanation.placeMax - count
            count += try await read { (store) throws(StorageError) in
                try await store.countReady(lane: lane, before: order, limit: rest)
            }
        }
        return count
    }

    package func recordNow() async throws(ServiceError) -> Timestamp {
        try await read { (store) throws(StorageError) in try await store.now() }
    }
}
