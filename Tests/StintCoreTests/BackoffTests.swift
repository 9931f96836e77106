// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import StintTestKit
import Testing

@Suite("Backoff")
struct BackoffTests {
    private static let retries = [1, 2, 3, 5, 11, 12, 40, 1000, 1_000_000]

    private static func policy(
        _ jitter: RetryPolicy.Jitter,
        base: Double = 2,
        factor: Double = 2,
        cap: Double = 3600
    )
        -> RetryPolicy
    {
        RetryPolicy(baseSeconds: base, factor: factor, capSeconds: cap, jitter: jitter)
    }

    private static func seconds(
        _ policy: RetryPolicy,
        _ retry: Int,
        previous: Double? = nil,
        random: UInt64 = 0
    ) -> Double {
        let before = previous.map { Milliseconds.seconds($0) }
        return Backoff.delay(policy, retry: retry, previous: before, random: random).seconds
    }

    @Test func withoutJitterTheDelayDoublesUpToTheCap() {
        let delays = (1...13).map { Self.seconds(Self.policy(.none), $0) }
        #expect(delays == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600])
    }

    @Test func equalJitterIsBetweenHalfAndAll() {
        for retry in Self.retries {
            let whole = Self.seconds(Self.policy(.none), retry)
            #expect(Self.seconds(Self.policy(.equal), retry, random: 0) == whole / 2)
            let most = Self.seconds(Self.policy(.equal), retry, random: .max)
            #expect(most > whole * 0.999 && most <= whole)
        }
    }

    @Test func fullJitterIsBetweenNothingAndAll() {
        for retry in Self.retries {
            let whole = Self.seconds(Self.policy(.none), retry)
            #expect(Self.seconds(Self.policy(.full), retry, random: 0) == 0)
            let most = Self.seconds(Self.policy(.full), retry, random: .max)
            #expect(most > whole * 0.999 && most <= whole)
        }
    }

    @Test func decorrelatedJitterGrowsFromThePreviousDelay() {
        let policy = Self.policy(.decorrelated)
        #expect(Self.seconds(policy, 1, random: 0) == 2)
        #expect(abs(Self.seconds(policy, 1, random: .max) - 6) < 0.002)
        #expect(Self.seconds(policy, 9, previous: 10, random: 0) == 2)
        #expect(abs(Self.seconds(policy, 9, previous: 10, random: .max) - 30) < 0.002)
        #expect(Self.seconds(policy, 2, previous: 3600, random: .max) == 3600)
        #expect(Self.seconds(policy, 2, previous: 0, random: .max) == 2, "never below the base")
    }

    @Test func aFactorOfOneKeepsTheBase() {
        for retry in Self.retries { #expect(Self.seconds(Self.policy(.none, factor: 1), retry) == 2) }
    }

    @Test(arguments: RetryPolicy.Jitter.allCases)
    func aBaseAboveTheCapIsCapped(_ jitter: RetryPolicy.Jitter) {
        for retry in Self.retries {
            let delay = Self.seconds(Self.policy(jitter, base: 50, cap: 10), retry, previous: 40, random: .max)
            #expect(delay <= 10 && delay > 9.9)
        }
    }

    @Test(arguments: RetryPolicy.Jitter.allCases)
    func aBaseOfZeroNeverWaits(_ jitter: RetryPolicy.Jitter) {
        for retry in Self.retries {
            #expect(Self.seconds(Self.policy(jitter, base: 0), retry, previous: 0, random: .max) == 0)
        }
    }

    @Test func theMillionthRetryOfASlowlyGrowingDelayIsAtTheCap() {
        #expect(Self.seconds(Self.policy(.none, factor: 1.001), 1_000_000) == 3600)
        #expect(Self.seconds(Self.policy(.none, base: 86_400, factor: 100, cap: 2_592_000), 1_000_000) == 2_592_000)
    }

    private static func randomPolicy(_ random: inout SeededGenerator) -> RetryPolicy {
        RetryPolicy(
            baseSeconds: Double.random(in: 0...86_400, using: &random),
            factor: Double.random(in: 1...100, using: &random),
            capSeconds: Double.random(in: 0...2_592_000, using: &random),
            jitter: RetryPolicy.Jitter.allCases[random.int(0...3)]
        )
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func noDelayIsNegativeOrAboveTheCap(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let policy = Self.randomPolicy(&random)
            let retry = random.oneIn(10) ? 1_000_000 : random.int(1...40)
            let previous = random.oneIn(2) ? Double.random(in: 0...2_592_000, using: &random) : nil
            let delay = Self.seconds(policy, retry, previous: previous, random: random.next())
            #expect(delay >= 0 && delay <= policy.capSeconds + 0.001, "seed \(seed): \(policy), retry \(retry)")
        }
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func withoutJitterNoRetryWaitsLessThanTheOneBefore(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var policy = Self.randomPolicy(&random)
        policy.jitter = .none
        let delays = (1...64).map { Self.seconds(policy, $0) }
        #expect(zip(delays, delays.dropFirst()).allSatisfy { $0 <= $1 }, "seed \(seed): \(policy)")
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func theSameRandomBitsGiveTheSameDelay(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let policy = Self.randomPolicy(&random)
        let bits = random.next()
        #expect(Self.seconds(policy, 3, random: bits) == Self.seconds(policy, 3, random: bits), "seed \(seed)")
    }
}
