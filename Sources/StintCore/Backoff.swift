// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Exponential backoff with jitter.
///
/// The kinds of jitter are those of Marc Brooker, "Exponential Backoff And Jitter" (2015).
package enum Backoff {
    /// The delay before the `retry`-th retry, counted from 1.
    ///
    /// - Parameters:
    ///   - previous: The delay before, for decorrelated jitter; nil counts as the base.
    ///   - random: 64 uniform bits.
    package static func delay(
        _ policy: RetryPolicy,
        retry: Int,
        previous: Milliseconds?,
        random: UInt64
    ) -> Milliseconds {
        let chance = unit(random)
        let exponential = exponential(policy, retry: retry)
        let seconds =
            switch policy.jitter {
            case .none: exponential
            case .equal: exponential / 2 + exponential / 2 * chance
            case .full: exponential * chance
            case .decorrelated: decorrelated(policy, previous: previous, chance: chance)
            }
        return .seconds(seconds)
    }

    /// min(cap, base · factor^(retry − 1)).
    ///
    /// The product stops at the cap, so that no number of retries overflows it.
    static func exponential(_ policy: RetryPolicy, retry: Int) -> Double {
        var delay = min(policy.baseSeconds, policy.capSeconds)
        guard policy.factor > 1, delay > 0 else { return delay }
        for _ in 1..<max(1, retry) {
            delay *= policy.factor
            if delay >= policy.capSeconds { return policy.capSeconds }
        }
        return delay
    }

    private static func decorrelated(_ policy: RetryPolicy, previous: Milliseconds?, chance: Double) -> Double {
        let upper = max(policy.baseSeconds, 3 * (previous?.seconds ?? policy.baseSeconds))
        return min(policy.capSeconds, policy.baseSeconds + (upper - policy.baseSeconds) * chance)
    }

    /// Uniform in 0..<1, from the upper 53 bits.
    private static func unit(_ random: UInt64) -> Double {
        Double(random >> 11) * 0x1p-53
    }
}
