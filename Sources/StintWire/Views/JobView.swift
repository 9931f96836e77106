// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// A job as the API shows it.
public struct JobView: Hashable, Sendable, Identifiable {
    /// How far a running attempt is, as its worker says.
    public struct Progress: Hashable, Sendable {
        /// 0…100, nil when the worker gives only words.
        public var percent: Double?
        /// What the worker is doing.
        public var message: String?
    }

    /// The right of one worker session to run the current attempt.
    public struct Lease: Hashable, Sendable {
        /// The worker session that holds it.
        public var worker: WorkerID
        /// When the attempt began.
        public var grantedAt: Timestamp
        /// When it ends unless the worker renews it.
        public var expiresAt: Timestamp
    }

    /// Names the job.
    public var id: JobID
    /// Picks the handler.
    public var name: String
    /// The queue it stands in.
    public var queue: String
    /// The exact bytes that were submitted, one JSON value; empty in a summary.
    public var payload: [UInt8]
    /// Where it stands.
    public var state: JobState
    /// −100…100; each step is one minute of head start.
    public var priority: Int
    /// The number of its newest attempt, 0 before the first.
    public var attempt: Int
    /// How many attempts may fail.
    public var maxAttempts: Int
    /// How many attempts failed or timed out since it was submitted or redriven.
    public var failures: Int
    /// How many workers were lost under it since it was submitted or redriven.
    public var losses: Int
    /// How many workers may be lost under it.
    public var maxLosses: Int
    /// When it was submitted.
    public var createdAt: Timestamp
    /// When it may run, or could first have run.
    public var runAt: Timestamp
    /// When its newest attempt began.
    public var startedAt: Timestamp?
    /// When it came to its end.
    public var finishedAt: Timestamp?
    /// How long one attempt may take.
    public var timeoutSeconds: Double
    /// Whether it was called off while it ran and its worker has yet to stop.
    public var cancelRequested: Bool
    /// How far the running attempt is.
    public var progress: Progress?
    /// Who runs it now.
    public var lease: Lease?
    /// The exact bytes of the worker's result, one JSON value; nil when there is none, and in a summary.
    public var result: [UInt8]?
    /// Why it is dead.
    public var cause: DeadCause?
    /// The same for dead letters that died of the same thing.
    public var fingerprint: String?
    /// In a list of dead letters: what it died of, without the stack; see ``lastError``.
    public var error: JobError?
    /// What it was tagged with.
    public var tags: [String]
    /// The exact bytes of the metadata, a JSON object of strings; see ``metadata``.
    public var metadataBytes: [UInt8]
    /// Every attempt, oldest first; empty in a summary.
    public var attempts: [AttemptView]
    /// Whether it comes from a list, which leaves out payload, result and attempts.
    public var isSummary: Bool
    /// Whether it comes from a list of dead letters, which tells what each died of.
    package var isDeadLetter = false
}

extension JobView {
    /// The metadata it was submitted with.
    public var metadata: [String: String] {
        JSONCursor.stringPairs(metadataBytes)
    }

    /// The error of the newest attempt that ended with one, where that is known.
    public var lastError: JobError? {
        error ?? attempts.last { $0.error != nil }?.error
    }

    /// As a list of dead letters shows it.
    package init(deadLetter job: Job) {
        self.init(job, isSummary: true)
        isDeadLetter = true
        error = job.lastError.map { error in
            JobError(type: error.type, message: error.message.truncated(bytesMax: Self.listedMessageBytesMax))
        }
    }

    /// A page of the longest messages must stay a small answer.
    private static let listedMessageBytesMax = 1000

    package init(_ job: Job, isSummary: Bool = false) {
        self.init(
            id: job.id,
            name: job.lane.name,
            queue: job.lane.queue,
            payload: isSummary ? [] : job.payload,
            state: job.state,
            priority: job.options.priority,
            attempt: job.attempt,
            maxAttempts: job.options.maxAttempts,
            failures: job.failures,
            losses: job.losses,
            maxLosses: job.options.maxLosses,
            createdAt: job.createdAt,
            runAt: job.runAt,
            startedAt: job.startedAt,
            finishedAt: job.finishedAt,
            timeoutSeconds: job.options.timeout.seconds,
            cancelRequested: job.cancelRequested,
            progress: job.progress.map { Progress(percent: $0.percent, message: $0.message) },
            lease: job.lease.map { Lease(worker: $0.worker, grantedAt: $0.grantedAt, expiresAt: $0.expiresAt) },
            result: isSummary ? nil : job.result,
            cause: job.cause,
            fingerprint: job.fingerprint,
            tags: job.options.tags,
            metadataBytes: job.options.metadata,
            attempts: isSummary ? [] : job.attempts.map(AttemptView.init),
            isSummary: isSummary
        )
    }
}
