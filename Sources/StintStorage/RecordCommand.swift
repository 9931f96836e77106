// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// One atomic step on the record.
///
/// The matching ``RecordAnswer`` stands beside each.
package enum RecordCommand: Sendable {
    /// Answer: `submitted`, or `idempotencyMismatch`.
    case submit(Submission)
    /// Answer: `leased`.
    case lease(LeaseRequest)
    /// Answer: `reported`.
    case report(ReportRequest)
    /// Answer: `renewed`.
    case renew(RenewRequest)
    /// Stores a new worker session; `startedAt`, `expiresAt` are taken from the record's clock and the lease. Answer: `registered`.
    case register(WorkerSession, lease: Milliseconds)
    /// Ends a session and releases all its leases. Answer: `done` or `notFound` (unknown or ended).
    case goodbye(WorkerID, random: UInt64)
    /// Tells a live session to take no more jobs. Answer: `done` or `notFound`.
    case drain(WorkerID)
    /// Releases the leases a session holds: those named, where they still are its own. Answer: `count`.
    case release(WorkerID, [LeaseToken], random: UInt64)

    /// Ends the live sessions whose lease has passed, at most `limit` of them; their jobs are lost. Answer: `count` of sessions.
    case sweepSessions(limit: Int, random: UInt64)
    /// Ends the running attempts that are over their timeout. Answer: `count`.
    case timeOutAttempts(limit: Int, random: UInt64)
    /// Ends waiting jobs that were not started in time. Answer: `count`.
    case expireWaiting(limit: Int)
    /// Makes scheduled jobs whose time has come available, earliest first. Answer: `count`.
    case promoteDue(limit: Int)
    /// Deletes jobs that ended longer than `retention` ago (dead letters are kept), ended sessions and idempotency records whose
    /// time has passed. Answer: `count` of jobs.
    case prune(retention: Milliseconds, limit: Int)

    /// Cancels: waiting jobs at once, running ones by flag; a cancelled one again without effect. Answer: `job`, `notFound`, `wrongState`.
    case cancel(JobID)
    /// Redrives a dead, cancelled or expired job, or runs a scheduled one now. Answer: `job`, `notFound`, `wrongState`.
    case retry(JobID)
    /// Deletes a terminal job. Answer: `done`, `notFound`, `wrongState`.
    case delete(JobID)
    /// Stops new leases from a queue; running ones go on. Pausing a paused queue changes only by whom. Answer: `done`.
    case pause(queue: String, by: String)
    /// Answer: `done`.
    case resume(queue: String)
    /// Redrives dead letters, oldest death first. With `perSecond`, the n-th, counted from 0, becomes due n / perSecond seconds from
    /// now. Answer: `count`.
    case redrive(DeadLetterFilter, limit: Int, perSecond: Double?)
    /// Deletes dead letters, oldest death first. Answer: `count`.
    case purge(DeadLetterFilter, limit: Int)
}

/// Jobs to store, all or none.
package struct Submission: Sendable {
    package var jobs: [NewJob]
    package var idempotency: Idempotency?

    package init(jobs: [NewJob], idempotency: Idempotency? = nil) {
        self.jobs = jobs
        self.idempotency = idempotency
    }
}

/// Makes a submission safe to repeat.
package struct Idempotency: Hashable, Sendable {
    /// 1–255 visible ASCII characters.
    package var key: String
    /// A digest of the request, body and kind: the same key with another digest is refused.
    package var digest: [UInt8]
    /// How long the key is remembered.
    package var retention: Milliseconds

    package init(key: String, digest: [UInt8], retention: Milliseconds) {
        self.key = key
        self.digest = digest
        self.retention = retention
    }
}

/// Leases for one worker session.
package struct LeaseRequest: Sendable {
    package struct Grant: Hashable, Sendable {
        package var jobID: JobID
        package var nonce: UInt64

        package init(jobID: JobID, nonce: UInt64) {
            self.jobID = jobID
            self.nonce = nonce
        }
    }

    package var session: WorkerID
    /// Who asks; nil is not checked.
    ///
    /// Refused when another coordinator took the session's latest poll, whose answer these jobs would miss.
    package var coordinator: CoordinatorID?
    package var grants: [Grant]

    package init(session: WorkerID, coordinator: CoordinatorID? = nil, grants: [Grant]) {
        self.session = session
        self.coordinator = coordinator
        self.grants = grants
    }
}

/// What a worker says of the attempts it held.
package struct ReportRequest: Sendable {
    package struct Report: Sendable {
        package var token: LeaseToken
        package var ending: Ending
        /// 64 uniform bits for the backoff's jitter.
        package var random: UInt64

        package init(token: LeaseToken, ending: Ending, random: UInt64) {
            self.token = token
            self.ending = ending
            self.random = random
        }
    }

    package var session: WorkerID
    package var reports: [Report]

    package init(session: WorkerID, reports: [Report]) {
        self.session = session
        self.reports = reports
    }
}

/// Keeps a worker session alive.
package struct RenewRequest: Sendable {
    package struct Progress: Sendable {
        package var token: LeaseToken
        package var progress: JobProgress

        package init(token: LeaseToken, progress: JobProgress) {
            self.token = token
            self.progress = progress
        }
    }

    package var session: WorkerID
    /// The session lives this long from now.
    package var lease: Milliseconds
    /// The coordinator that took a poll of the session, and may lease to it from now on; nil for a heartbeat, which changes nothing
    /// of that.
    package var coordinator: CoordinatorID?
    /// Leases to judge; a poll names none, a heartbeat all.
    package var leases: [LeaseToken]
    package var progress: [Progress]

    package init(
        session: WorkerID,
        lease: Milliseconds,
        coordinator: CoordinatorID? = nil,
        leases: [LeaseToken] = [],
        progress: [Progress] = []
    ) {
        self.session = session
        self.lease = lease
        self.coordinator = coordinator
        self.leases = leases
        self.progress = progress
    }
}
