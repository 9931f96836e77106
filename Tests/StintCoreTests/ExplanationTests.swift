// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import StintTestKit
import Testing

@Suite("Why a job is not running")
struct ExplanationTests {
    private static func job(_ state: JobState, last: AttemptOutcome? = nil, name: String = "work") -> Job {
        var job = Job(
            id: JobID(high: 1, low: 1),
            lane: Lane(queue: "default", name: name),
            payload: [],
            state: state,
            options: JobOptions(),
            createdAt: ManualTime.epoch,
            runAt: ManualTime.epoch + Milliseconds(5000)
        )
        if let last {
            job.attempt = 2
            job.attempts = [
                Attempt(
                    number: 2,
                    worker: WorkerID(high: 0, low: 9),
                    workerName: "host-9",
                    startedAt: ManualTime.epoch,
                    endedAt: ManualTime.epoch,
                    outcome: last
                )
            ]
        }
        return job
    }

    private static func worker(
        _ names: [String] = ["*"],
        queue: String = "default",
        running: Int = 0,
        isDraining: Bool = false
    ) -> WorkerSession {
        var session = WorkerSession(
            id: WorkerID(high: 0, low: 1),
            name: "w",
            host: "h",
            pid: nil,
            sdk: "",
            capabilities: Capabilities(queues: [queue], jobNames: names),
            concurrency: 2,
            labels: [],
            startedAt: ManualTime.epoch,
            expiresAt: ManualTime.epoch
        )
        session.running = running
        session.isDraining = isDraining
        return session
    }

    private static func explain(
        _ job: Job,
        _ sessions: [WorkerSession],
        pausedBy: String? = nil,
        before: Int = 0
    ) -> Explanation {
        Explanation.of(job, sessions: sessions, queuePausedBy: pausedBy, before: before)
    }

    @Test func aJobThatAFreeWorkerCouldTakeIsRunnable() {
        let explanation = Self.explain(Self.job(.available), [Self.worker()])
        #expect(explanation.isRunnable && explanation.reasons.isEmpty)
    }

    @Test(arguments: [JobState.completed, .dead, .cancelled, .expired])
    func anEndedJobSaysHowItEnded(_ state: JobState) {
        let explanation = Self.explain(Self.job(state), [], pausedBy: "ann", before: 3)
        #expect(explanation.reasons.map(\.code) == ["terminal"] && !explanation.isRunnable)
        #expect(explanation.reasons[0].message.contains(state.name))
    }

    @Test func aRunningJobNamesItsWorker() {
        let explanation = Self.explain(Self.job(.running, last: .failed), [])
        #expect(explanation.reasons.map(\.code) == ["running"] && !explanation.isRunnable)
        #expect(explanation.reasons[0].message.contains("host-9"))
    }

    @Test func aBlockedJobWaitsForOthers() {
        #expect(Self.explain(Self.job(.blocked), []).reasons.map(\.code) == ["waiting_for_jobs"])
    }

    @Test(
        arguments: [
            (nil, "scheduled_for"), (.snoozed, "scheduled_for"), (.failed, "backing_off"), (.timedOut, "backing_off"),
            (.lost, "backing_off"),
        ] as [(AttemptOutcome?, String)]
    )
    func aScheduledJobSaysWhatItWaitsForAndUntilWhen(_ last: AttemptOutcome?, _ code: String) {
        let job = Self.job(.scheduled, last: last)
        let explanation = Self.explain(job, [Self.worker()])
        #expect(explanation.reasons.map(\.code) == [code] && !explanation.isRunnable)
        #expect(explanation.reasons[0].until == job.runAt)
    }

    @Test func aPausedQueueNamesWhoPausedIt() {
        let explanation = Self.explain(Self.job(.available), [Self.worker()], pausedBy: "ann")
        #expect(explanation.reasons.map(\.code) == ["queue_paused"] && !explanation.isRunnable)
        #expect(explanation.reasons[0].message.contains("ann"))
    }

    @Test func noWorkerOnTheQueueIsSaid() {
        let explanation = Self.explain(Self.job(.available), [Self.worker(queue: "other")])
        #expect(explanation.reasons.map(\.code) == ["no_worker_for_queue"] && !explanation.isRunnable)
    }

    @Test func noWorkerForTheNameListsTheNamesThatAreKnown() {
        let explanation = Self.explain(Self.job(.available, name: "typo"), [Self.worker(["mail", "audit"])])
        #expect(explanation.reasons.map(\.code) == ["no_worker_for_name"] && !explanation.isRunnable)
        #expect(explanation.reasons[0].message.contains("audit, mail"))
    }

    @Test func busyAndDrainingWorkersAreCounted() {
        let sessions = [Self.worker(running: 2), Self.worker(isDraining: true)]
        let explanation = Self.explain(Self.job(.available), sessions)
        #expect(explanation.reasons.map(\.code) == ["all_workers_busy"] && !explanation.isRunnable)
        #expect(explanation.reasons[0].message.contains("2 worker sessions"))
    }

    @Test func aPlaceInTheQueueIsGivenUpToTenThousand() {
        let few = Self.explain(Self.job(.available), [Self.worker()], before: 7)
        #expect(few.reasons.map(\.code) == ["behind_in_queue"] && !few.isRunnable)
        #expect(few.reasons[0].message.hasPrefix("7 "))
        let many = Self.explain(Self.job(.available), [Self.worker()], before: 10_000)
        #expect(many.reasons[0].message.hasPrefix("at least 10000 "))
    }

    @Test func everythingThatAppliesIsSaidAtOnce() {
        let scheduled = Self.explain(Self.job(.scheduled, last: .failed), [], pausedBy: "ann")
        #expect(scheduled.reasons.map(\.code) == ["backing_off", "queue_paused", "no_worker_for_queue"])
        let available = Self.explain(Self.job(.available), [Self.worker(running: 2)], pausedBy: "ann", before: 2)
        #expect(available.reasons.map(\.code) == ["queue_paused", "all_workers_busy", "behind_in_queue"])
    }
}
