// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// What the end of an attempt leads to: the one place where budgets are charged and retries are timed.
package enum EndingDecision {
    /// The rules as stores call them.
    package static let rules: EndingRules = { job, ending, now, random in
        decide(job, ending, now: now, random: random)
    }

    /// Decides for one ended attempt.
    ///
    /// `random` is 64 uniform bits, `now` the record's clock.
    package static func decide(_ job: RunningJob, _ ending: Ending, now: Timestamp, random: UInt64) -> EndingEffect {
        var effect = EndingEffect(
            state: .available,
            outcome: ending.outcome,
            runAt: job.runAt,
            failures: job.failures,
            losses: job.losses
        )
        charge(ending, to: &effect, of: job)
        if case .completed = ending {
            effect.state = .completed
        } else if job.cancelRequested || ending == .cancelled {
            effect.state = .cancelled
        } else {
            place(&effect, after: ending, of: job, now: now, random: random)
        }
        return effect
    }

    /// Charges the budget the ending belongs to, and keeps the error.
    private static func charge(_ ending: Ending, to effect: inout EndingEffect, of job: RunningJob) {
        switch ending {
        case .completed, .snoozed, .released, .cancelled:
            break
        case .failed(let error, _, _):
            effect.failures += 1
            effect.error = error
        case .timedOut:
            effect.failures += 1
            effect.error = JobError(
                type: "AttemptTimeout",
                message: "the attempt ran longer than its timeout of \(seconds(job.timeout)) s"
            )
        case .lost:
            effect.losses += 1
            effect.error = JobError(
                type: "WorkerLost",
                message: "the worker session was lost: it did not renew its lease"
            )
        }
    }

    private static func place(
        _ effect: inout EndingEffect,
        after ending: Ending,
        of job: RunningJob,
        now: Timestamp,
        random: UInt64
    ) {
        switch ending {
        case .completed, .released, .cancelled:
            break
        case .snoozed(let span):
            effect.state = .scheduled
            effect.runAt = now + span
        case .failed(_, let isRetryable, let retryAfter):
            guard isRetryable else { return die(&effect, of: job, cause: .notRetryable) }
            retryFailure(&effect, of: job, after: retryAfter, now: now, random: random)
        case .timedOut:
            retryFailure(&effect, of: job, after: nil, now: now, random: random)
        case .lost:
            retryLoss(&effect, of: job, now: now, random: random)
        }
    }

    private static func retryFailure(
        _ effect: inout EndingEffect,
        of job: RunningJob,
        after retryAfter: Milliseconds?,
        now: Timestamp,
        random: UInt64
    ) {
        guard effect.failures < job.maxAttempts else { return die(&effect, of: job, cause: .attemptsExhausted) }
        let computed = Backoff.delay(job.retry, retry: effect.failures, previous: job.previousDelay, random: random)
        wait(&effect, for: retryAfter ?? computed, from: now)
    }

    /// The first loss puts the job back in its old place at once: a crash is rarely the job's fault.
    ///
    /// Later ones back off.
    private static func retryLoss(_ effect: inout EndingEffect, of job: RunningJob, now: Timestamp, random: UInt64) {
        guard effect.losses < job.maxLosses else { return die(&effect, of: job, cause: .crashLoop) }
        guard effect.losses > 1 else { return }
        let delay = Backoff.delay(job.retry, retry: effect.losses - 1, previous: job.previousDelay, random: random)
        wait(&effect, for: delay, from: now)
    }

    private static func wait(_ effect: inout EndingEffect, for delay: Milliseconds, from now: Timestamp) {
        effect.state = .scheduled
        effect.runAt = now + delay
        effect.delay = delay
    }

    private static func die(_ effect: inout EndingEffect, of job: RunningJob, cause: DeadCause) {
        effect.state = .dead
        effect.cause = cause
        effect.fingerprint = effect.error.map { ErrorFingerprint.of($0, jobName: job.lane.name) }
    }

    private static func seconds(_ span: Milliseconds) -> String {
        span.count % 1000 == 0 ? String(span.count / 1000) : String(span.seconds)
    }
}
