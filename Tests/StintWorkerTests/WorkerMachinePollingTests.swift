// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@testable import StintWorker

@Suite("A worker's polls and reports")
struct WorkerMachinePollingTests {
    @Test func aWorkerRegistersThenAsksForAsManyJobsAsItHasSlots() throws {
        let desk = MachineDesk(concurrency: 5)
        try desk.register()
        let poll = try #require(desk.takePoll())
        #expect(poll.request == PollRequest(freeSlots: 5, wait: .seconds(20)))
    }

    @Test func grantedJobsAreStartedAndNamedInTheNextPoll() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1, 2])
        desk.advance(MachineDesk.millisecond)
        let next = try #require(desk.takePoll())
        #expect(next.request.freeSlots == 2)
        #expect(Set(next.request.running) == Set(leases))
        #expect(next.request.results.isEmpty)
    }

    @Test func resultsOfJobsThatEndAtOnceGoWithTheNextPoll() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1, 2])
        #expect(desk.takePoll() == nil, "the next poll waits a moment for results")
        desk.complete(leases[0])
        #expect(desk.takePoll() == nil)
        desk.complete(leases[1])
        let next = try #require(desk.takePoll())
        #expect(next.request.freeSlots == 4)
        #expect(next.request.running.isEmpty)
        #expect(next.request.results == [.completed(1), .completed(2)])
        #expect(desk.takeReport() == nil)
    }

    @Test func jobsThatTakeLongerAreNotWaitedForBeforeTheNextPoll() throws {
        let (desk, first) = try MachineDesk.live(concurrency: 4)
        var poll = first
        let leases = try desk.grant(poll, [1])
        desk.advance(5 * MachineDesk.millisecond)
        poll = try #require(desk.takePoll()).call
        desk.advance(5 * MachineDesk.millisecond)
        desk.complete(leases[0])
        desk.accept(try #require(desk.takeReport()))
        _ = try desk.grant(poll, [2])
        #expect(desk.takePoll() != nil, "the last job took 5 ms: no lingering")
    }

    @Test func aResultGoesByItselfWhileAPollIsParked() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1, 2])
        desk.advance(MachineDesk.millisecond)
        _ = try #require(desk.takePoll())
        desk.advance(MachineDesk.second)
        desk.complete(leases[0])
        let report = try #require(desk.takeReport())
        #expect(report.results == [.completed(1)])
        #expect(desk.takePoll() == nil, "a poll that may bring jobs is never overtaken")
    }

    @Test func aResultRightAfterAPollWaitsForItsAnswer() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1, 2])
        desk.complete(leases[0])
        desk.advance(MachineDesk.millisecond)
        let second = try #require(desk.takePoll())
        #expect(second.request.results == [.completed(1)])
        desk.complete(leases[1])
        #expect(desk.takeReport() == nil)
        desk.answer(second.call, PollAnswer(results: MachineDesk.accepted([leases[0]])))
        #expect(try #require(desk.takePoll()).request.results == [.completed(2)])
        #expect(desk.takeReport() == nil)
    }

    @Test func resultsThatEndDuringAReportGoTogetherInTheNext() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1, 2, 3])
        desk.advance(MachineDesk.second)
        _ = try #require(desk.takePoll())
        desk.advance(MachineDesk.second)
        desk.complete(leases[0])
        let first = try #require(desk.takeReport())
        desk.complete(leases[1])
        desk.complete(leases[2])
        #expect(desk.takeReport() == nil, "one report is under way at a time")
        desk.accept(first)
        let second = try #require(desk.takeReport())
        #expect(second.results == [.completed(2), .completed(3)])
    }

    @Test func withAllSlotsTakenThePollThatOnlyListensComesLate() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 1)
        let leases = try desk.grant(poll, [1])
        desk.advance(MachineDesk.millisecond)
        #expect(desk.takePoll() == nil)
        desk.advance(20 * MachineDesk.millisecond)
        let listening = try #require(desk.takePoll())
        #expect(listening.request.freeSlots == 0)
        #expect(listening.request.running == leases)
    }

    @Test func aPollThatAsksForNothingIsOvertakenWhenASlotIsFree() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 1)
        let leases = try desk.grant(poll, [1])
        desk.advance(MachineDesk.second)
        let listening = try #require(desk.takePoll())
        desk.advance(MachineDesk.second)
        desk.complete(leases[0])
        let next = try #require(desk.takePoll())
        #expect(next.request.freeSlots == 1)
        #expect(next.request.results == [.completed(1)])
        desk.answer(listening.call)
        #expect(desk.takePoll() == nil, "the older answer changes nothing")
    }

    @Test func aFailedPollIsRepeatedWithItsResultsAfterAJitteredDelay() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1])
        desk.complete(leases[0])
        let broken = try #require(desk.takePoll())
        desk.fail(broken.call)
        #expect(desk.takeNotes().contains(.unreachable("broken")))
        let report = try #require(desk.takeReport(), "a result does not wait for polls to work again")
        desk.fail(report.call)
        let failedAt = desk.now
        try desk.advanceToWake()
        #expect((50...100).contains((desk.now - failedAt) / MachineDesk.millisecond))
        while desk.takePoll() == nil, desk.takeReport() == nil { try desk.advanceToWake() }
        #expect(desk.now - failedAt <= 100 * MachineDesk.millisecond)
    }

    @Test func reportsAreRepeatedUntilTheyAreTaken() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 4)
        let leases = try desk.grant(poll, [1])
        desk.advance(MachineDesk.second)
        _ = try #require(desk.takePoll())
        desk.advance(MachineDesk.second)
        desk.complete(leases[0])
        for _ in 0..<6 {
            let report = try nextReport(desk)
            #expect(report.results == [.completed(1)])
            desk.fail(report.call)
            #expect(desk.takeReport() == nil)
        }
        desk.accept(try nextReport(desk))
        desk.advance(MachineDesk.second)
        #expect(desk.takeReport() == nil)
    }

    private func nextReport(_ desk: MachineDesk) throws -> (call: CallID, results: [WorkerResult]) {
        while true {
            if let report = desk.takeReport() { return report }
            try desk.advanceToWake()
            if let beat = desk.takeHeartbeat() { desk.beat(beat.call) }
        }
    }

    @Test func aServerThatAsksForAPauseGetsIt() throws {
        let (desk, poll) = try MachineDesk.live()
        let failedAt = desk.now
        desk.fail(poll, retryAfter: 3)
        desk.advance(3 * MachineDesk.second)
        #expect(desk.takePoll() == nil)
        while desk.takePoll() == nil { try desk.advanceToWake() }
        #expect(desk.now - failedAt <= 3_200 * MachineDesk.millisecond)
    }

    @Test func delaysGrowToACapAndNoFurther() throws {
        let (desk, first) = try MachineDesk.live()
        var poll = first
        var delays: [Int64] = []
        for _ in 0..<12 {
            let failedAt = desk.now
            desk.fail(poll)
            var next = desk.takePoll()
            while next == nil {
                try desk.advanceToWake()
                if let beat = desk.takeHeartbeat() { desk.beat(beat.call) }
                next = desk.takePoll()
            }
            poll = try #require(next).call
            delays.append((desk.now - failedAt) / MachineDesk.millisecond)
        }
        #expect(delays[0] <= 100)
        #expect(delays[4] >= 800)
        #expect(delays.suffix(4).allSatisfy { (2_500...5_001).contains($0) }, "\(delays)")
    }

    @Test func answersThatComeEmptyAtOnceAreNotAskedForWithoutPause() throws {
        let (desk, first) = try MachineDesk.live()
        var poll = first
        desk.answer(poll)
        poll = try #require(desk.takePoll(), "once is nothing").call
        desk.answer(poll)
        #expect(desk.takePoll() == nil)
        try desk.advanceToWake()
        #expect(desk.takePoll() != nil)
    }

    @Test func aReportWithoutAStatusIsSentAgain() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1, 2])
        for lease in leases { desk.complete(lease) }
        let next = try #require(desk.takePoll())
        #expect(next.request.results.count == 2)
        desk.answer(next.call, PollAnswer(results: MachineDesk.accepted([leases[1]])))
        let again = try #require(desk.takePoll())
        #expect(again.request.results == [.completed(1)])
    }

    @Test func rejectedReportsAreNotRepeated() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1, 2])
        for lease in leases { desk.complete(lease) }
        let next = try #require(desk.takePoll())
        let statuses = [
            ReportedResult(lease: leases[0], status: .leaseLost),
            ReportedResult(lease: leases[1], status: .alreadyReported),
        ]
        desk.answer(next.call, PollAnswer(results: statuses))
        #expect(desk.takeNotes().contains(.reportsLost(leases)))
        #expect(try #require(desk.takePoll()).request.results.isEmpty)
    }

    @Test func aResultThatTheServerDoesNotReadIsFoundAndBecomesAFailure() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1, 2, 3])
        for lease in leases { desk.complete(lease) }
        let bad = leases[1]
        var outcomes: [WireLease: AttemptOutcome] = [:]
        var requests = 0
        while outcomes.count < 3 {
            requests += 1
            try #require(requests < 20)
            var carried: (call: CallID, results: [WorkerResult])?
            while carried == nil {
                carried = desk.takePoll().map { ($0.call, $0.request.results) } ?? desk.takeReport()
                if carried == nil { try desk.advanceToWake() }
            }
            let (call, results) = try #require(carried)
            if results.contains(where: { $0.lease == bad && $0.ending.outcome == .completed }) {
                desk.fail(call, .refused)
            } else {
                for result in results { outcomes[result.lease] = result.ending.outcome }
                let statuses = MachineDesk.accepted(results.map(\.lease))
                desk.machine.answered(call, .reported(ResultsAnswer(results: statuses)), now: desk.now)
                desk.machine.answered(call, .polled(PollAnswer(results: statuses)), now: desk.now)
                desk.turn()
            }
        }
        #expect(outcomes == [leases[0]: .completed, bad: .failed, leases[2]: .completed])
    }

    @Test func manyResultsGoInSeveralRequests() throws {
        let (desk, poll) = try MachineDesk.live(concurrency: 10)
        let leases = try desk.grant(poll, Array(1...6))
        desk.advance(MachineDesk.second)
        _ = try #require(desk.takePoll())
        desk.advance(MachineDesk.second)
        let big = [UInt8](repeating: UInt8(ascii: "1"), count: 1 << 20)
        desk.complete(leases[0])
        let first = try #require(desk.takeReport())
        for lease in leases.dropFirst() { desk.end(lease, .said(.completed(result: big))) }
        desk.accept(first)
        let second = try #require(desk.takeReport())
        #expect(second.results.count == 3, "four megabytes are not exceeded")
        desk.accept(second)
        #expect(try #require(desk.takeReport()).results.count == 2)
    }

    @Test func resultsThatNobodyTakesStopTheIntake() throws {
        let (desk, first) = try MachineDesk.live(concurrency: 2)
        var poll = first
        for (numbers, slots) in [([1, 2], 2), ([3, 4], 0)] as [([UInt64], Int)] {
            // The answer brings jobs, but no status for the results of the poll.
            for lease in try desk.grant(poll, numbers) { desk.complete(lease) }
            desk.advance(MachineDesk.millisecond)
            let next = try #require(desk.takePoll())
            #expect(next.request.freeSlots == slots)
            poll = next.call
        }
    }
}
