// SPDX-License-Identifier: Apache-2.0

/// Thrown by a handler to say how its failure is to be taken.
///
/// Any other error fails the attempt too, to be retried as the job says.
public struct JobFailure: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public var message: String
    /// What kind of error it is, for grouping.
    public var type: String
    /// Whether another attempt may succeed; false sets the job aside at once.
    public var isRetryable: Bool
    /// When to try again, in place of the computed delay; at most 30 days.
    public var retryAfter: Duration?

    /// Creates a failure.
    public init(
        _ message: String,
        type: String = "JobFailure",
        isRetryable: Bool = true,
        retryAfter: Duration? = nil
    ) {
        self.message = message
        self.type = type
        self.isRetryable = isRetryable
        self.retryAfter = retryAfter
    }

    /// What went wrong.
    public var description: String { message }
}

/// Thrown by a handler to put its job off; no attempt is used up.
public struct Snooze: Error, Sendable {
    /// For how long; at most 10 years.
    public var duration: Duration

    /// Creates a wish to be called again after `duration`.
    public init(for duration: Duration) {
        self.duration = duration
    }
}
