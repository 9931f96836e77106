// SPDX-License-Identifier: Apache-2.0

/// How an attempt ended.
///
/// The raw values are stored: they are never renumbered.
public enum AttemptOutcome: Int, CaseIterable, Sendable {
    /// The worker completed the job.
    case completed = 0
    /// The worker reported a failure.
    case failed = 1
    /// The server's timer ended it.
    case timedOut = 2
    /// Its worker session was lost.
    case lost = 3
    /// It was given back, or its grant never arrived.
    case released = 4
    /// The worker put it off.
    case snoozed = 5
    /// It ended because the job was called off.
    case cancelled = 6

    /// The word used in the API and the metrics.
    public var name: String {
        switch self {
        case .completed: "completed"
        case .failed: "failed"
        case .timedOut: "timed_out"
        case .lost: "lost"
        case .released: "released"
        case .snoozed: "snoozed"
        case .cancelled: "cancelled"
        }
    }

    /// The outcome with that name, nil for any other word.
    public init?(name: some StringProtocol) {
        guard let outcome = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = outcome
    }
}

/// Why a job is dead.
///
/// The raw values are stored: they are never renumbered.
public enum DeadCause: Int, CaseIterable, Sendable {
    /// As many attempts failed or timed out as the job allows.
    case attemptsExhausted = 0
    /// The worker said that trying again is pointless.
    case notRetryable = 1
    /// It lost as many workers as it allows.
    case crashLoop = 2

    /// The word used in the API and the metrics.
    public var name: String {
        switch self {
        case .attemptsExhausted: "attempts_exhausted"
        case .notRetryable: "not_retryable"
        case .crashLoop: "crash_loop"
        }
    }

    /// The cause with that name, nil for any other word.
    public init?(name: some StringProtocol) {
        guard let cause = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = cause
    }
}

/// What a worker says of a failure.
public struct JobError: Hashable, Sendable {
    /// The kind of error, such as an exception's type; may be empty.
    public var type: String
    /// What went wrong.
    public var message: String
    /// Where it went wrong; may be empty.
    public var stack: String

    /// Creates an error.
    public init(type: String, message: String, stack: String = "") {
        self.type = type
        self.message = message
        self.stack = stack
    }
}

/// One run of a job.
package struct Attempt: Hashable, Sendable {
    package var number: Int
    package var worker: WorkerID
    package var workerName: String
    package var startedAt: Timestamp
    package var endedAt: Timestamp?
    package var outcome: AttemptOutcome?
    package var error: JobError?

    package init(
        number: Int,
        worker: WorkerID,
        workerName: String,
        startedAt: Timestamp,
        endedAt: Timestamp? = nil,
        outcome: AttemptOutcome? = nil,
        error: JobError? = nil
    ) {
        self.number = number
        self.worker = worker
        self.workerName = workerName
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.outcome = outcome
        self.error = error
    }
}
