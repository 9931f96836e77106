// SPDX-License-Identifier: Apache-2.0

/// How an attempt came to its end: reported by its worker, or found by the server.
package enum Ending: Hashable, Sendable {
    /// The result is one JSON value's exact bytes, nil for none.
    case completed(result: [UInt8]?)
    /// `retryAfter` replaces the computed delay.
    case failed(error: JobError, isRetryable: Bool, retryAfter: Milliseconds?)
    case snoozed(Milliseconds)
    case released
    case cancelled
    /// The server's timer.
    case timedOut
    /// The worker session's lease ended.
    case lost

    package var outcome: AttemptOutcome {
        switch self {
        case .completed: .completed
        case .failed: .failed
        case .snoozed: .snoozed
        case .released: .released
        case .cancelled: .cancelled
        case .timedOut: .timedOut
        case .lost: .lost
        }
    }
}

/// What the rules need to know of a running job to decide what its ending leads to.
package struct RunningJob: Hashable, Sendable {
    package var id: JobID
    package var lane: Lane
    package var attempt: Int
    package var failures: Int
    package var losses: Int
    package var maxAttempts: Int
    package var maxLosses: Int
    package var retry: RetryPolicy
    /// The delay before this attempt if it was a retry: decorrelated jitter grows from it.
    package var previousDelay: Milliseconds?
    package var runAt: Timestamp
    package var priority: Int
    package var timeout: Milliseconds
    package var cancelRequested: Bool

    package init(
        id: JobID,
        lane: Lane,
        attempt: Int,
        failures: Int,
        losses: Int,
        maxAttempts: Int,
        maxLosses: Int,
        retry: RetryPolicy,
        previousDelay: Milliseconds?,
        runAt: Timestamp,
        priority: Int,
        timeout: Milliseconds,
        cancelRequested: Bool
    ) {
        self.id = id
        self.lane = lane
        self.attempt = attempt
        self.failures = failures
        self.losses = losses
        self.maxAttempts = maxAttempts
        self.maxLosses = maxLosses
        self.retry = retry
        self.previousDelay = previousDelay
        self.runAt = runAt
        self.priority = priority
        self.timeout = timeout
        self.cancelRequested = cancelRequested
    }
}

/// What the end of an attempt does to its job.
///
/// A store writes it as it stands.
package struct EndingEffect: Hashable, Sendable {
    package var state: JobState
    /// How the ended attempt is remembered.
    package var outcome: AttemptOutcome
    package var runAt: Timestamp
    package var failures: Int
    package var losses: Int
    /// The delay that was chosen, kept for decorrelated jitter.
    package var delay: Milliseconds?
    package var cause: DeadCause?
    package var error: JobError?
    package var fingerprint: String?

    package init(
        state: JobState,
        outcome: AttemptOutcome,
        runAt: Timestamp,
        failures: Int,
        losses: Int,
        delay: Milliseconds? = nil,
        cause: DeadCause? = nil,
        error: JobError? = nil,
        fingerprint: String? = nil
    ) {
        self.state = state
        self.outcome = outcome
        self.runAt = runAt
        self.failures = failures
        self.losses = losses
        self.delay = delay
        self.cause = cause
        self.error = error
        self.fingerprint = fingerprint
    }
}

/// The rules, as a store calls them inside its transaction: `random` is 64 uniform bits, `now` the record's clock.
package typealias EndingRules =
    @Sendable (_ job: RunningJob, _ ending: Ending, _ now: Timestamp, _ random: UInt64) -> EndingEffect
