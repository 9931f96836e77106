// SPDX-License-Identifier: Apache-2.0

/// The numbers that govern a ``WorkerMachine``; times are nanoseconds.
package struct WorkerMachineSettings: Hashable, Sendable {
    package var concurrency = 10
    /// How long handlers may go on once the worker was told to stop.
    package var drainTimeout: Int64 = 25_000_000_000
    /// How long cancelled handlers get before their jobs are released over their heads.
    package var cancelGrace: Int64 = 6_000_000_000
    /// How long reports are repeated after the last handler of a stopping worker.
    package var farewell: Int64 = 5_000_000_000
    /// After a grant of jobs that usually end within it, the next poll waits this long for them, to carry their results.
    package var linger: Int64 = 1_000_000
    /// A result waits this long for the answer to a poll that was just sent, to go out with the next.
    package var pollGrace: Int64 = 2_000_000
    /// With all slots taken a poll is sent only for cancellations; most often a slot becomes free before.
    package var busyPollDelay: Int64 = 10_000_000
    /// News of progress is sent at most this often.
    package var progressInterval: Int64 = 1_000_000_000
    /// The server ends attempts by its own timer; the worker stops the handler this much later, if it has not heard yet.
    package var timeoutSlack: Int64 = 2_000_000_000
    package var backoffBase: Int64 = 100_000_000
    package var backoffCap: Int64 = 5_000_000_000
    /// A longer `Retry-After` is not waited for.
    package var retryAfterMax: Int64 = 60_000_000_000
    /// Results in one request.
    package var resultsMax = 1_000
    /// Seeds the jitter.
    package var seed: UInt64 = 0

    package init() {}
}

/// SplitMix64: jitter that a seed repeats.
struct SeededRandom: Sendable, RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// How long to wait before a call is made again.
struct CallBackoff: Sendable {
    private(set) var failures = 0
    /// No call before.
    private(set) var notBefore = Int64.min

    mutating func succeeded() {
        failures = 0
        notBefore = .min
    }

    mutating func failed(_ retryAfter: Int64?, now: Int64, rules: Rules, random: inout SeededRandom) {
        // The exponent is clamped before the power is taken.
        let computed = min(rules.cap, rules.base << Int64(min(failures, 20)))
        failures += 1
        let jittered = computed / 2 + Int64.random(in: 0...max(1, computed / 2), using: &random)
        // Behind the asked time, so that those who were turned away together do not come back together.
        notBefore = now + min(rules.retryAfterMax, retryAfter ?? 0) + jittered
    }

    struct Rules: Sendable {
        var base: Int64
        var cap: Int64
        var retryAfterMax: Int64
    }
}
