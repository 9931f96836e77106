// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import Testing

@Suite("Dispatch: which poll is answered when")
struct DispatchPollTests {
    @Test func aNewerPollSupersedesTheOlderWhichIsAnsweredEmptyAtOnce() {
        var bench = DispatchBench()
        #expect(bench.park(1) == [])
        #expect(bench.park(1) == [.answerEmpty(1)])
        #expect(bench.park(1) == [.answerEmpty(2)])
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [token(1)], now: 0).delivery == .answer(3))
    }

    @Test func whileALeaseIsWrittenTheGrantGoesToTheNewerPoll() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        #expect(bench.park(1) == [.answerEmpty(1)])
        #expect(bench.machine.demand() == nil, "jobs are on their way to it already")
        let settled = bench.machine.leaseSettled(session: worker(1), granted: [token(1)], now: 0)
        #expect(settled.delivery == .answer(2) && settled.actions == [])
    }

    @Test func whatTheRecordDidNotGrantLeavesThePollWaiting() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        let settled = bench.machine.leaseSettled(session: worker(1), granted: [], now: 0)
        #expect(settled.delivery == .waiting && settled.actions == [])
        #expect(bench.machine.assign([job(2)]) == [.lease(worker(1), [job(2)])])
    }

    /// A belt may name a job twice: what was leased to one session is given to the next, and the record refuses it.
    @Test(arguments: [false, true])
    func aJobThatTheRecordRefusesCostsItsSessionNoTurn(_ haveWorked: Bool) {
        var bench = DispatchBench()
        for session in 1...3 { bench.park(session) }
        if haveWorked {
            for session in 1...3 {
                #expect(bench.machine.assign([job(session)]) == [.lease(worker(session), [job(session)])])
                _ = bench.machine.leaseSettled(session: worker(session), granted: [token(session)], now: 0)
            }
            for session in 1...3 { bench.park(session) }
        }
        #expect(bench.machine.assign([job(9)]) == [.lease(worker(1), [job(9)])])
        _ = bench.machine.leaseSettled(session: worker(1), granted: [], now: 0)
        #expect(bench.machine.assign([job(4), job(5)]).count == 2)
        _ = bench.machine.leaseSettled(session: worker(1), granted: [token(4)], now: 0)
        _ = bench.machine.leaseSettled(session: worker(2), granted: [token(5)], now: 0)
        #expect(bench.machine.assign([job(6)]) == [.lease(worker(3), [job(6)])])
    }

    @Test func aPollWhoseTimeIsUpWhenNothingWasGrantedIsAnsweredEmpty() {
        var bench = DispatchBench()
        bench.park(1, deadline: 100)
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.expire(now: 100) == [], "its lease is being written")
        #expect(bench.machine.nextDeadline == nil)
        let settled = bench.machine.leaseSettled(session: worker(1), granted: [], now: 100)
        #expect(settled.delivery == .waiting && settled.actions == [.answerEmpty(1)])
    }

    @Test func pollsEndAtTheirDeadlineAndNotBefore() {
        var bench = DispatchBench()
        bench.park(1, deadline: 300)
        bench.park(2, deadline: 100)
        bench.park(3, deadline: 200)
        #expect(bench.machine.nextDeadline == 100)
        #expect(bench.machine.expire(now: 99) == [])
        #expect(bench.machine.expire(now: 200) == [.answerEmpty(2), .answerEmpty(3)])
        #expect(bench.machine.nextDeadline == 300)
        #expect(bench.machine.expire(now: 200) == [])
    }

    @Test func aPollThatWasWithdrawnIsAnsweredOnceAndGivenNoJobs() {
        var bench = DispatchBench()
        bench.park(1)
        #expect(bench.machine.withdraw(worker(1)) == [.answerEmpty(1)])
        #expect(bench.machine.withdraw(worker(1)) == [])
        #expect(bench.machine.assign([job(1)]) == [.putBack([job(1)])])
        #expect(bench.machine.expire(now: .max) == [] && bench.machine.stop() == [])
    }

    @Test func aPollForWhichALeaseIsBeingWrittenIsNotWithdrawnAndItsGrantIsFoundUndelivered() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.withdraw(worker(1)) == [])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [token(1)], now: 0).delivery == .answer(1))
        #expect(bench.machine.takeUndelivered(of: worker(1), named: []) == [token(1)])
    }

    @Test func stoppingAnswersEveryPollNowAndFromNowOn() {
        var bench = DispatchBench()
        bench.park(1)
        bench.park(2, free: 0)
        bench.park(3)
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.stop() == [.answerEmpty(2), .answerEmpty(3)])
        #expect(bench.machine.demand() == nil)
        #expect(bench.park(2) == [.answerEmpty(4)])
        let settled = bench.machine.leaseSettled(session: worker(1), granted: [token(1)], now: 0)
        #expect(settled.delivery == .answer(1), "what was granted is still delivered")
        #expect(bench.machine.stop() == [])
    }

    @Test func stoppingAnswersALeasingPollThatGotNothing() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.stop() == [])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [], now: 0).actions == [.answerEmpty(1)])
    }

    @Test func theEndOfASessionAnswersItsPollAndForgetsIt() {
        var bench = DispatchBench()
        bench.park(1)
        #expect(bench.machine.knows(worker(1)))
        #expect(bench.machine.sessionEnded(worker(1)) == [.answerEmpty(1)])
        #expect(!bench.machine.knows(worker(1)))
        #expect(bench.machine.sessionEnded(worker(1)) == [])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [token(1)], now: 0).delivery == .nobody)
    }
}

@Suite("Dispatch: grants that never arrived")
struct DispatchUndeliveredTests {
    /// A bench whose first worker was answered with jobs 1 and 2.
    private func delivered() -> DispatchBench {
        var bench = DispatchBench()
        bench.machine.sessionStarted(worker(1))
        bench.park(1, free: 2)
        _ = bench.machine.assign([job(1), job(2)])
        _ = bench.machine.leaseSettled(session: worker(1), granted: [token(1), token(2)], now: 0)
        return bench
    }

    @Test func whatTheNextPollDoesNotNameNeverArrived() {
        var bench = delivered()
        #expect(bench.machine.takeUndelivered(of: worker(1), named: [token(2)]) == [token(1)])
        #expect(bench.machine.takeUndelivered(of: worker(1), named: []) == [], "it is said once")
    }

    @Test func whatIsNamedArrived() {
        var bench = delivered()
        #expect(bench.machine.takeUndelivered(of: worker(1), named: [token(1), token(2), token(3)]) == [])
        #expect(bench.machine.takeUndelivered(of: worker(1), named: []) == [])
    }

    @Test func whatCouldNotBeReleasedIsFoundAgain() {
        var bench = delivered()
        let undelivered = bench.machine.takeUndelivered(of: worker(1), named: [])
        bench.machine.restoreUndelivered(undelivered, of: worker(1))
        #expect(bench.machine.takeUndelivered(of: worker(1), named: []) == [token(1), token(2)])
    }

    @Test func anotherAttemptOfTheJobIsAnotherGrant() {
        var bench = delivered()
        #expect(bench.machine.takeUndelivered(of: worker(1), named: [token(1, attempt: 2), token(2)]) == [token(1)])
    }

    @Test func anUnknownSessionHasNone() {
        var bench = delivered()
        #expect(bench.machine.takeUndelivered(of: worker(2), named: []) == [])
        bench.machine.restoreUndelivered([token(5)], of: worker(2))
        #expect(!bench.machine.knows(worker(2)))
        bench.machine.sessionStarted(worker(1))
        #expect(bench.machine.takeUndelivered(of: worker(1), named: []).count == 2, "a second start changes nothing")
    }
}

@Suite("Dispatch: cancellations and drain orders")
struct DispatchNewsTests {
    @Test func aNewCancellationAnswersTheParkedPollOnce() {
        var bench = DispatchBench()
        bench.park(1)
        #expect(bench.machine.cancelRequested(worker(1), token(5)) == [.answerEmpty(1)])
        #expect(bench.machine.news(for: worker(1)).cancelled == [token(5)])
        #expect(bench.park(1, cancelled: [token(5)]) == [], "it was told of it")
        #expect(bench.machine.cancelRequested(worker(1), token(5)) == [])
        #expect(bench.machine.news(for: worker(1)).cancelled == [token(5)], "every answer repeats it")
    }

    @Test func aCancellationThatTheSessionHasNotHeardOfAnswersThePollAsItComes() {
        var bench = DispatchBench()
        #expect(bench.park(1, cancelled: [token(5)]) == [.answerEmpty(1)])
        _ = bench.machine.news(for: worker(1))
        #expect(bench.park(1, cancelled: [token(5)]) == [])
        #expect(bench.park(1, cancelled: [token(5), token(6)]) == [.answerEmpty(2), .answerEmpty(3)])
    }

    @Test func aCancellationThatEndedIsForgotten() {
        var bench = DispatchBench()
        bench.park(1, cancelled: [token(5)])
        _ = bench.machine.news(for: worker(1))
        #expect(bench.park(1, cancelled: []) == [])
        #expect(bench.machine.news(for: worker(1)).cancelled == [])
        #expect(
            bench.park(1, cancelled: [token(5)]) == [.answerEmpty(2), .answerEmpty(3)],
            "the same one again is new"
        )
    }

    @Test func aPollWithoutFreeSlotsHearsOfCancellations() {
        var bench = DispatchBench()
        bench.park(1, free: 0)
        #expect(bench.machine.cancelRequested(worker(1), token(5)) == [.answerEmpty(1)])
    }

    @Test func aDrainOrderAnswersTheParkedPollOnce() {
        var bench = DispatchBench()
        bench.park(1)
        #expect(bench.machine.drainRequested(worker(1)) == [.answerEmpty(1)])
        #expect(bench.machine.news(for: worker(1)).isDraining)
        #expect(bench.park(1, isDraining: true) == [])
        #expect(bench.machine.drainRequested(worker(1)) == [])
        #expect(bench.machine.news(for: worker(1)).isDraining, "every answer repeats it")
    }

    @Test func aDrainOrderFromTheRecordAnswersThePollAsItComes() {
        var bench = DispatchBench()
        #expect(bench.park(1, isDraining: true) == [.answerEmpty(1)])
        _ = bench.machine.news(for: worker(1))
        #expect(bench.park(1, isDraining: true) == [])
    }

    @Test func newsThatComesWhileALeaseIsWrittenGoesWithItsAnswer() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        #expect(bench.machine.cancelRequested(worker(1), token(5)) == [])
        #expect(bench.machine.drainRequested(worker(1)) == [])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [token(1)], now: 0).delivery == .answer(1))
        let news = bench.machine.news(for: worker(1))
        #expect(news.cancelled == [token(5)] && news.isDraining)
    }

    @Test func newsThatComesWhileALeaseIsWrittenAnswersThePollThatGotNothing() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        _ = bench.machine.cancelRequested(worker(1), token(5))
        let settled = bench.machine.leaseSettled(session: worker(1), granted: [], now: 0)
        #expect(settled.delivery == .waiting && settled.actions == [.answerEmpty(1)])
    }

    @Test func newsThatNobodyHasHeardWaitsForALeasingPollThatIsSuperseded() {
        var bench = DispatchBench()
        bench.park(1)
        _ = bench.machine.assign([job(1)])
        #expect(bench.park(1, cancelled: [token(5)]) == [.answerEmpty(1)])
        #expect(bench.machine.leaseSettled(session: worker(1), granted: [], now: 0).actions == [.answerEmpty(2)])
    }

    @Test func newsOfUnknownSessionsIsNothing() {
        var bench = DispatchBench()
        #expect(bench.machine.cancelRequested(worker(1), token(1)) == [])
        #expect(bench.machine.drainRequested(worker(1)) == [])
        #expect(bench.machine.news(for: worker(1)).cancelled == [] && !bench.machine.knows(worker(1)))
    }
}
