// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@testable import StintWorker

@Suite("A worker that is told to stop")
struct WorkerMachineDrainingTests {
    private let cancellation = HandlerEnd.threw(JobError(type: "CancellationError", message: ""))

    private func drain(_ desk: MachineDesk) {
        desk.machine.drain(now: desk.now)
        desk.turn()
    }

    @Test func anIdleWorkerGivesBackWhatWasOnItsWayAndSaysGoodbye() throws {
        let (desk, poll) = try MachineDesk.live()
        drain(desk)
        let listening = try #require(desk.takePoll(), "the poll that may bring jobs is overtaken")
        #expect(listening.request.freeSlots == 0)
        #expect(desk.takeGoodbye() == nil)
        desk.answer(poll, PollAnswer(jobs: [MachineDesk.job(1)]))
        #expect(desk.takeStart() == nil)
        let report = try #require(desk.takeReport())
        #expect(report.results == [.of(1, .released)])
        desk.accept(report)
        let goodbye = try #require(desk.takeGoodbye())
        desk.machine.answered(goodbye, .saidGoodbye, now: desk.now)
        desk.turn()
        #expect(desk.takeEnd() == .drained(abandoned: 0, unreported: 0))
    }

    @Test func runningJobsEndAndAreReportedBeforeTheGoodbye() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1])
        drain(desk)
        desk.advance(20 * MachineDesk.millisecond)
        #expect(try #require(desk.takePoll()).request.freeSlots == 0)
        desk.advance(5 * MachineDesk.second)
        #expect(desk.takeCancel() == nil)
        desk.complete(leases[0])
        let report = try #require(desk.takeReport())
        #expect(desk.takeGoodbye() == nil)
        desk.accept(report)
        #expect(desk.takeGoodbye() != nil)
    }

    @Test func whatDoesNotEndInTimeIsCancelledAndReleased() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1, 2])
        drain(desk)
        desk.advance(25 * MachineDesk.second)
        let cancel = try #require(desk.takeCancel())
        #expect(Set(cancel.leases) == Set(leases))
        #expect(cancel.reason == .draining)
        desk.end(leases[0], cancellation)
        let first = try #require(desk.takeReport())
        #expect(first.results == [.of(1, .released)])
        desk.accept(first)
        desk.advance(6 * MachineDesk.second)
        let second = try #require(desk.takeReport(), "the other heeds nothing")
        #expect(second.results == [.of(2, .released)])
        desk.accept(second)
        desk.fail(try #require(desk.takeGoodbye()))
        #expect(desk.takeEnd() == .drained(abandoned: 1, unreported: 0))
    }

    @Test func heartbeatsGoOnWhileItDrains() throws {
        let (desk, poll) = try MachineDesk.live()
        _ = try desk.grant(poll, [1])
        drain(desk)
        desk.advance(10 * MachineDesk.second)
        #expect(try #require(desk.takeHeartbeat()).running.count == 1)
    }

    @Test func aWorkerThatNeverRegisteredEndsAtOnce() throws {
        let desk = MachineDesk()
        desk.turn()
        desk.fail(try #require(desk.takeRegister()))
        drain(desk)
        #expect(desk.takeEnd() == .drained(abandoned: 0, unreported: 0))
    }

    @Test func aSessionThatOpensDuringTheDrainIsClosed() throws {
        let desk = MachineDesk()
        desk.turn()
        drain(desk)
        #expect(desk.takeEnd() == nil)
        try desk.register()
        #expect(desk.takePoll() == nil)
        #expect(desk.takeGoodbye() != nil)
    }

    @Test func withoutCoordinatorReportsAreGivenUpInTheEnd() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1])
        drain(desk)
        desk.complete(leases[0])
        let emptyAt = desk.now
        var turns = 0
        var end: WorkerEnd?
        while end == nil {
            if let report = desk.takeReport() { desk.fail(report.call) }
            if let poll = desk.takePoll() { desk.fail(poll.call) }
            if let beat = desk.takeHeartbeat() { desk.fail(beat.call) }
            end = desk.takeEnd()
            if end == nil { try desk.advanceToWake() }
            turns += 1
            try #require(turns < 500)
        }
        #expect(end == .drained(abandoned: 0, unreported: 1))
        #expect(desk.now - emptyAt == 5 * MachineDesk.second)
    }

    @Test func aSessionLostDuringTheDrainIsNotReplaced() throws {
        let (desk, poll) = try MachineDesk.live()
        let leases = try desk.grant(poll, [1])
        drain(desk)
        desk.advance(20 * MachineDesk.millisecond)
        desk.fail(try #require(desk.takePoll()).call, .sessionLost)
        #expect(desk.takeRegister() == nil)
        #expect(desk.takeCancel()?.leases == leases)
        desk.end(leases[0], cancellation)
        #expect(desk.takeEnd() == .drained(abandoned: 0, unreported: 0))
    }

    @Test(arguments: [true, false])
    func theServersOrderLetsEverythingEndThenTheWorkerGoes(byPoll: Bool) throws {
        let (desk, first) = try MachineDesk.live()
        var poll = first
        let leases = try desk.grant(poll, [1])
        desk.advance(10 * MachineDesk.second)
        poll = try #require(desk.takePoll()).call
        let beat = try #require(desk.takeHeartbeat())
        if byPoll {
            desk.beat(beat.call)
            desk.answer(poll, PollAnswer(drain: true))
        } else {
            desk.beat(beat.call, HeartbeatAnswer(drain: true))
        }
        desk.advance(20 * MachineDesk.millisecond)
        #expect(try #require(desk.takePoll()).request.freeSlots == 0)
        if !byPoll { desk.answer(poll) }
        desk.advance(600 * MachineDesk.second)
        #expect(desk.takeCancel()?.reason != .draining, "the server has set no time")
        desk.complete(leases[0])
        desk.accept(try #require(desk.takeReport()))
        let goodbye = try #require(desk.takeGoodbye())
        desk.machine.answered(goodbye, .saidGoodbye, now: desk.now)
        desk.turn()
        #expect(desk.takeEnd() == .drained(abandoned: 0, unreported: 0))
    }
}
