// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension MemoryRecord {
    /// Nil when the session is unknown or has ended: nothing of the request is applied.
    mutating func report(_ request: ReportRequest) -> [ReportStatus]? {
        guard liveSession(request.session) != nil else { return nil }
        return request.reports.map { report($0, from: request.session) }
    }

    private mutating func report(_ report: ReportRequest.Report, from session: WorkerID) -> ReportStatus {
        guard let stored = jobs[report.token.jobID] else { return .leaseLost }
        guard stored.isHeld(by: session, under: report.token) else {
            return remembered(stored.attempt(report.token.attempt), report, from: session)
        }
        end(report.token.jobID, report.ending, random: report.random, isReported: true)
        return .accepted
    }

    /// What a report of an attempt that has ended is answered; it never has an effect.
    private func remembered(
        _ stored: StoredAttempt?,
        _ report: ReportRequest.Report,
        from session: WorkerID
    ) -> ReportStatus {
        guard let stored, let outcome = stored.attempt.outcome, stored.nonce == report.token.nonce,
            stored.attempt.worker == session
        else { return .leaseLost }
        if stored.isReported {
            return outcome == report.ending.outcome ? .accepted : .alreadyReported
        }
        // The worker gives back what the server had taken back already: both mean the same.
        return outcome == .released && report.ending.outcome == .released ? .accepted : .leaseLost
    }

    /// Ends the running attempt of a job and writes what the rules make of it.
    mutating func end(_ id: JobID, _ ending: Ending, random: UInt64, isReported: Bool) {
        guard var stored = jobs[id], var ended = stored.current else { return }
        let effect = rules(stored.runningJob, ending, now, random)
        ended.isReported = isReported
        ended.attempt.endedAt = now
        ended.attempt.outcome = effect.outcome
        ended.attempt.error = effect.error
        stored.attempts[stored.attempts.count - 1] = ended

        stored.job.state = effect.state
        stored.job.runAt = effect.runAt
        stored.job.failures = effect.failures
        stored.job.losses = effect.losses
        stored.job.cause = effect.cause
        stored.job.fingerprint = effect.fingerprint
        stored.delay = effect.delay ?? stored.delay
        if effect.state.isTerminal { stored.job.finishedAt = now }
        if case .completed(let result) = ending, effect.state == .completed { stored.job.result = result }

        jobs[id] = stored
        sessions[ended.attempt.worker]?.held.remove(id)
        note(stored.job, from: .running, attempt: ended.attempt)
    }

    /// Adds a job's move to what the batch did; `attempt` is the one that began or ended with it.
    mutating func note(_ job: Job, from state: JobState?, attempt: Attempt? = nil, isDeletion: Bool = false) {
        batch.changes.append(
            JobChange(
                id: job.id,
                lane: job.lane,
                from: state,
                to: isDeletion ? nil : job.state,
                attempt: job.attempt,
                priority: job.options.priority,
                createdAt: job.createdAt,
                runAt: job.runAt,
                startedAt: attempt?.startedAt,
                at: now,
                outcome: attempt?.outcome,
                cause: job.cause,
                worker: attempt?.worker
            )
        )
    }
}

extension StoredJob {
    /// The job as the rules see it.
    fileprivate var runningJob: RunningJob {
        RunningJob(
            id: job.id,
            lane: job.lane,
            attempt: job.attempt,
            failures: job.failures,
            losses: job.losses,
            maxAttempts: job.options.maxAttempts,
            maxLosses: job.options.maxLosses,
            retry: job.options.retry,
            previousDelay: delay,
            runAt: job.runAt,
            priority: job.options.priority,
            timeout: job.options.timeout,
            cancelRequested: job.cancelRequested
        )
    }
}

/// One command brings 64 random bits for all the jobs it ends: each draw differs, so that jobs that were lost together do
/// not come back in the same millisecond.
struct Draws {
    private var bits: UInt64

    init(_ random: UInt64) {
        bits = random
    }

    mutating func next() -> UInt64 {
        // The golden ratio of 2^64: successive draws spread evenly over the whole range.
        defer { bits &+= 0x9E37_79B9_7F4A_7C15 }
        return bits
    }
}
