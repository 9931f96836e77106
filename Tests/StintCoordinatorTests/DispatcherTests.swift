// SPDX-License-Identifier: Apache-2.0

import StintMemoryStore
import StintModel
import StintStorage
import StintTestKit
import Testing

@testable import StintCoordinator

@Suite("The dispatcher, with polls and a record")
struct DispatcherTests {
    @Test func aSubmittedJobAnswersTheParkedPoll() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker)
            try await bench.untilParked()
            let id = try await bench.submit()
            let result = try await polled
            #expect(result.jobs.map(\.token.jobID) == [id])
            #expect(result.jobs[0].token.attempt == 1)
            let job = try await bench.coordinator.job(id)
            #expect(job.state == .running && job.lease?.worker == worker)
        }
    }

    @Test func aWaitingJobAnswersThePollAtOnceInOneTransaction() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let ids = [try await bench.submit(), try await bench.submit()]
            let before = bench.store.batches.count
            let result = try await bench.poll(worker, free: 5)
            #expect(result.jobs.map(\.token.jobID) == ids)
            #expect(bench.store.batches.count == before + 1)
        }
    }

    @Test func aPollWithNothingToDoIsAnsweredEmptyAtItsDeadline() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker, wait: 20)
            try await bench.untilParked()
            bench.time.advance(seconds: 19.9)
            try await bench.untilParked(wait: 0.1)
            bench.time.advance(seconds: 0.1)
            let result = try await polled
            #expect(result.jobs.isEmpty && result.cancelled.isEmpty && !result.isDraining)
        }
    }

    @Test func jobsGoRoundTheParkedWorkers() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            var workers: [WorkerID] = []
            for _ in 1...3 { workers.append(try await bench.register()) }
            for round in 0..<2 {
                try await withThrowingTaskGroup(of: (WorkerID, Int).self) { group in
                    for (index, worker) in workers.enumerated() {
                        let wait = Double(30 - index)
                        group.addTask { (worker, try await bench.poll(worker, free: 2, wait: wait).jobs.count) }
                        try await bench.untilParked(wait: wait)
                    }
                    for _ in 1...3 { try await bench.submit() }
                    for try await (worker, jobs) in group { #expect(jobs == 1, "round \(round): \(worker)") }
                }
                for worker in workers { try await bench.finishAll(of: worker) }
            }
        }
    }

    @Test func aJobThatTheRecordDoesNotLeaseIsNotGivenAndTheNextOneIs() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let ghost = ReadyJob(lane: .work, order: ServingOrder(key: 0, id: JobID(high: 9, low: 9)))
            try await bench.belt.put([ghost])
            async let polled = bench.poll(worker)
            try await until("the ghost was refused") { bench.leaseCommands == 1 }
            let id = try await bench.submit()
            #expect(try await polled.jobs.map(\.token.jobID) == [id])
        }
    }

    @Test func aPausedQueueGivesNothingUntilItIsResumed() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            _ = try await bench.coordinator.pause("default", by: "ann")
            let id = try await bench.submit()
            async let polled = bench.poll(worker)
            try await bench.untilParked()
            #expect(await !comesTrue(turns: 200) { bench.leaseCommands > 0 })
            _ = try await bench.coordinator.resume("default")
            #expect(try await polled.jobs.map(\.token.jobID) == [id])
        }
    }

    @Test func aQueueThatWasPausedAtTheStartGivesNothing() async throws {
        let bench = CoordinatorBench()
        _ = try await bench.store.perform([.pause(queue: "default", by: "ann")])
        try await bench.run {
            let worker = try await bench.register()
            try await bench.submit()
            #expect(try await bench.poll(worker, wait: 0).jobs.isEmpty)
            #expect(bench.leaseCommands == 0)
        }
    }

    @Test func aJobRefusedBecauseOfAPauseIsServedInItsPlaceAfterIt() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let first = try await bench.submit()
            // Another coordinator's pause: this one hears of it by the refusal.
            _ = try await bench.store.perform([.pause(queue: "default", by: "ann")])
            #expect(try await bench.poll(worker, wait: 0).jobs.isEmpty)
            let second = try await bench.submit()
            let asked = bench.leaseCommands
            #expect(try await bench.poll(worker, wait: 0).jobs.isEmpty)
            #expect(bench.leaseCommands == asked, "what is known to be paused is not asked for")
            _ = try await bench.store.perform([.resume(queue: "default")])
            async let polled = bench.poll(worker, free: 2, wait: 3600)
            try await bench.whileTimePasses("the record is asked again") { try await bench.state(first) == .running }
            #expect(try await polled.jobs.map(\.token.jobID) == [first, second])
            let waited = Double(bench.time.now()) / 1e9
            #expect(waited < bench.coordinator.settings.fallbackPoll.seconds + 1)
        }
    }

    @Test func aJobThatSomebodyTookFromTheBeltAndNeverLeasedIsGivenAfterTwoReconciliations() async throws {
        let bench = CoordinatorBench { $0.lease = .seconds(100_000) }
        try await bench.run {
            let worker = try await bench.register()
            let (taken, other) = (try await bench.submit(), try await bench.submit())
            var lanes = LaneDemand()
            lanes.add(Capabilities(queues: ["default"], jobNames: ["*"]))
            #expect(try await bench.belt.take(lanes, limit: 1).map(\.id) == [taken])
            let held = try await bench.poll(worker, free: 2, wait: 0).jobs.map(\.token)
            #expect(held.map(\.jobID) == [other])
            async let polled = bench.poll(worker, wait: 3600, running: held)
            try await bench.whileTimePasses("the job is given") { try await bench.state(taken) == .running }
            #expect(try await polled.jobs.map(\.token.jobID) == [taken])
            let reconcile = bench.coordinator.settings.reconcile.seconds
            #expect(Double(bench.time.now()) / 1e9 < 2 * reconcile + 1)
        }
    }

    @Test func aFailedLeaseIsForgottenAndTheJobIsGivenLater() async throws {
        let bench = CoordinatorBench { $0.lease = .seconds(100_000) }
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker, wait: 3600)
            try await bench.untilParked(wait: 3600)
            bench.store.failLeases(.unavailable("away"))
            let id = try await bench.submit()
            try await until("a lease failed") { bench.leaseCommands > 0 }
            bench.store.comeBack()
            try await bench.whileTimePasses("the job is given") { try await bench.state(id) == .running }
            #expect(try await polled.jobs.map(\.token.jobID) == [id])
        }
    }

    @Test func aLeaseWhoseAnswerWasLostIsNotGivenTwice() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            bench.store.apply { commands in
                commands.contains { if case .lease = $0 { true } else { false } } ? .losesAnswer : nil
            }
            await #expect(throws: ServiceError.self) { try await bench.poll(worker, wait: 0) }
            bench.store.comeBack()
            #expect(try await bench.state(id) == .running)
            let other = try await bench.register()
            #expect(try await bench.poll(other, wait: 0).jobs.isEmpty)
        }
    }

    @Test func aRecordThatTakesNoLeasesIsNotAskedWithoutEnd() async throws {
        let bench = CoordinatorBench { $0.lease = .seconds(100_000) }
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker, wait: 3600)
            try await bench.untilParked(wait: 3600)
            bench.store.failLeases(.unavailable("the disk is full"))
            let id = try await bench.submit()
            let isAskedOnAndOn = await comesTrue(turns: 20_000) { bench.leaseCommands > 10 }
            #expect(!isAskedOnAndOn, "time stands still")
            bench.store.comeBack()
            try await bench.whileTimePasses("the job is given") { try await bench.state(id) == .running }
            #expect(try await polled.jobs.count == 1)
        }
    }

    @Test func aSessionTheRecordDoesNotKnowIsNotOfferedJobsWithoutEnd() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            // As when a goodbye commits between a poll's renewal and its parking.
            let stranger = WorkerID(high: 7, low: 7)
            let renewal = RenewReceipt(isDraining: false, verdicts: [], cancelled: [])
            async let outcome = bench.coordinator.dispatcher.poll(
                stranger,
                capabilities: Capabilities(queues: ["default"], jobNames: ["*"]),
                freeSlots: 1,
                deadline: 20_000_000_000,
                renewal: renewal
            )
            try await bench.untilParked()
            try await bench.submit()
            let isOfferedOnAndOn = await comesTrue(turns: 20_000) { bench.leaseCommands > 10 }
            #expect(!isOfferedOnAndOn)
            bench.time.advance(seconds: 21)
            #expect(await outcome.jobs.isEmpty)
        }
    }

    @Test func whatAPollDoesNotNameIsReleasedWithoutCost() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            #expect(try await bench.poll(worker).jobs.count == 1)
            let again = try await bench.poll(worker)
            #expect(again.jobs.map(\.token.jobID) == [id] && again.jobs[0].token.attempt == 2)
            let job = try await bench.coordinator.job(id)
            #expect(job.failures == 0 && job.losses == 0 && job.attempts.first?.outcome == .released)
        }
    }

    @Test func whatAPollNamesStays() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            #expect(try await bench.poll(worker, wait: 0, running: [token]).jobs.isEmpty)
            #expect(try await bench.coordinator.job(id).attempt == 1)
        }
    }

    @Test func resultsInAPollAreAppliedBeforeJobsAreGiven() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let first = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            let second = try await bench.submit()
            let result = try await bench.poll(worker, reports: [(token, .success), (nil, .success)])
            #expect(result.statuses == [.accepted, .leaseLost])
            #expect(result.jobs.map(\.token.jobID) == [second])
            #expect(try await bench.state(first) == .completed)
        }
    }

    @Test func aCancellationAnswersTheParkedPoll() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            async let polled = bench.poll(worker, running: [token])
            try await bench.untilParked()
            _ = try await bench.coordinator.cancel(id)
            #expect(try await polled.cancelled == [token])
        }
    }

    @Test func aDrainOrderAnswersTheParkedPollAndNoMoreJobsCome() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker)
            try await bench.untilParked()
            _ = try await bench.coordinator.drain(worker)
            #expect(try await polled.isDraining)
            try await bench.submit()
            let next = try await bench.poll(worker, wait: 0)
            #expect(next.jobs.isEmpty && next.isDraining)
        }
    }

    @Test func aGoodbyeEndsTheParkedPollAndReleasesWhatWasHeld() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            let id = try await bench.submit()
            let token = try #require(try await bench.poll(worker).jobs.first).token
            async let polled = bench.poll(worker, free: 0, running: [token])
            try await bench.untilParked()
            try await bench.coordinator.goodbye(worker)
            _ = try? await polled  // answered empty, or refused where it came after the goodbye
            #expect(try await bench.state(id) == .available)
            await #expect(throws: ServiceError.sessionLost) { try await bench.poll(worker) }
        }
    }

    @Test func theEndOfWaitsAnswersEveryPoll() async throws {
        let bench = CoordinatorBench()
        try await bench.run {
            let worker = try await bench.register()
            async let polled = bench.poll(worker)
            try await bench.untilParked()
            bench.coordinator.endWaits()
            #expect(try await polled.jobs.isEmpty)
            #expect(try await bench.poll(worker).jobs.isEmpty, "and every poll from now on")
        }
    }

    @Test func aThousandJobsReachTheirWorkersThroughASmallWindowOnceEachInOrder() async throws {
        let bench = CoordinatorBench(window: 16)
        try await bench.run {
            var jobs: [NewJob] = []
            for _ in 0..<1000 { jobs.append(try await bench.newJob()) }
            let ids = try await bench.coordinator.submit(jobs, idempotency: nil).ids
            let worker = try await bench.register()
            var given: [JobID] = []
            var held: [LeaseToken] = []
            while given.count < ids.count {
                let result = try await bench.poll(worker, free: 8, reports: held.map { ($0, .success) })
                held = result.jobs.map(\.token)
                given += held.map(\.jobID)
            }
            #expect(given == ids)
        }
    }
}

extension CoordinatorBench {
    /// Completes everything the session holds.
    func finishAll(of worker: WorkerID) async throws {
        let held = try await store.leases(of: worker)
        _ = try await coordinator.report(worker, held.map { ($0, Ending.success) })
    }
}

extension FaultyJobStore {
    /// Batches with a lease fail, all others pass.
    func failLeases(_ error: StorageError) {
        apply { commands in
            commands.contains { if case .lease = $0 { true } else { false } } ? .fails(error) : nil
        }
    }
}
