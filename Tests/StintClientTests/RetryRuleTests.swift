// SPDX-License-Identifier: Apache-2.0

import StintClient
import Testing

private typealias Outcome = RetryRule.Outcome

@Suite struct RetryRuleTests {
    private let rule = RetryRule(retriesMax: 3)

    private func isRepeated(_ outcome: Outcome, _ repeatability: RetryRule.Repeatability) -> Bool {
        rule.delaySeconds(after: outcome, repeatability, retries: 0, random: 0.5) != nil
    }

    @Test func whatTheServerCannotHaveSeenIsAlwaysRepeated() {
        #expect(isRepeated(.failed(.notSent("connection refused")), .whenNothingWasDone))
        #expect(isRepeated(.failed(.notSent("connection refused")), .always))
    }

    @Test(
        arguments: [
            .failed(.timedOut), .failed(.connectionBroken("reset")),
            .answered(status: 500, code: "internal", retryAfterSeconds: nil),
            .answered(status: 503, code: "unavailable", retryAfterSeconds: 1),
            .answered(status: 502, code: "http_502", retryAfterSeconds: nil),
        ] as [Outcome]
    )
    fileprivate func anUnknownOutcomeIsRepeatedOnlyWhereThatIsSafe(outcome: Outcome) {
        #expect(outcome.isUnknown)
        #expect(isRepeated(outcome, .always))
        #expect(!isRepeated(outcome, .whenNothingWasDone))
    }

    @Test(
        arguments: [
            .answered(status: 429, code: "too_many_requests", retryAfterSeconds: 1),
            .answered(status: 409, code: "idempotency_in_progress", retryAfterSeconds: nil),
        ] as [Outcome]
    )
    fileprivate func aRefusalThatPassesIsRepeated(outcome: Outcome) {
        #expect(!outcome.isUnknown)
        #expect(isRepeated(outcome, .always))
        #expect(isRepeated(outcome, .whenNothingWasDone))
    }

    @Test(
        arguments: [
            .answered(status: 400, code: "bad_request", retryAfterSeconds: nil),
            .answered(status: 401, code: "unauthorized", retryAfterSeconds: nil),
            .answered(status: 404, code: "not_found", retryAfterSeconds: nil),
            .answered(status: 409, code: "wrong_state", retryAfterSeconds: nil),
            .answered(status: 422, code: "idempotency_mismatch", retryAfterSeconds: nil),
            .answered(status: 302, code: "http_302", retryAfterSeconds: nil),
            .failed(.cancelled), .failed(.closed), .failed(.answerTooLong), .failed(.callInvalid("x")),
            .answered(status: 429, code: "too_many_requests", retryAfterSeconds: 10.5),
        ] as [Outcome]
    )
    fileprivate func whatWillNotChangeIsNotRepeated(outcome: Outcome) {
        #expect(!isRepeated(outcome, .always))
    }

    @Test func repetitionsAreBounded() {
        let refused = Outcome.failed(.notSent("connection refused"))
        #expect(rule.delaySeconds(after: refused, .always, retries: 2, random: 0) != nil)
        #expect(rule.delaySeconds(after: refused, .always, retries: 3, random: 0) == nil)
        #expect(RetryRule(retriesMax: 0).delaySeconds(after: refused, .always, retries: 0, random: 0) == nil)
    }

    @Test func delaysGrowToTheCapAndHalfOfThemIsChance() {
        let rule = RetryRule(retriesMax: .max)
        let refused = Outcome.failed(.notSent("connection refused"))
        func delay(_ retries: Int, _ random: Double) -> Double? {
            rule.delaySeconds(after: refused, .always, retries: retries, random: random)
        }
        #expect(delay(0, 0) == 0.05)
        #expect(delay(0, 1) == 0.1)
        #expect(delay(1, 1) == 0.2)
        for retries in [5, 63, 64, 1 << 40] {
            #expect(delay(retries, 0) == 1)
            #expect(delay(retries, 1) == 2)
        }
    }

    @Test func theServersWishIsKeptAndSpread() {
        let busy = Outcome.answered(status: 429, code: "too_many_requests", retryAfterSeconds: 3)
        #expect(rule.delaySeconds(after: busy, .always, retries: 0, random: 0) == 3.05)
        #expect(rule.delaySeconds(after: busy, .always, retries: 0, random: 1) == 3.1)
    }
}
