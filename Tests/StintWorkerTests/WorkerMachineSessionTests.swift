// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@testable import StintWorker

@Suite("A worker's session and leases")
struct WorkerMachineSessionTests {
    /// Two jobs run, a poll with the rest of the slots is parked.
    private func busy(lease: Double = 30) throws -> (desk: MachineDesk, leases: [WireLease], poll: CallID) {
        let (desk, poll) = try MachineDesk.live(concurrency: 4, lease: lease)
        let leases = try desk.grant(poll, [1, 2])
        desk.advance(MachineDesk.millisecond)
        return (desk, leases, try #require(desk.takePoll()).call)
    }

    @Test func heartbeatsNameWhatRunsAndComeAtTheirTime() throws {
        let (desk, leases, _) = try busy()
        desk.advance(9_990 * MachineDesk.millisecond)
        #expect(desk.takeHeartbeat() == nil)
        desk.advance(10 * MachineDesk.millisecond)
        let beat = try #require(desk.takeHeartbeat())
        #expect(Set(beat.running.map(\.lease)) == Set(leases))
        desk.beat(beat.call)
        desk.advance(9 * MachineDesk.second)
        #expect(desk.takeHeartbeat() == nil)
        desk.advance(MachineDesk.second)
        #expect(desk.takeHeartbeat() != nil)
    }

    @Test func progressBringsTheNextHeartbeatForwardButNotMoreThanOneASecond() throws {
        let (desk, leases, _) = try busy()
        desk.advance(5 * MachineDesk.second)
        if desk.machine.progressed(leases[0], JobProgress(percent: 10, message: nil)) { desk.turn() }
        let beat = try #require(desk.takeHeartbeat())
        #expect(
            beat.running.filter { $0.progress != nil } == [
                .init(lease: leases[0], progress: .init(percent: 10, message: nil))
            ]
        )
        desk.beat(beat.call)
        if desk.machine.progressed(leases[0], JobProgress(percent: 20, message: nil)) { desk.turn() }
        #expect(desk.takeHeartbeat() == nil)
        desk.advance(MachineDesk.second)
        #expect(try #require(desk.takeHeartbeat()).running.contains { $0.progress?.percent == 20 })
    }

    @Test func progressOfAFailedHeartbeatIsSentAgain() throws {
        let (desk, leases, _) = try busy()
        _ = desk.machine.progressed(leases[0], JobProgress(percent: 10, message: nil))
        desk.advance(2 * MachineDesk.second)
        desk.fail(try #require(desk.takeHeartbeat()).call)
        var beat = desk.takeHeartbeat()
        while beat == nil {
            try desk.advanceToWake()
            beat = desk.takeHeartbeat()
        }
        #expect(try #require(beat).running.contains { $0.progress?.percent == 10 })
    }

    @Test func aLostLeaseStopsItsHandlerAndNothingIsReported() throws {
        let (desk, leases, _) = try busy()
        desk.advance(10 * MachineDesk.second)
        let beat = try #require(desk.takeHeartbeat())
        desk.beat(
            beat.call,
            HeartbeatAnswer(leases: [.init(lease: leases[0], verdict: .lost), .init(lease: leases[1], verdict: .ok)])
        )
        let cancel = try #require(desk.takeCancel())
        #expect(cancel == ([leases[0]], .leaseLost))
        desk.complete(leases[0])
        desk.advance(MachineDesk.second)
        #expect(desk.takeReport() == nil)
    }

    @Test(arguments: [true, false]) func aJobThatWasCalledOffIsStoppedOnceAndReportedAsItEnds(byPoll: Bool) throws {
        let (desk, leases, first) = try busy()
        var poll = first
        if byPoll {
            desk.answer(poll, PollAnswer(cancel: [leases[0]]))
        } else {
            desk.advance(10 * MachineDesk.second)
            let beat = try #require(desk.takeHeartbeat())
            desk.beat(beat.call, HeartbeatAnswer(leases: [.init(lease: leases[0], verdict: .cancel)]))
        }
        #expect(try #require(desk.takeCancel()) == ([leases[0]], .calledOff))
        if byPoll { poll = try #require(desk.takePoll()).call }
        desk.advance(MachineDesk.second)
        desk.answer(poll, PollAnswer(cancel: [leases[0]]))
        #expect(desk.takeCancel() == nil, "it was told already")
        _ = try #require(desk.takePoll())
        desk.advance(MachineDesk.second)
        desk.end(leases[0], .threw(JobError(type: "CancellationError", message: "")))
        #expect(desk.takeReport()?.results == [.of(1, .cancelled)])
    }

    @Test func theLeaseEndsCountedFromBeforeTheLastRenewalWasSent() throws {
        let (desk, leases, _) = try busy(lease: 9)
        desk.advance(3 * MachineDesk.second)
        let sentAt = desk.now
        let beat = try #require(desk.takeHeartbeat())
        desk.advance(2 * MachineDesk.second)
        desk.beat(beat.call)
        #expect(desk.takeCancel() == nil)
        desk.now = sentAt + 9 * MachineDesk.second - 1
        desk.turn()
        #expect(desk.takeCancel() == nil)
        desk.advance(1)
        let cancel = try #require(desk.takeCancel())
        #expect(Set(cancel.leases) == Set(leases))
        #expect(cancel.reason == .leaseRanOut)
    }

    @Test func theMachineAsksToBeWokenAtTheEndOfTheLease() throws {
        let (desk, _, _) = try busy(lease: 9)
        var wakes = 0
        while desk.takeCancel() == nil {
            try desk.advanceToWake()
            wakes += 1
            try #require(wakes < 20)
        }
        #expect(desk.now <= 1_009 * MachineDesk.second)
    }

    @Test func afterTheLeaseRanOutHandlersThatEndAreStillReported() throws {
        let (desk, leases, _) = try busy(lease: 9)
        desk.advance(10 * MachineDesk.second)
        _ = desk.takeCancel()
        desk.complete(leases[0])
        desk.end(leases[1], .threw(JobError(type: "CancellationError", message: "")))
        let report = try #require(desk.takeReport())
        #expect(report.results == [.completed(1)])
        desk.accept(report)
        #expect(try #require(desk.takeReport()).results == [.of(2, .released)])
    }

    @Test(arguments: ["poll", "report", "heartbeat"])
    func aLostSessionStopsEverythingAndANewOneStartsAfresh(by call: String) throws {
        let (desk, leases, poll) = try busy()
        desk.advance(10 * MachineDesk.second)
        let beat = try #require(desk.takeHeartbeat())
        desk.complete(leases[0])
        let report = try #require(desk.takeReport())
        desk.fail(call == "poll" ? poll : call == "report" ? report.call : beat.call, .sessionLost)
        #expect(try #require(desk.takeCancel()) == ([leases[1]], .leaseLost))
        desk.fail(call == "poll" ? report.call : poll, .sessionLost)
        #expect(desk.takeCancel() == nil)

        try desk.register(session: 2)
        let next = try #require(desk.takePoll())
        #expect(next.request.freeSlots == 3, "the old handler has not ended")
        #expect(next.request.running.isEmpty)
        #expect(next.request.results.isEmpty)
        desk.complete(leases[1])
        desk.advance(MachineDesk.second)
        #expect(desk.takeReport() == nil, "what is of the old session is not reported")
    }

    @Test func answersOfAnOldSessionChangeNothing() throws {
        let (desk, _, poll) = try busy()
        desk.advance(10 * MachineDesk.second)
        let beat = try #require(desk.takeHeartbeat())
        desk.fail(beat.call, .sessionLost)
        try desk.register(session: 2)
        desk.answer(poll, PollAnswer(jobs: [MachineDesk.job(9)]))
        #expect(desk.takeStart() == nil)
    }

    @Test func aHandlerOverItsTimeIsStoppedAndFails() throws {
        let (desk, poll) = try MachineDesk.live()
        var job = MachineDesk.job(1)
        job.timeout = .seconds(1)
        desk.answer(poll, PollAnswer(jobs: [job]))
        desk.advance(2_999 * MachineDesk.millisecond)
        #expect(desk.takeCancel() == nil, "the server's timer comes first")
        desk.advance(MachineDesk.millisecond)
        #expect(try #require(desk.takeCancel()) == ([job.lease], .timedOut))
        _ = desk.takePoll()
        desk.advance(5 * MachineDesk.millisecond)
        desk.end(job.lease, .threw(JobError(type: "CancellationError", message: "")))
        let report = try #require(desk.takeReport())
        #expect(report.results.map(\.ending.outcome) == [.failed])
    }

    @Test func registrationIsRepeatedForEver() throws {
        let desk = MachineDesk()
        desk.turn()
        for _ in 0..<50 {
            desk.fail(try #require(desk.takeRegister()))
            #expect(desk.takeRegister() == nil)
            try desk.advanceToWake()
        }
        #expect(desk.takeNotes() == [.unreachable("broken")], "one line for each outage")
    }

    @Test(arguments: [CallFailure.Kind.refused, .unauthorized])
    func aFirstRegistrationThatIsRefusedForGoodEndsTheWorker(kind: CallFailure.Kind) throws {
        let desk = MachineDesk()
        desk.turn()
        desk.fail(try #require(desk.takeRegister()), kind)
        #expect(desk.takeEnd() == .refused("broken"))
        #expect(desk.machine.hasEnded)
    }

    @Test func aLaterRegistrationThatIsRefusedIsRepeated() throws {
        let (desk, poll) = try MachineDesk.live()
        desk.fail(poll, .sessionLost)
        desk.fail(try #require(desk.takeRegister()), .unauthorized)
        try desk.advanceToWake()
        #expect(desk.takeRegister() != nil)
    }

    @Test(
        arguments: [
            (HandlerEnd.said(.completed(result: nil)), nil, Ending.completed(result: nil)),
            (.said(.completed(result: nil)), .calledOff, .completed(result: nil)),
            (.said(.completed(result: nil)), .draining, .completed(result: nil)),
            (.said(.snoozed(.seconds(1))), .draining, .snoozed(.seconds(1))),
            (.said(.completed(result: nil)), .leaseLost, nil),
            (
                .threw(JobError(type: "E", message: "m")), nil,
                .failed(error: JobError(type: "E", message: "m"), isRetryable: true, retryAfter: nil)
            ),
            (.threw(JobError(type: "E", message: "m")), .calledOff, .cancelled),
            (.threw(JobError(type: "E", message: "m")), .draining, .released),
            (.threw(JobError(type: "E", message: "m")), .leaseRanOut, .released),
            (.threw(JobError(type: "E", message: "m")), .leaseLost, nil),
        ] as [(HandlerEnd, StopReason?, Ending?)]
    )
    func whatIsReportedFollowsFromTheEndAndTheReasonToStop(end: HandlerEnd, stop: StopReason?, ending: Ending?) {
        #expect(WorkerMachine.ending(end, stop: stop) == ending)
    }
}
