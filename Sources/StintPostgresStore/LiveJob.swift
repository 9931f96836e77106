// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// A row of `jobs`, locked by this transaction, as far as decisions need it.
struct LiveJob {
    var id: JobID
    var state: JobState
    var lane: Lane
    var attempt: Int
    var priority: Int
    var createdAt: Timestamp
    var runAt: Timestamp
    var startedAt: Timestamp?
    var worker: WorkerID?
    var nonce: UInt64
    var cancelRequested: Bool
    var failures: Int
    var losses: Int
    var maxAttempts: Int
    var maxLosses: Int
    var retry: RetryPolicy
    var previousDelay: Milliseconds?
    var timeout: Milliseconds
    var workerName: String

    /// Reads the columns of `ColdSQL.liveJobs`.
    init(_ row: PostgresRow) throws(PostgresError) {
        guard let state = JobState(rawValue: row.int(1)), let retry = RetryText.decode(row.textOrNil(16)) else {
            throw PostgresError(.unexpected, "an unreadable job")
        }
        id = JobID(row.uuid(0))
        self.state = state
        lane = Lane(queue: row.text(2), name: row.text(3))
        attempt = row.int(4)
        priority = row.int(5)
        createdAt = row.time(6)
        runAt = row.time(7)
        startedAt = row.timeOrNil(8)
        worker = row.uuidOrNil(9).map { WorkerID($0) }
        nonce = UInt64(bitPattern: row.integer(10))
        cancelRequested = row.bool(11)
        failures = row.int(12)
        losses = row.int(13)
        maxAttempts = row.int(14)
        maxLosses = row.int(15)
        self.retry = retry
        previousDelay = row.integerOrNil(17).map { Milliseconds($0) }
        timeout = Milliseconds(row.integer(18))
        workerName = row.text(19)
    }

    var token: LeaseToken { LeaseToken(jobID: id, attempt: attempt, nonce: nonce) }

    func isHeld(by session: WorkerID, under token: LeaseToken) -> Bool {
        state == .running && worker == session && self.token == token
    }

    /// The job as the rules see it.
    var running: RunningJob {
        RunningJob(
            id: id,
            lane: lane,
            attempt: attempt,
            failures: failures,
            losses: losses,
            maxAttempts: maxAttempts,
            maxLosses: maxLosses,
            retry: retry,
            previousDelay: previousDelay,
            runAt: runAt,
            priority: priority,
            timeout: timeout,
            cancelRequested: cancelRequested
        )
    }

    func change(to state: JobState, runAt: Timestamp, at now: Timestamp) -> JobChange {
        JobChange(
            id: id,
            lane: lane,
            from: self.state,
            to: state,
            attempt: attempt,
            priority: priority,
            createdAt: createdAt,
            runAt: runAt,
            at: now
        )
    }
}

/// A row of `dead_letters` or `job_history`, locked by this transaction.
struct EndedJob {
    var id: JobID
    var state: JobState
    var lane: Lane
    var attempt: Int
    var priority: Int
    var createdAt: Timestamp
    var runAt: Timestamp
    var cause: DeadCause?

    /// Reads the columns of `ColdSQL.endedColumns` and the cause.
    init(_ row: PostgresRow) throws(PostgresError) {
        guard let state = JobState(rawValue: row.int(1)) else {
            throw PostgresError(.unexpected, "an unreadable job")
        }
        id = JobID(row.uuid(0))
        self.state = state
        lane = Lane(queue: row.text(2), name: row.text(3))
        attempt = row.int(4)
        priority = row.int(5)
        createdAt = row.time(6)
        runAt = row.time(7)
        cause = row.integerOrNil(8).flatMap { DeadCause(rawValue: Int($0)) }
    }

    /// The table that holds it.
    var table: String { state == .dead ? "dead_letters" : "job_history" }

    func change(to state: JobState?, runAt: Timestamp, at now: Timestamp) -> JobChange {
        JobChange(
            id: id,
            lane: lane,
            from: self.state,
            to: state,
            attempt: attempt,
            priority: priority,
            createdAt: createdAt,
            runAt: runAt,
            at: now,
            cause: state == nil ? cause : nil
        )
    }
}
