// SPDX-License-Identifier: Apache-2.0

/// When a call is made again.
///
/// Pure: time and chance come from outside.
package struct RetryRule: Hashable, Sendable {
    /// How a call may be repeated.
    package enum Repeatability: Sendable {
        /// Made twice, it does what it does once: reading, or submitting with a key.
        case always
        /// Only where the server has certainly done nothing.
        case whenNothingWasDone
    }

    /// What came of a call.
    package enum Outcome: Hashable, Sendable {
        case failed(HTTPFailure)
        case answered(status: Int, code: String, retryAfterSeconds: Double?)

        /// Whether the call may have taken effect although nothing says so.
        package var isUnknown: Bool {
            switch self {
            case .failed(.connectionBroken), .failed(.timedOut), .answered(status: 500...599, _, _): true
            case .failed, .answered: false
            }
        }
    }

    /// How often a call is repeated at most.
    package var retriesMax = 3
    package var baseSeconds = 0.1
    package var capSeconds = 2.0
    /// A server that asks for a longer pause is not waited for.
    package var retryAfterSecondsMax = 10.0

    package init(retriesMax: Int = 3) {
        self.retriesMax = retriesMax
    }

    /// How long to wait before repeating, nil when the outcome stands.
    ///
    /// - Parameters:
    ///   - retries: How often the call was repeated already.
    ///   - random: Uniform in 0..<1.
    package func delaySeconds(
        after outcome: Outcome,
        _ repeatability: Repeatability,
        retries: Int,
        random: Double
    ) -> Double? {
        guard retries < retriesMax, Self.canRepeat(after: outcome, repeatability) else { return nil }
        // The exponent is clamped before the power is taken.
        let computed = min(capSeconds, baseSeconds * Double(1 << min(retries, 16)))
        let jittered = computed * (0.5 + random / 2)
        guard case .answered(_, _, let retryAfterSeconds?) = outcome else { return jittered }
        guard retryAfterSeconds <= retryAfterSecondsMax else { return nil }
        // Spread behind the asked time, so that those who were turned away together do not come back together.
        return retryAfterSeconds + jittered
    }

    private static func canRepeat(after outcome: Outcome, _ repeatability: Repeatability) -> Bool {
        switch outcome {
        case .failed(.notSent): true
        // A 4xx did nothing. These two are worth another try.
        case .answered(status: 429, _, _), .answered(status: 409, code: "idempotency_in_progress", _): true
        default: outcome.isUnknown && repeatability == .always
        }
    }
}
