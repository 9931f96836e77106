// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import Testing

@Suite("Dispatch: the short way, before a poll is parked")
struct DispatchAtOnceTests {
    private func bench() -> DispatchBench {
        var bench = DispatchBench()
        for number in 1...3 { bench.machine.sessionStarted(worker(number)) }
        return bench
    }

    @Test func onlyAKnownSessionWhomNobodyWaitsBeforeIsServedAtOnce() {
        var bench = bench()
        #expect(bench.machine.canServeAtOnce(worker(1)))
        #expect(!bench.machine.canServeAtOnce(worker(9)), "what it holds is not known")
        bench.park(2)
        #expect(!bench.machine.canServeAtOnce(worker(1)), "another waits")
        #expect(bench.machine.withdraw(worker(2)).count == 1)
        #expect(bench.machine.canServeAtOnce(worker(1)))
    }

    @Test func aPollWithoutFreeSlotsStandsInNobodysWay() {
        var bench = bench()
        bench.park(2, free: 0)
        #expect(bench.machine.canServeAtOnce(worker(1)))
        #expect(!bench.machine.canServeAtOnce(worker(2)), "it would supersede its own")
    }

    @Test func aDrainingSessionAndAStoppingServerServeNobodyAtOnce() {
        var bench = bench()
        _ = bench.machine.drainRequested(worker(1))
        #expect(!bench.machine.canServeAtOnce(worker(1)) && bench.machine.canServeAtOnce(worker(2)))
        _ = bench.machine.stop()
        #expect(!bench.machine.canServeAtOnce(worker(2)))
    }

    @Test func whoWasServedAtOnceGoesToTheEndOfTheLine() {
        var bench = bench()
        bench.machine.servedAtOnce(worker(1), [token(1), token(2)])
        bench.park(1)
        bench.park(2)
        #expect(bench.give(job(3)) == worker(2))
        #expect(bench.give(job(4)) == worker(1))
    }

    @Test func nothingGrantedLeavesThePlaceInTheLine() {
        var bench = bench()
        bench.machine.servedAtOnce(worker(1), [])
        bench.park(1)
        bench.park(2)
        #expect(bench.give(job(3)) == worker(1))
    }

    @Test func whatWasGivenAtOnceMustBeNamedLikeAnyGrant() {
        var bench = bench()
        bench.machine.servedAtOnce(worker(1), [token(1), token(2)])
        #expect(bench.machine.takeUndelivered(of: worker(1), named: [token(2)]) == [token(1)])
    }

    @Test func newsOfTheRenewalGoesWithTheAnswer() {
        var bench = bench()
        bench.machine.note(cancelled: [token(5)], isDraining: true, for: worker(1))
        let news = bench.machine.news(for: worker(1))
        #expect(news.cancelled == [token(5)] && news.isDraining)
        #expect(bench.park(1, cancelled: [token(5)], isDraining: true) == [], "it was told")
    }

    @Test func anEndedSessionIsNotBroughtBack() {
        var bench = bench()
        _ = bench.machine.sessionEnded(worker(1))
        bench.machine.servedAtOnce(worker(1), [token(1)])
        bench.machine.note(cancelled: [token(5)], isDraining: true, for: worker(1))
        #expect(!bench.machine.knows(worker(1)))
    }
}
