// SPDX-License-Identifier: Apache-2.0

import StintMemoryStore
import StintModel
import StintStorage
import StintTestKit
import Testing

@testable import StintCoordinator

private func ready(_ number: UInt64, _ lane: Lane = .work) -> ReadyJob {
    ReadyJob(lane: lane, order: ServingOrder(key: 1, id: JobID(high: 0, low: number)))
}

@Suite("Gaps on a shared belt")
struct GapFinderTests {
    @Test func aJobThatIsAbsentOnceIsJustBeingLeased() {
        var finder = GapFinder()
        #expect(finder.note([ready(1), ready(2)]) == [])
        #expect(finder.note([ready(3)]) == [])
        #expect(finder.note([]) == [])
        #expect(finder.note([ready(3)]) == [], "in between it was there")
    }

    @Test func aJobThatIsAbsentTwiceWasLost() {
        var finder = GapFinder()
        #expect(finder.note([ready(1), ready(2, .mail)]) == [])
        #expect(finder.note([ready(1), ready(3, .mail)]) == [.work])
        #expect(finder.note([ready(3, .mail)]) == [.mail])
    }

    @Test func aLaneThatWasResetIsGivenTimeToBeRead() {
        var finder = GapFinder()
        _ = finder.note([ready(1)])
        #expect(finder.note([ready(1)]) == [.work])
        #expect(finder.note([ready(1)]) == [])
        #expect(finder.note([ready(1)]) == [.work])
    }

    @Test func theHeadsOfTheLanesInTheRecordAreLookedAt() async throws {
        let rules: EndingRules = { job, ending, now, _ in
            EndingEffect(state: .completed, outcome: ending.outcome, runAt: now, failures: 0, losses: 0)
        }
        let store = MemoryJobStore(rules: rules) { ManualTime.epoch }
        let jobs = (1...150).map { NewJob(id: JobID(high: 1, low: $0), lane: .work, payload: []) }
        _ = try await store.perform([.submit(Submission(jobs: jobs))])
        let available = try await store.readyJobs(lane: .work, after: nil, limit: 200)
        let belt = SwitchableBelt()
        var finder = GapFinder()

        belt.setAbsent([available[120]])
        for _ in 0..<3 { #expect(try await finder.look(in: [.work, .mail], of: store, belt: belt) == []) }
        belt.setAbsent([available[7]])
        #expect(try await finder.look(in: [.work], of: store, belt: belt) == [])
        #expect(try await finder.look(in: [.work], of: store, belt: belt) == [.work])
    }
}
