// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle
import StintModel
import StintStorage
import StintTestKit
import Testing

@testable import StintCoordinator

@Suite("The Timekeeper")
struct TimekeeperTests {
    private func timekeeper(_ bench: CoordinatorBench) -> Timekeeper {
        Timekeeper(recorder: bench.coordinator.recorder, store: bench.store, environment: bench.environment)
    }

    /// With the recorder alone: nothing else moves jobs on.
    private func recording<Value: Sendable>(
        _ bench: CoordinatorBench,
        _ body: () async throws -> Value
    ) async throws -> Value {
        try await running([bench.coordinator.recorder], body)
    }

    @Test func withNothingScheduledItSleepsUntilTold() async throws {
        let bench = CoordinatorBench()
        try await recording(bench) {
            #expect(try await timekeeper(bench).runOnce() == nil)
            try await bench.submit()
            #expect(try await timekeeper(bench).runOnce() == nil)
        }
    }

    @Test func itPromotesWhatIsDueAndSaysWhenTheNextOneIs() async throws {
        let bench = CoordinatorBench()
        try await recording(bench) {
            let early = try await bench.submit { $0.schedule = .after(.seconds(2)) }
            let late = try await bench.submit { $0.schedule = .after(.seconds(5)) }
            #expect(try await timekeeper(bench).runOnce() == .seconds(2))
            bench.time.advance(seconds: 2)
            #expect(try await timekeeper(bench).runOnce() == .seconds(3))
            #expect(try await bench.state(early) == .available)
            #expect(try await bench.state(late) == .scheduled)
        }
    }

    @Test func itLooksAgainAfterHalfAMinuteAtTheLatest() async throws {
        let bench = CoordinatorBench()
        try await recording(bench) {
            try await bench.submit { $0.schedule = .after(.seconds(86_400)) }
            #expect(try await timekeeper(bench).runOnce() == .seconds(30))
        }
    }

    @Test func moreThanOneTransactionsWorthIsPromotedAtOnce() async throws {
        let bench = CoordinatorBench()
        try await recording(bench) {
            var jobs: [NewJob] = []
            for _ in 0..<2500 { jobs.append(try await bench.newJob { $0.schedule = .after(.seconds(1)) }) }
            _ = try await bench.coordinator.submit(jobs, idempotency: nil)
            bench.time.advance(seconds: 1)
            #expect(try await timekeeper(bench).runOnce() == nil)
            #expect(try await bench.coordinator.queue("default").counts == [.available: 2500])
        }
    }

    @Test func runningItWakesForAnEarlierJobThanItSleepsTowards() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            try await bench.submit { $0.schedule = .after(.seconds(25)) }
            try await until("it sleeps") { bench.time.deadlines.contains(25_000_000_000) }
            let early = try await bench.submit { $0.schedule = .after(.seconds(3)) }
            try await until("it sleeps less") { bench.time.deadlines.contains(3_000_000_000) }
            bench.time.advance(seconds: 3)
            try await until("the job is available") { try await bench.state(early) == .available }
        }
    }

    @Test func aJobThatComesDueAnswersAParkedPoll() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit { $0.schedule = .after(.seconds(3)) }
            async let polled = bench.poll(worker)
            try await bench.untilParked()
            try await until("the timekeeper sleeps") { bench.time.deadlines.contains(3_000_000_000) }
            bench.time.advance(seconds: 3)
            #expect(try await polled.jobs.map(\.token.jobID) == [id])
        }
    }
}

@Suite("Sweeping waits after an outage, so that live workers can renew first")
struct SweepGraceTests {
    private static let second: Int64 = 1_000_000_000

    private func grace() -> SweepGrace {
        SweepGrace(settings: CoordinatorSettings(), environment: CoordinatorBench().environment)
    }

    @Test func nothingIsSweptBeforeTheRecordWasSeen() {
        let grace = grace()
        #expect(grace.isUnset && !grace.allowsSweeping(at: .max))
    }

    @Test func aRecordWithoutSessionsIsSweptAtOnce() {
        let grace = grace()
        grace.recordCameBack(at: 5 * Self.second, wasAwayFor: nil)
        #expect(!grace.isUnset && grace.allowsSweeping(at: 5 * Self.second))
    }

    @Test(arguments: [(5.0, 5.0), (29, 29), (3600, 30), (-10, 0)])
    func afterAStartItWaitsAsLongAsTheRecordWasAwayAndALeaseAtMost(_ away: Double, _ wait: Double) {
        let grace = grace()
        grace.recordCameBack(at: 0, wasAwayFor: .seconds(away))
        let end = Int64(wait * 1e9)
        #expect(grace.allowsSweeping(at: end))
        #expect(wait == 0 || !grace.allowsSweeping(at: end - 1))
    }

    @Test func afterAnOutageItWaitsForItsLengthAndOneSweep() {
        let grace = grace()
        grace.recordCameBack(at: 0, wasAwayFor: nil)
        grace.recordFailed(at: 10 * Self.second)
        grace.recordFailed(at: 12 * Self.second)
        #expect(!grace.allowsSweeping(at: 14 * Self.second))
        grace.recordAnswered(at: 15 * Self.second)
        #expect(!grace.allowsSweeping(at: 21 * Self.second - 1))
        #expect(grace.allowsSweeping(at: 21 * Self.second))
    }

    @Test func afterALongOutageItWaitsForALease() {
        let grace = grace()
        grace.recordCameBack(at: 0, wasAwayFor: nil)
        grace.recordFailed(at: 0)
        grace.recordAnswered(at: 3600 * Self.second)
        #expect(!grace.allowsSweeping(at: 3630 * Self.second - 1))
        #expect(grace.allowsSweeping(at: 3630 * Self.second))
    }

    @Test func withoutAnOutageNothingChanges() {
        let grace = grace()
        grace.recordCameBack(at: 0, wasAwayFor: nil)
        grace.recordAnswered(at: 10 * Self.second)
        #expect(grace.allowsSweeping(at: 0))
    }
}

@Suite("The Sweeper and the Pruner")
struct SweeperTests {
    /// Lets the sweeper come round; while the record is away it comes rarely.
    private func pass(_ bench: CoordinatorBench, seconds: Double, within: Double = 1) async throws {
        let next = bench.time.now() + Int64(within * 1e9)
        try await until("the sweeper sleeps") { bench.time.deadlines.contains { $0 <= next } }
        bench.time.advance(seconds: seconds)
    }

    @Test func aLostSessionGivesItsJobBackWithinLeaseAndSweep() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            #expect(try await bench.poll(worker).jobs.count == 1)
            for _ in 1...29 { try await pass(bench, seconds: 1) }
            #expect(try await bench.state(id) == .running)
            for _ in 1...2 { try await pass(bench, seconds: 1) }
            try await until("the job is available") { try await bench.state(id) == .available }
            let job = try await bench.coordinator.job(id)
            #expect(job.losses == 1 && job.failures == 0)
            await #expect(throws: ServiceError.sessionLost) { try await bench.poll(worker) }
        }
    }

    @Test func aSessionThatRenewsIsKept() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            for _ in 1...60 {
                try await pass(bench, seconds: 1)
                #expect(try await bench.coordinator.heartbeat(worker, [(token, nil)]).verdicts == [.ok])
            }
            #expect(try await bench.state(id) == .running)
        }
    }

    @Test func anAttemptOverItsTimeFails() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit { $0.options.timeout = .seconds(5) }
            let token = try #require(try await bench.poll(worker).jobs.first).token
            for _ in 1...6 { try await pass(bench, seconds: 1) }
            try await until("the job waits again") { try await bench.state(id) == .scheduled }
            #expect(try await bench.coordinator.heartbeat(worker, [(token, nil)]).verdicts == [.lost])
            #expect(try await bench.coordinator.report(worker, [(token, .success)]) == [.leaseLost])
        }
    }

    @Test func aJobThatWasNotStartedInTimeExpires() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let id = try await bench.submit { $0.startWithin = .seconds(3) }
            for _ in 1...5 { try await pass(bench, seconds: 1) }
            try await until("the job is expired") { try await bench.state(id) == .expired }
        }
    }

    @Test func afterAnOutageTheWorkerMayRenewFirst() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            bench.store.goAway()
            for _ in 1...40 { try await pass(bench, seconds: 1, within: 6) }
            bench.store.comeBack()
            let sweeps = bench.store.batches.count
            for _ in 1...8 { try await pass(bench, seconds: 1, within: 6) }
            try await until("the record is asked again") { bench.store.batches.count > sweeps + 2 }
            #expect(try await bench.state(id) == .running)
            #expect(try await bench.coordinator.heartbeat(worker, [(token, nil)]).verdicts == [.ok])
        }
    }

    @Test func whatEndedIsDeletedWhenItsRetentionIsOver() async throws {
        let bench = CoordinatorBench { $0.retention = .seconds(120) }
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            #expect(try await bench.coordinator.report(worker, [(token, .success)]) == [.accepted])
            try await until("the pruner sleeps") { bench.time.deadlines.contains(60_000_000_000) }
            bench.time.advance(seconds: 60)
            try await until("the pruner sleeps") { bench.time.deadlines.contains(120_000_000_000) }
            #expect(try await bench.state(id) == .completed)
            bench.time.advance(seconds: 60)
            try await until("the job is gone") { try await bench.store.job(id) == nil }
        }
    }
}

@Suite("Services outlive an outage of the record")
struct OutageTests {
    @Test func eachLoopSaysSoOnceAndSaysWhenItWorksAgain() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            bench.store.goAway()
            for _ in 1...40 {
                bench.time.advance(seconds: 1)
                _ = await comesTrue(turns: 50) { false }
            }
            bench.store.comeBack()
            for _ in 1...10 {
                bench.time.advance(seconds: 1)
                _ = await comesTrue(turns: 50) { false }
            }
            try await until("the sweeper works again") {
                bench.log.lines.contains { $0.message == "sweeper: works again" }
            }
            for loop in ["sweeper", "reconciler"] {
                let failed = bench.log.lines.count { $0.message == "\(loop): failed, will go on trying" }
                let works = bench.log.lines.count { $0.message == "\(loop): works again" }
                #expect(failed == 1 && works == 1, "\(loop)")
            }
            let id = try await bench.submit()
            let worker = try await bench.register()
            #expect(try await bench.poll(worker).jobs.map(\.token.jobID) == [id])
        }
    }

    @Test func callersHearOfItInWordsTheyCanActOn() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let job = try await bench.newJob()
            bench.store.goAway()
            await #expect(throws: ServiceError.unavailable("the record is unavailable: gone for a test")) {
                try await bench.coordinator.submit([job], idempotency: nil)
            }
            await #expect(throws: ServiceError.unavailable("the record is unavailable: gone for a test")) {
                try await bench.coordinator.job(job.id)
            }
            bench.store.comeBack()
            bench.store.apply { _ in .losesAnswer }
            await #expect {
                try await bench.coordinator.submit([job], idempotency: nil)
            } throws: { error in
                guard case .unknownOutcome = error as? ServiceError else { return false }
                return true
            }
            bench.store.comeBack()
            #expect(try await bench.state(job.id) == .available, "it had been done")
        }
    }
}

@Suite("The Refiller")
struct RefillerTests {
    @Test func jobsFromBeforeTheStartAreOnTheBelt() async throws {
        let bench = CoordinatorBench()
        _ = try await bench.store.perform([
            .submit(Submission(jobs: [NewJob(id: JobID(high: 5, low: 5), lane: .work, payload: [])]))
        ])
        try await bench.run {
            let worker = try await bench.register()
            #expect(try await bench.poll(worker).jobs.map(\.token.jobID) == [JobID(high: 5, low: 5)])
        }
    }

    @Test func aLaneTheBeltLostIsFoundWithinAReconciliation() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker)
            try await bench.untilParked()
            try await until("the reconciler sleeps") { bench.time.deadlines.contains(10_000_000_000) }
            // As another process would: this one's belt never hears of it.
            _ = try await bench.store.perform([
                .submit(Submission(jobs: [NewJob(id: JobID(high: 5, low: 5), lane: .work, payload: [])]))
            ])
            bench.time.advance(seconds: 10)
            #expect(try await polled.jobs.map(\.token.jobID) == [JobID(high: 5, low: 5)])
        }
    }

    @Test func aRefillThatFailsIsTriedAgain() async throws {
        let bench = CoordinatorBench(window: 4)
        try await bench.run {
            var jobs: [NewJob] = []
            for _ in 0..<40 { jobs.append(try await bench.newJob()) }
            let ids = try await bench.coordinator.submit(jobs, idempotency: nil).ids
            let worker = try await bench.register(concurrency: 40)
            let first = try await bench.poll(worker, free: 4).jobs.map(\.token)
            bench.store.failReads()
            let next = try await bench.poll(worker, free: 40, wait: 0, running: first).jobs.map(\.token)
            bench.store.comeBack()
            var given = first + next
            while given.count < ids.count {
                bench.time.advance(seconds: 1)
                given += try await bench.poll(worker, free: 40, wait: 0, running: given).jobs.map(\.token)
                await Task.yield()
            }
            #expect(given.map(\.jobID) == ids)
        }
    }
}
