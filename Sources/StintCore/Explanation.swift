// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Why a job is not running.
package struct Explanation: Hashable, Sendable {
    package struct Reason: Hashable, Sendable {
        package var code: String
        /// One sentence that a person understands.
        package var message: String
        /// When the reason can go away by itself, where that is known.
        package var until: Timestamp?

        package init(code: String, message: String, until: Timestamp? = nil) {
            self.code = code
            self.message = message
            self.until = until
        }
    }

    /// Whether the dispatcher would lease it to a free worker now.
    package var isRunnable: Bool
    package var reasons: [Reason]

    package init(isRunnable: Bool, reasons: [Reason]) {
        self.isRunnable = isRunnable
        self.reasons = reasons
    }

    /// Nobody counts further than this to find a job's place.
    package static let placeMax = 10_000

    /// - Parameters:
    ///   - sessions: The live worker sessions.
    ///   - queuePausedBy: Who paused the job's queue, nil when it is not paused.
    ///   - before: How many available jobs of its queue are served before it, at most ``placeMax``.
    package static func of(
        _ job: Job,
        sessions: [WorkerSession],
        queuePausedBy: String?,
        before: Int
    ) -> Explanation {
        switch job.state {
        case .completed, .dead, .cancelled, .expired:
            let reason = Reason(code: "terminal", message: "The job has ended: it is \(job.state.name).")
            return Explanation(isRunnable: false, reasons: [reason])
        case .running:
            return Explanation(isRunnable: false, reasons: [running(job)])
        case .blocked:
            let reason = Reason(code: "waiting_for_jobs", message: "The job waits for other jobs to end.")
            return Explanation(isRunnable: false, reasons: [reason])
        case .scheduled, .available:
            let reasons = waiting(job) + paused(job, by: queuePausedBy) + workers(job, sessions) + place(before)
            let blocking = reasons.filter { $0.code != "behind_in_queue" }
            return Explanation(isRunnable: blocking.isEmpty && before == 0, reasons: reasons)
        }
    }

    private static func running(_ job: Job) -> Reason {
        let worker = job.attempts.last?.workerName ?? "a worker"
        return Reason(code: "running", message: "Attempt \(job.attempt) is running on \(worker).")
    }

    private static func waiting(_ job: Job) -> [Reason] {
        guard job.state == .scheduled else { return [] }
        guard let last = job.attempts.last?.outcome else {
            let message = "The job is scheduled for a later time."
            return [Reason(code: "scheduled_for", message: message, until: job.runAt)]
        }
        if last == .snoozed || last == .released || last == .completed {
            return [Reason(code: "scheduled_for", message: "Its worker put the job off.", until: job.runAt)]
        }
        let message = "Attempt \(job.attempt) ended as \(last.name); the job waits before it is tried again."
        return [Reason(code: "backing_off", message: message, until: job.runAt)]
    }

    private static func paused(_ job: Job, by: String?) -> [Reason] {
        guard let by else { return [] }
        return [Reason(code: "queue_paused", message: "Queue \(job.lane.queue) is paused by \(by). Resume it.")]
    }

    private static func workers(_ job: Job, _ sessions: [WorkerSession]) -> [Reason] {
        let onQueue = sessions.filter { $0.capabilities.queues.contains(job.lane.queue) }
        guard !onQueue.isEmpty else {
            let message = "No worker session serves queue \(job.lane.queue). Start a worker with that queue."
            return [Reason(code: "no_worker_for_queue", message: message)]
        }
        let able = onQueue.filter { LaneSet($0.capabilities).contains(job.lane) }
        guard !able.isEmpty else {
            let known = Set(onQueue.flatMap(\.capabilities.jobNames)).sorted().prefix(10).joined(separator: ", ")
            let message = """
                No worker session serves name \(job.lane.name); sessions on queue \(job.lane.queue) know: \(known).
                """
            return [Reason(code: "no_worker_for_name", message: message)]
        }
        guard able.contains(where: { $0.state == .available }) else {
            let message = "All \(able.count) worker sessions that could run it are busy or draining."
            return [Reason(code: "all_workers_busy", message: message)]
        }
        return []
    }

    private static func place(_ before: Int) -> [Reason] {
        guard before > 0 else { return [] }
        let count = before >= placeMax ? "at least \(placeMax)" : String(before)
        let message = "\(count) available jobs of its queue are served before it."
        return [Reason(code: "behind_in_queue", message: message)]
    }
}
