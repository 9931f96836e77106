// SPDX-License-Identifier: Apache-2.0

/// How long a job waits before it is tried again.
public struct RetryPolicy: Hashable, Sendable {
    /// How much of a delay is left to chance.
    public enum Jitter: String, CaseIterable, Sendable {
        /// Nothing: the exact exponential delay.
        case none
        /// Half is fixed, half is random.
        case equal
        /// All of it is random, from zero.
        case full
        /// Random between the base and three times the previous delay.
        case decorrelated
    }

    /// The delay before the first retry, seconds.
    public var baseSeconds: Double
    /// What each further delay is multiplied by.
    public var factor: Double
    /// No computed delay is longer, seconds.
    public var capSeconds: Double
    /// How much of a delay is left to chance.
    public var jitter: Jitter

    /// Creates a policy; the defaults are those of a job that names none.
    public init(baseSeconds: Double = 2, factor: Double = 2, capSeconds: Double = 3600, jitter: Jitter = .equal) {
        self.baseSeconds = baseSeconds
        self.factor = factor
        self.capSeconds = capSeconds
        self.jitter = jitter
    }

    /// The policy of a job that names none.
    public static let standard = RetryPolicy()
}
