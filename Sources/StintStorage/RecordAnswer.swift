// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// What became of a ``RecordCommand``.
package enum RecordAnswer: Sendable {
    case submitted(SubmitReceipt)
    /// The idempotency key was used with another body. Nothing was stored.
    case idempotencyMismatch
    case leased(LeaseReceipt)
    /// One status per report, in order; nil when the session is unknown or has ended: nothing was applied.
    case reported([ReportStatus]?)
    /// Nil when the session is unknown or has ended.
    case renewed(RenewReceipt?)
    case registered(WorkerSession)
    case job(Job)
    case done
    case count(Int)
    case notFound
    case wrongState(JobState)
}

/// What was stored by a submission, now or, when replayed, the first time.
package struct SubmitReceipt: Hashable, Sendable {
    package var ids: [JobID]
    /// Whether the idempotency key had been used for the same body before: nothing was stored now.
    package var isReplay: Bool
    /// The record's clock at the submission; of no meaning for a replay.
    package var createdAt: Timestamp
    /// State and `run_at` of each job, in order; empty for a replay.
    package var placed: [PlacedJob]

    package struct PlacedJob: Hashable, Sendable {
        package var state: JobState
        package var runAt: Timestamp

        package init(state: JobState, runAt: Timestamp) {
            self.state = state
            self.runAt = runAt
        }
    }

    package init(ids: [JobID], isReplay: Bool, createdAt: Timestamp, placed: [PlacedJob]) {
        self.ids = ids
        self.isReplay = isReplay
        self.createdAt = createdAt
        self.placed = placed
    }
}

/// What was leased.
package struct LeaseReceipt: Hashable, Sendable {
    package enum Refusal: Hashable, Sendable {
        /// Not there, or not available: whoever has it on a belt must forget it.
        case notAvailable
        /// Its queue is paused.
        case queuePaused
        /// The session is unknown, has ended, is draining or polls another coordinator by now: the job can go to another.
        case sessionUnfit
    }

    package struct Refused: Hashable, Sendable {
        package var jobID: JobID
        package var reason: Refusal

        package init(jobID: JobID, reason: Refusal) {
            self.jobID = jobID
            self.reason = reason
        }
    }

    package var granted: [LeasedJob]
    package var refused: [Refused]

    package init(granted: [LeasedJob] = [], refused: [Refused] = []) {
        self.granted = granted
        self.refused = refused
    }
}

/// A job as granted to a worker.
package struct LeasedJob: Hashable, Sendable {
    package var token: LeaseToken
    package var lane: Lane
    package var payload: [UInt8]
    package var maxAttempts: Int
    package var timeout: Milliseconds
    package var createdAt: Timestamp
    /// The JSON object as sent; empty when there is none.
    package var metadata: [UInt8]
    package var traceparent: String?

    package init(
        token: LeaseToken,
        lane: Lane,
        payload: [UInt8],
        maxAttempts: Int,
        timeout: Milliseconds,
        createdAt: Timestamp,
        metadata: [UInt8],
        traceparent: String?
    ) {
        self.token = token
        self.lane = lane
        self.payload = payload
        self.maxAttempts = maxAttempts
        self.timeout = timeout
        self.createdAt = createdAt
        self.metadata = metadata
        self.traceparent = traceparent
    }
}

/// What became of a report.
package enum ReportStatus: String, Hashable, Sendable {
    /// It took effect, now or when it was sent before.
    case accepted
    /// The token is not the job's current lease. No effect.
    case leaseLost = "lease_lost"
    /// The same attempt was already reported with another outcome. No effect.
    case alreadyReported = "already_reported"
}

/// What a live session hears when it renews.
package struct RenewReceipt: Hashable, Sendable {
    package enum Verdict: String, Hashable, Sendable {
        case ok
        case cancel
        case lost
    }

    package var isDraining: Bool
    /// Whether the poll before this one went to another coordinator, or another start of this one: what was granted in its
    /// answer may never have arrived.
    package var isNewHere: Bool
    /// One verdict per lease named, in order.
    package var verdicts: [Verdict]
    /// Every lease of the session whose job was called off.
    package var cancelled: [LeaseToken]

    package init(isDraining: Bool, isNewHere: Bool = false, verdicts: [Verdict], cancelled: [LeaseToken]) {
        self.isDraining = isDraining
        self.isNewHere = isNewHere
        self.verdicts = verdicts
        self.cancelled = cancelled
    }
}
