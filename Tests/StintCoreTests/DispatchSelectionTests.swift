// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import Testing

@Suite("Dispatch: who gets the next job")
struct DispatchSelectionTests {
    @Test(arguments: 1...3)
    func jobsGoRoundTheWorkersOneByOne(slots: Int) {
        var bench = DispatchBench()
        for number in 1...3 { bench.park(number, free: slots) }
        let actions = bench.machine.assign((1...3 * slots).map { job($0) })
        let expected = (1...3).map { number in
            DispatchMachine.Action.lease(worker(number), (0..<slots).map { job(number + 3 * $0) })
        }
        #expect(actions == expected)
    }

    @Test(arguments: 1...3)
    func theLeastRecentlyAssignedIsServedFirstWheneverItAsks(slots: Int) {
        var bench = DispatchBench()
        for number in 1...4 { bench.park(number, free: slots) }
        #expect((1...4).map { bench.give(job($0)) } == (1...4).map { worker($0) })
        for number in [3, 1, 4, 2] { bench.park(number, free: slots) }
        #expect((5...8).map { bench.give(job($0)) } == (1...4).map { worker($0) })
    }

    @Test func sessionsNeverGivenAJobComeFirstInTheOrderTheyParked() {
        var bench = DispatchBench()
        bench.park(1)
        #expect(bench.give(job(1)) == worker(1))
        for number in [1, 9, 5] { bench.park(number) }
        #expect((2...4).map { bench.give(job($0)) } == [worker(9), worker(5), worker(1)])
    }

    @Test func aNewcomerGetsOneJobPerRound() {
        var bench = DispatchBench()
        for number in 1...2 { bench.park(number, free: 4) }
        for round in 1...2 { _ = bench.machine.assign([job(round)]) }
        for number in 1...2 {
            _ = bench.machine.leaseSettled(session: worker(number), granted: [token(number)], now: 0)
        }
        for number in 1...2 { bench.park(number, free: 4) }
        bench.park(3, free: 4)
        let actions = bench.machine.assign((11...19).map { job($0) })
        #expect(
            actions == [
                .lease(worker(3), [job(11), job(14), job(17)]), .lease(worker(1), [job(12), job(15), job(18)]),
                .lease(worker(2), [job(13), job(16), job(19)]),
            ]
        )
    }

    @Test func noWorkerGetsMoreJobsThanItHasFreeSlots() {
        var bench = DispatchBench()
        bench.park(1, free: 2)
        bench.park(2, free: 1)
        let actions = bench.machine.assign((1...5).map { job($0) })
        #expect(
            actions == [
                .lease(worker(1), [job(1), job(3)]), .lease(worker(2), [job(2)]), .putBack([job(4), job(5)]),
            ]
        )
    }

    @Test func aPollWithoutFreeSlotsIsGivenNothing() {
        var bench = DispatchBench()
        bench.park(1, free: 0)
        #expect(bench.machine.demand() == nil)
        #expect(bench.machine.assign([job(1)]) == [.putBack([job(1)])])
        #expect(bench.machine.expire(now: 1000) == [.answerEmpty(1)])
    }

    @Test func namesAndQueuesAreServedByThoseWhoKnowThem() {
        var bench = DispatchBench()
        bench.park(1, names: ["mail"])
        bench.park(2, queues: ["other"])
        bench.park(3)
        #expect(
            bench.machine.assign([job(1), job(2, .mail)]) == [
                .lease(worker(3), [job(1)]), .lease(worker(1), [job(2, .mail)]),
            ]
        )
        #expect(
            bench.machine.assign([job(3, Lane(queue: "other", name: "x"))]) == [
                .lease(worker(2), [job(3, Lane(queue: "other", name: "x"))])
            ]
        )
    }

    @Test func aJobNobodyServesIsPutBackAndHoldsNobodyUp() {
        var bench = DispatchBench()
        bench.park(1, free: 2, names: ["work"])
        #expect(
            bench.machine.assign([job(1, .mail), job(2), job(3, .mail), job(4)]) == [
                .lease(worker(1), [job(2), job(4)]), .putBack([job(1, .mail), job(3, .mail)]),
            ]
        )
    }

    @Test func demandIsTheLanesAndSlotsOfThoseWhoWait() throws {
        var bench = DispatchBench()
        #expect(bench.machine.demand() == nil)
        bench.park(1, free: 2, names: ["work"])
        bench.park(2, free: 3, names: ["work"])
        bench.park(3, free: 4, names: ["mail"])
        bench.park(4, free: 0, names: ["other"])
        let demand = try #require(bench.machine.demand())
        #expect(demand.slots == 9)
        #expect(Set(demand.lanes.map(\.jobNames)) == [["work"], ["mail"]])
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.demand()?.slots == 7, "a poll whose lease is being written asks for no more")
    }

    @Test func aDrainingSessionIsGivenNothing() {
        var bench = DispatchBench()
        bench.park(1, isDraining: true)
        #expect(bench.machine.assign([job(1)]) == [.putBack([job(1)])])
        bench.park(2)
        _ = bench.machine.drainRequested(worker(2))
        bench.park(2)
        #expect(bench.machine.assign([job(1)]) == [.putBack([job(1)])])
    }

    @Test func onlyWhatWasGrantedCountsAsAnAssignment() {
        var bench = DispatchBench()
        bench.park(1)
        bench.park(2)
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [], now: 0).delivery == .waiting)
        #expect(bench.give(job(2)) == worker(1))
        #expect(bench.give(job(3)) == worker(2))
    }
}
