// SPDX-License-Identifier: Apache-2.0

/// When a submitted job may first run, measured on the record's clock.
package enum JobSchedule: Hashable, Sendable {
    case now
    case after(Milliseconds)
    /// An instant in the past counts as now.
    case at(Timestamp)
}

/// What a client may choose for a job; the same values stay with the job for its life.
package struct JobOptions: Hashable, Sendable {
    package var priority = 0
    package var maxAttempts = 12
    package var maxLosses = 3
    package var timeout = Milliseconds(1_800_000)
    package var retry = RetryPolicy.standard
    package var tags: [String] = []
    /// The JSON object as sent, checked to map strings to strings; empty when there is none.
    package var metadata: [UInt8] = []
    package var traceparent: String?

    package init() {}
}

/// A job on its way into the record.
package struct NewJob: Hashable, Sendable {
    package var id: JobID
    package var lane: Lane
    /// The exact bytes the client sent as the payload: one JSON value.
    package var payload: [UInt8]
    package var schedule: JobSchedule
    /// How long after it may first run the first attempt must have started, nil for ever.
    package var startWithin: Milliseconds?
    package var options: JobOptions

    package init(
        id: JobID,
        lane: Lane,
        payload: [UInt8],
        schedule: JobSchedule = .now,
        startWithin: Milliseconds? = nil,
        options: JobOptions = JobOptions()
    ) {
        self.id = id
        self.lane = lane
        self.payload = payload
        self.schedule = schedule
        self.startWithin = startWithin
        self.options = options
    }
}

/// How far a running attempt is, as its worker says.
package struct JobProgress: Hashable, Sendable {
    /// 0…100, nil when the worker gives only words.
    package var percent: Double?
    package var message: String?

    package init(percent: Double?, message: String?) {
        self.percent = percent
        self.message = message
    }
}

/// The lease of a running job, as shown to readers.
package struct JobLease: Hashable, Sendable {
    package var worker: WorkerID
    package var grantedAt: Timestamp
    /// When the worker session's lease ends unless it is renewed.
    package var expiresAt: Timestamp

    package init(worker: WorkerID, grantedAt: Timestamp, expiresAt: Timestamp) {
        self.worker = worker
        self.grantedAt = grantedAt
        self.expiresAt = expiresAt
    }
}

/// A job as the record holds it.
package struct Job: Hashable, Sendable {
    package var id: JobID
    package var lane: Lane
    package var payload: [UInt8]
    package var state: JobState
    package var options: JobOptions
    /// The number of the newest lease; only rises, and is the fence of every report.
    package var attempt = 0
    /// Attempts that failed or timed out since submission or the last redrive.
    package var failures = 0
    /// Workers lost under it since submission or the last redrive.
    package var losses = 0
    package var createdAt: Timestamp
    package var runAt: Timestamp
    /// The first start must have happened by then.
    package var startBy: Timestamp?
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var cancelRequested = false
    package var progress: JobProgress?
    package var lease: JobLease?
    /// The exact bytes of the worker's result: one JSON value.
    package var result: [UInt8]?
    package var cause: DeadCause?
    /// Groups dead letters that died of the same thing.
    package var fingerprint: String?
    package var attempts: [Attempt] = []
    /// In a list of dead jobs, which leaves the attempts out: the error of the newest attempt, without its stack.
    package var lastError: JobError?

    package init(
        id: JobID,
        lane: Lane,
        payload: [UInt8],
        state: JobState,
        options: JobOptions,
        createdAt: Timestamp,
        runAt: Timestamp
    ) {
        self.id = id
        self.lane = lane
        self.payload = payload
        self.state = state
        self.options = options
        self.createdAt = createdAt
        self.runAt = runAt
    }
}
