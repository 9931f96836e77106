// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension MemoryRecord {
    func job(_ id: JobID) -> Job? {
        guard let stored = jobs[id] else { return nil }
        var job = withLease(stored)
        job.attempts = stored.attempts.map(\.attempt)
        return job
    }

    private func withLease(_ stored: StoredJob) -> Job {
        var job = stored.job
        if let attempt = stored.current?.attempt, let session = sessions[attempt.worker]?.session {
            job.lease = JobLease(
                worker: attempt.worker,
                grantedAt: attempt.startedAt,
                expiresAt: session.expiresAt
            )
        }
        return job
    }

    func page(_ query: JobQuery) -> JobPage {
        let found = jobs.values.filter { query.means($0.job) }.sorted { $0.job.id > $1.job.id }
        let page = found.prefix(query.limit).map { stored in
            var job = withLease(stored)
            job.payload = []
            job.result = nil
            if query.listsLastErrors { job.lastError = stored.attempts.last?.attempt.error }
            job.lastError?.stack = ""
            return job
        }
        return JobPage(jobs: page, next: found.count > page.count ? page.last?.id : nil)
    }

    func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) -> [ReadyJob] {
        let orders = readyOrders(in: lane).filter { order in after.map { order > $0 } ?? true }
        return orders.prefix(limit).map { ReadyJob(lane: lane, order: $0) }
    }

    func readyLanes() -> [Lane] {
        Set(availableJobs.map(\.job.lane)).sorted()
    }

    func countReady(lane: Lane, before: ServingOrder, limit: Int) -> Int {
        min(limit, readyOrders(in: lane).count { $0 < before })
    }

    func nextDue() -> Timestamp? {
        jobs.values.filter { $0.job.state == .scheduled }.map(\.job.runAt).min()
    }

    func queueStatuses() -> [QueueStatus] {
        knownQueues.union(pausedBy.keys).sorted().map { queue in
            let inQueue = jobs.values.filter { $0.job.lane.queue == queue }
            return QueueStatus(
                queue: queue,
                pausedBy: pausedBy[queue],
                counts: inQueue.reduce(into: [:]) { $0[$1.job.state, default: 0] += 1 },
                oldestAvailable: oldestHead(inQueue)
            )
        }
    }

    func deadLetterGroups(_ filter: DeadLetterFilter, limit: Int) -> [DeadLetterGroup] {
        let dead = jobs.values.filter { filter.means($0.job) && $0.job.fingerprint != nil }
        let groups = Dictionary(grouping: dead) { $0.job.fingerprint ?? "" }.compactMap(group)
        return Array(groups.sorted { ($1.count, $0.fingerprint) < ($0.count, $1.fingerprint) }.prefix(limit))
    }
}

extension MemoryRecord {
    private var availableJobs: [StoredJob] { jobs.values.filter { $0.job.state == .available } }

    private func readyOrders(in lane: Lane) -> [ServingOrder] {
        availableJobs.filter { $0.job.lane == lane }.map(\.order).sorted()
    }

    /// The earliest `run_at` of the jobs that are first in their lane.
    private func oldestHead(_ jobs: [StoredJob]) -> Timestamp? {
        let lanes = Dictionary(grouping: jobs.filter { $0.job.state == .available }) { $0.job.lane }
        return lanes.values.compactMap { lane in lane.min { $0.order < $1.order }?.job.runAt }.min()
    }

    /// Dead letters of one fingerprint; the newest lends its words.
    private func group(_ fingerprint: String, _ dead: [StoredJob]) -> DeadLetterGroup? {
        let byDeath = dead.sorted { ($0.diedAt, $0.job.id) < ($1.diedAt, $1.job.id) }
        guard let first = byDeath.first, let last = byDeath.last else { return nil }
        let error = last.attempts.last?.attempt.error
        return DeadLetterGroup(
            fingerprint: fingerprint,
            name: last.job.lane.name,
            errorType: error?.type ?? "",
            message: error?.message ?? "",
            count: dead.count,
            firstSeen: first.diedAt,
            lastSeen: last.diedAt,
            queues: Set(dead.map(\.job.lane.queue)).sorted()
        )
    }
}

extension StoredJob {
    fileprivate var diedAt: Timestamp { job.finishedAt ?? job.createdAt }
}

extension JobQuery {
    fileprivate func means(_ job: Job) -> Bool {
        (queue == nil || queue == job.lane.queue)
            && (state == nil || state == job.state)
            && (name == nil || name == job.lane.name)
            && (tag == nil || job.options.tags.contains(tag ?? ""))
            && (cause == nil || cause == job.cause)
            && (fingerprint == nil || fingerprint == job.fingerprint)
            && (createdAfter.map { job.createdAt >= $0 } ?? true)
            && (createdBefore.map { job.createdAt < $0 } ?? true)
            && (before.map { job.id < $0 } ?? true)
    }
}
