// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import StintHTTP

@Suite("The contract as calls and answers")
struct GoldenTests {
    @Test(arguments: ["submitting", "refusals", "batches", "one-job", "dead-letters", "queues", "workers", "place"])
    func theAnswersAreThoseOfTheFile(_ name: String) async throws {
        let scenario = try Scenario(name)
        let played = try await scenario.played()
        #expect(played == scenario.text, "Golden/\(name).txt should read:\n\(played)")
    }

    @Test func withATokenEveryCallButHealthNeedsIt() async throws {
        let scenario = try Scenario("token")
        let played = try await scenario.played(token: "secret")
        #expect(played == scenario.text, "Golden/token.txt should read:\n\(played)")
    }
}
