// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
import StintTestKit
import Testing

@testable import StintCoordinator

/// A job's change, as far as the observers look at it.
private func change(
    _ from: JobState?,
    _ to: JobState?,
    _ outcome: AttemptOutcome? = nil,
    id: JobID = JobID(high: 1, low: 1)
) -> JobChange {
    JobChange(
        id: id,
        lane: .work,
        from: from,
        to: to,
        attempt: 1,
        priority: 0,
        createdAt: ManualTime.epoch,
        runAt: ManualTime.epoch,
        at: ManualTime.epoch,
        outcome: outcome
    )
}

@Suite("Rates over the last minutes")
struct RateMeterTests {
    private func submits(_ count: Int) -> RecordBatch {
        RecordBatch(changes: Array(repeating: change(nil, .available), count: count))
    }

    @Test func aSteadyRateIsTheSameOverEverySpan() {
        let time = ManualTime()
        let meter = RateMeter(time: time)
        for _ in 0..<1800 {
            meter.add(JobCounts(submits(7)))
            time.advance(seconds: 1)
        }
        let rates = meter.rates(.submitted)
        #expect(rates == RateMeter.Rates(oneMinute: 7, fiveMinutes: 7, fifteenMinutes: 7))
    }

    @Test func aYoungProcessCountsOverItsOwnAge() {
        let time = ManualTime()
        let meter = RateMeter(time: time)
        meter.add(JobCounts(submits(20)))
        time.advance(seconds: 10)
        #expect(meter.rates(.submitted) == RateMeter.Rates(oneMinute: 2, fiveMinutes: 2, fifteenMinutes: 2))
    }

    @Test func aBurstLeavesTheShortSpanFirst() {
        let time = ManualTime()
        let meter = RateMeter(time: time)
        time.advance(seconds: 2000)
        meter.add(JobCounts(submits(600)))
        time.advance(seconds: 60)
        #expect(meter.rates(.submitted).oneMinute == 10)
        time.advance(seconds: 1)
        #expect(meter.rates(.submitted).oneMinute == 0 && meter.rates(.submitted).fiveMinutes == 2)
        time.advance(seconds: 240)
        #expect(meter.rates(.submitted).fiveMinutes == 0 && meter.rates(.submitted).fifteenMinutes > 0.6)
        time.advance(seconds: 600)
        #expect(meter.rates(.submitted).fifteenMinutes == 0)
    }

    @Test func aLongSilenceClearsEverything() {
        let time = ManualTime()
        let meter = RateMeter(time: time)
        meter.add(JobCounts(submits(600)))
        time.advance(seconds: 1_000_000)
        #expect(meter.rates(.submitted) == RateMeter.Rates(oneMinute: 0, fiveMinutes: 0, fifteenMinutes: 0))
        meter.add(JobCounts(submits(60)))
        time.advance(seconds: 1)
        #expect(meter.rates(.submitted).oneMinute == 1)
    }

    @Test func timeOutsCountAsFailuresAndLossesDoNot() {
        let time = ManualTime()
        let meter = RateMeter(time: time)
        let outcomes: [AttemptOutcome] = [.completed, .failed, .timedOut, .lost, .released, .snoozed, .cancelled]
        meter.add(JobCounts(RecordBatch(changes: outcomes.map { change(.running, .scheduled, $0) })))
        time.advance(seconds: 1)
        #expect(meter.rates(.completed).oneMinute == 1)
        #expect(meter.rates(.failed).oneMinute == 2)
        #expect(meter.rates(.submitted).oneMinute == 0)
    }

    @Test func theSecondThatIsNotOverIsNotCounted() {
        let time = ManualTime()
        let meter = RateMeter(time: time)
        time.advance(seconds: 100)
        meter.add(JobCounts(submits(60)))
        #expect(meter.rates(.submitted).oneMinute == 0)
        time.advance(seconds: 1)
        #expect(meter.rates(.submitted).oneMinute == 1)
    }
}

@Suite("Waiting for a job's end")
struct ResultWaitersTests {
    private static let id = JobID(high: 1, low: 1)
    private static let deadline: Int64 = 30_000_000_000

    private func ended(_ state: JobState? = .completed, id: JobID = id) -> RecordBatch {
        RecordBatch(changes: [change(.running, state, .completed, id: id)])
    }

    @Test(arguments: [.completed, .dead, .cancelled, .expired, nil] as [JobState?])
    func theEndOfTheJobWakesEveryWaiter(_ state: JobState?) async throws {
        let (waiters, time) = (ResultWaiters(), ManualTime())
        await withTaskGroup(of: Void.self) { group in
            for _ in 1...5 {
                group.addTask { await waiters.wait(for: Self.id, until: Self.deadline, time) { true } }
            }
            group.addTask {
                // Told again and again, because nothing tells when all five wait.
                while !Task.isCancelled {
                    waiters.observe(ended(state))
                    await Task.yield()
                }
            }
            for _ in 1...5 { await group.next() }
            group.cancelAll()
        }
        #expect(time.deadlines.isEmpty, "nobody sleeps on, though time stood still")
    }

    @Test func otherJobsAndOtherMovesWakeNobody() async throws {
        let (waiters, time) = (ResultWaiters(), ManualTime())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await waiters.wait(for: Self.id, until: Self.deadline, time) { true } }
            try await until("it waits") { !time.deadlines.isEmpty }
            waiters.observe(ended(id: JobID(high: 2, low: 2)))
            let isWokenByOthers = await comesTrue(turns: 500) { time.deadlines.isEmpty }
            #expect(!isWokenByOthers)
            waiters.observe(RecordBatch(changes: [change(.running, .scheduled, .failed)]))
            let isWokenByMoves = await comesTrue(turns: 500) { time.deadlines.isEmpty }
            #expect(!isWokenByMoves)
            time.advance(seconds: 30)
            try await group.waitForAll()
        }
    }

    @Test func anEndBeforeTheWaitNeedsNoWait() async {
        let (waiters, time) = (ResultWaiters(), ManualTime())
        await waiters.wait(for: Self.id, until: Self.deadline, time) { false }
        #expect(time.deadlines.isEmpty)
    }

    @Test func anEndWhileItIsAskedWhetherToWaitIsNotMissed() async throws {
        let (waiters, time) = (ResultWaiters(), ManualTime())
        var missed = 0
        for _ in 0..<50 {
            let isDone = try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    await waiters.wait(for: Self.id, until: time.now() + Self.deadline, time) {
                        waiters.observe(ended())
                        return true
                    }
                    return true
                }
                group.addTask {
                    _ = await comesTrue(turns: 1000) { Task.isCancelled }
                    return false
                }
                let isDone = try await group.next() ?? false
                group.cancelAll()
                try await group.waitForAll()
                return isDone
            }
            if !isDone { missed += 1 }
        }
        #expect(missed == 0)
    }

    @Test func aCancelledWaitEndsAndLeavesNothingBehind() async throws {
        let (waiters, time) = (ResultWaiters(), ManualTime())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await waiters.wait(for: Self.id, until: Self.deadline, time) { true } }
            try await until("it waits") { !time.deadlines.isEmpty }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(time.deadlines.isEmpty)
        waiters.observe(ended())
    }

    @Test func stoppingWakesEverybodyNowAndFromNowOn() async throws {
        let (waiters, time) = (ResultWaiters(), ManualTime())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await waiters.wait(for: Self.id, until: Self.deadline, time) { true } }
            try await until("it waits") { !time.deadlines.isEmpty }
            waiters.stop()
            try await group.waitForAll()
        }
        await waiters.wait(for: Self.id, until: Self.deadline, time) { true }
        #expect(time.deadlines.isEmpty)
    }

    @Test func theResultOfAJobIsWaitedForThroughTheCoordinator() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            async let result = bench.coordinator.result(of: id, wait: .seconds(25))
            try await until("it waits") { bench.time.deadlines.contains(25_000_000_000) }
            _ = try await bench.coordinator.report(worker, [(token, .success)])
            #expect(try await result.state == .completed)
            #expect(try await bench.coordinator.result(of: id, wait: .seconds(25)).result == Array("1".utf8))
        }
    }
}
