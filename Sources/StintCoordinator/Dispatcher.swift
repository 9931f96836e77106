// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import StintCore
import StintModel
import StintStorage
import Synchronization

/// Matches available jobs with parked polls: asks the belt for what the parked sessions can run, lets the ``DispatchMachine``
/// choose who gets what, leases it in the record, and answers the polls.
package final class Dispatcher: Service {
    /// What a poll is answered with.
    struct PollOutcome: Sendable {
        var jobs: [LeasedJob]
        var cancelled: [LeaseToken]
        var isDraining: Bool
    }

    fileprivate struct State {
        var machine = DispatchMachine()
        var waiting: [DispatchMachine.PollID: CheckedContinuation<[LeasedJob], Never>] = [:]
        var lastPollID: DispatchMachine.PollID = 0
        var pausedQueues: Set<String> = []
        /// Some of them are known only by a refusal: nobody will tell when they are resumed.
        var pausesAreHearsay = false
        /// After a failure nothing is matched until then, so that a broken record is not asked without end.
        var holdsUntil: Int64 = .min
        var hasEnded = false
    }

    /// Jobs asked from the belt at once.
    private static let takeMax = 2048
    /// Nanoseconds without a match after a failed lease.
    private static let holdAfterFailure: Int64 = 250_000_000

    private let id: CoordinatorID
    private let recorder: Recorder
    private let belt: any ReadyQueue
    private let environment: ServiceEnvironment
    private let state = Mutex(State())
    private let signal = Signal()
    private let beltRunsLow: @Sendable () -> Void
    private let pauseWasMet: @Sendable () -> Void

    /// - Parameters:
    ///   - id: In whose name jobs are leased.
    ///   - pauseWasMet: A queue turned out to be paused by another process: see ``pausesAreHearsay``.
    init(
        id: CoordinatorID,
        recorder: Recorder,
        belt: any ReadyQueue,
        environment: ServiceEnvironment,
        beltRunsLow: @escaping @Sendable () -> Void,
        pauseWasMet: @escaping @Sendable () -> Void
    ) {
        self.id = id
        self.pauseWasMet = pauseWasMet
        self.recorder = recorder
        self.belt = belt
        self.environment = environment
        self.beltRunsLow = beltRunsLow
    }

    // MARK: Sessions and news

    func sessionStarted(_ id: WorkerID) {
        state.withLock { $0.machine.sessionStarted(id) }
    }

    func sessionMovedHere(_ id: WorkerID) {
        state.withLock { $0.machine.sessionMovedHere(id) }
    }

    /// The session's next poll asks the record what it holds.
    func outcomeIsUnknown(for id: WorkerID) {
        state.withLock { $0.machine.outcomeIsUnknown(for: id) }
    }

    func mayHoldUnknown(_ id: WorkerID) -> Bool {
        state.withLock { $0.machine.mayHoldUnknown(id) }
    }

    func unknownWasReleased(_ id: WorkerID) {
        state.withLock { $0.machine.unknownWasReleased(id) }
    }

    func takeUndelivered(of id: WorkerID, named: Set<LeaseToken>) -> [LeaseToken] {
        state.withLock { $0.machine.takeUndelivered(of: id, named: named) }
    }

    /// The record could not release them: they are found again at the next poll.
    func restoreUndelivered(_ tokens: [LeaseToken], of id: WorkerID) {
        state.withLock { $0.machine.restoreUndelivered(tokens, of: id) }
    }

    /// Tells parked polls what concerns them.
    func observe(_ notices: [RecordNotice]) {
        for notice in notices {
            if case .queuePaused(let queue) = notice { state.withLock { _ = $0.pausedQueues.insert(queue) } }
            if case .queueResumed(let queue) = notice {
                state.withLock { _ = $0.pausedQueues.remove(queue) }
                wake()
            }
            apply { machine in
                switch notice {
                case .sessionEnded(let id, _): machine.sessionEnded(id)
                case .sessionDraining(let id): machine.drainRequested(id)
                case .cancelRequested(let id, let token): machine.cancelRequested(id, token)
                case .queuePaused, .queueResumed: []
                }
            }
        }
    }

    /// Whether a queue is known to be paused only because a lease was refused: then the record is to be asked again.
    var pausesAreHearsay: Bool { state.withLock(\.pausesAreHearsay) }

    /// What the record says of paused queues.
    func setPausedQueues(_ queues: Set<String>) {
        let hasResumed = state.withLock { state in
            defer {
                state.pausedQueues = queues
                state.pausesAreHearsay = state.pausesAreHearsay && !queues.isEmpty
            }
            return !state.pausedQueues.isSubset(of: queues)
        }
        if hasResumed { wake() }
    }

    /// The sessions that have a poll here.
    var waitingSessions: [WorkerID] { state.withLock(\.machine.waitingSessions) }

    /// There may be something to match.
    func wake() {
        signal.raise()
    }

    // MARK: Polls

    /// Parks a poll whose session was renewed and whose results were applied; returns when there is something to say or its
    /// time is up.
    func poll(
        _ id: WorkerID,
        capabilities: Capabilities,
        freeSlots: Int,
        deadline: Int64,
        renewal: RenewReceipt
    ) async -> PollOutcome {
        let jobs = await withCheckedContinuation { continuation in
            let answered = state.withLock { state -> [CheckedContinuation<[LeasedJob], Never>] in
                state.lastPollID += 1
                state.waiting[state.lastPollID] = continuation
                let poll = DispatchMachine.Poll(
                    id: state.lastPollID,
                    session: id,
                    capabilities: capabilities,
                    freeSlots: freeSlots,
                    deadline: deadline,
                    cancelled: renewal.cancelled,
                    isDraining: renewal.isDraining
                )
                return state.answered(by: state.machine.park(poll))
            }
            for continuation in answered { continuation.resume(returning: []) }
            signal.raise()
        }
        let news = state.withLock { $0.machine.news(for: id) }
        return PollOutcome(jobs: jobs, cancelled: news.cancelled, isDraining: news.isDraining)
    }

    /// The client of the session's parked poll has gone.
    func withdraw(_ id: WorkerID) {
        apply { $0.withdraw(id) }
    }

    // MARK: The short way

    /// Jobs for a poll that has just arrived and whom nobody waits before: they can be leased in the transaction that
    /// renews its session, which spares one flush per poll of a busy worker.
    ///
    /// Empty where it must be parked like others.
    func takeAtOnce(_ id: WorkerID, capabilities: Capabilities, freeSlots: Int) async -> [ReadyJob] {
        let now = environment.time.now()
        let paused = state.withLock { state in
            state.machine.canServeAtOnce(id) && state.holdsUntil <= now ? state.pausedQueues : nil
        }
        guard let paused, freeSlots > 0 else { return [] }
        var lanes = LaneDemand()
        lanes.add(capabilities)
        for queue in paused { lanes.queues[queue] = nil }
        guard !lanes.isEmpty else { return [] }
        do {
            let jobs = try await belt.take(lanes, limit: freeSlots)
            beltRunsLow()
            return jobs
        } catch {
            return []  // the loop will find the belt broken too, and say so
        }
    }

    /// The command that leases what was taken.
    func leaseCommand(_ jobs: [ReadyJob], to session: WorkerID) -> RecordCommand {
        let grants = jobs.map { LeaseRequest.Grant(jobID: $0.id, nonce: environment.random()) }
        return .lease(LeaseRequest(session: session, coordinator: id, grants: grants))
    }

    /// The record's answer to that command, nil where there is none: then it is asked what is still available.
    func settleAtOnce(_ receipt: LeaseReceipt?, of jobs: [ReadyJob], session: WorkerID) async -> [LeasedJob] {
        guard let receipt else {
            await recover(jobs)
            signal.raise()
            return []
        }
        await putBackRefused(receipt.refused, of: jobs)
        if !receipt.refused.isEmpty { signal.raise() }
        state.withLock { $0.machine.servedAtOnce(session, receipt.granted.map(\.token)) }
        return receipt.granted
    }

    /// What the answer to such a poll must say besides jobs.
    func newsAtOnce(_ id: WorkerID, _ renewal: RenewReceipt) -> (cancelled: [LeaseToken], isDraining: Bool) {
        state.withLock { state in
            state.machine.note(cancelled: renewal.cancelled, isDraining: renewal.isDraining, for: id)
            return state.machine.news(for: id)
        }
    }

    /// Answers every poll, now and from now on.
    func stop() {
        apply { $0.stop() }
    }

    /// Changes the machine, then answers the polls it lets go.
    private func apply(_ change: (inout DispatchMachine) -> [DispatchMachine.Action]) {
        let answered = state.withLock { state in state.answered(by: change(&state.machine)) }
        for continuation in answered { continuation.resume(returning: []) }
    }

    // MARK: The loop

    package func run() async throws {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled, !state.withLock(\.hasEnded) {
                    let leases = await match()
                    for lease in leases { group.addTask { await self.lease(lease.jobs, to: lease.session) } }
                    apply { $0.expire(now: self.environment.time.now()) }
                    if leases.isEmpty {
                        let now = environment.time.now()
                        let deadline = state.withLock { state in
                            let held = state.holdsUntil > now ? state.holdsUntil : nil
                            return [state.machine.nextDeadline, held].compactMap { $0 }.min()
                        }
                        await signal.wait(until: deadline, environment.time)
                    }
                }
            }
        } onGracefulShutdown: {
            self.stop()
            self.state.withLock { $0.hasEnded = true }
            self.signal.raise()
        }
    }

    private struct Lease: Sendable {
        var session: WorkerID
        var jobs: [ReadyJob]
    }

    /// One round: what the belt has for those who wait.
    ///
    /// Empty when there was nothing to match.
    private func match() async -> [Lease] {
        let now = environment.time.now()
        guard let demand = state.withLock({ $0.holdsUntil <= now ? $0.machine.demand() : nil }) else { return [] }
        var lanes = LaneDemand()
        for capabilities in demand.lanes { lanes.add(capabilities) }
        for queue in state.withLock(\.pausedQueues) { lanes.queues[queue] = nil }
        guard !lanes.isEmpty else { return [] }
        do {
            let jobs = try await belt.take(lanes, limit: min(demand.slots, Self.takeMax))
            beltRunsLow()
            guard !jobs.isEmpty else { return [] }
            let actions = state.withLock { $0.machine.assign(jobs) }
            return await carryOut(actions)
        } catch {
            environment.logger.warning("the belt could not be read", metadata: ["error": "\(error)"])
            return []
        }
    }

    private func carryOut(_ actions: [DispatchMachine.Action]) async -> [Lease] {
        var leases: [Lease] = []
        for action in actions {
            switch action {
            case .lease(let session, let jobs): leases.append(Lease(session: session, jobs: jobs))
            case .putBack(let jobs): await putBack(jobs)
            case .answerEmpty: break  // `assign` answers nobody
            }
        }
        return leases
    }

    private func putBack(_ jobs: [ReadyJob]) async {
        do {
            try await belt.put(jobs)
        } catch {
            environment.logger.warning("the belt could not be written", metadata: ["error": "\(error)"])
        }
    }

    private func lease(_ jobs: [ReadyJob], to session: WorkerID) async {
        var granted: [LeasedJob] = []
        var isFit = true
        do throws(RecorderError) {
            let answer = try await recorder.perform(leaseCommand(jobs, to: session), .urgent)
            if case .leased(let receipt) = answer {
                granted = receipt.granted
                isFit = !receipt.refused.contains { $0.reason == .sessionUnfit }
                await putBackRefused(receipt.refused, of: jobs)
            }
        } catch {
            if case .storage(.unknownOutcome) = error {
                // It may hold them: its next poll, which it is made to send now, does not name them, and they are released.
                outcomeIsUnknown(for: session)
                isFit = false
            }
            await recover(jobs)
        }
        let (continuation, answered) = settle(session, granted: granted)
        continuation?.resume(returning: granted)
        for continuation in answered { continuation.resume(returning: []) }
        // It was lost, has ended or is to drain, or nobody knows: its next poll will hear of it.
        if !isFit { withdraw(session) }
        signal.raise()
    }

    private func settle(
        _ session: WorkerID,
        granted: [LeasedJob]
    ) -> (CheckedContinuation<[LeasedJob], Never>?, [CheckedContinuation<[LeasedJob], Never>]) {
        state.withLock { state in
            let (delivery, actions) = state.machine.leaseSettled(
                session: session,
                granted: granted.map(\.token),
                now: environment.time.now()
            )
            let answered = state.answered(by: actions)
            guard case .answer(let poll) = delivery else { return (nil, answered) }
            return (state.waiting.removeValue(forKey: poll), answered)
        }
    }

    /// Jobs that this session could not have, or nobody during a pause, go back; those not available are ghosts.
    ///
    /// A queue that was paused elsewhere counts as paused here from now on: put back only, its jobs would be asked for again
    /// without end.
    private func putBackRefused(_ refused: [LeaseReceipt.Refused], of jobs: [ReadyJob]) async {
        let kept = Dictionary(refused.filter { $0.reason != .notAvailable }.map { ($0.jobID, $0.reason) }) { $1 }
        guard !kept.isEmpty else { return }
        let back = jobs.filter { kept[$0.id] != nil }
        let paused = Set(back.filter { kept[$0.id] == .queuePaused }.map(\.lane.queue))
        if !paused.isEmpty {
            state.withLock { state in
                state.pausedQueues.formUnion(paused)
                state.pausesAreHearsay = true
            }
            pauseWasMet()
        }
        await putBack(back)
    }

    /// Whether the jobs were leased is not known: the record is asked what is still available.
    private func recover(_ jobs: [ReadyJob]) async {
        let now = environment.time.now()
        state.withLock { $0.holdsUntil = now + Self.holdAfterFailure }
        do {
            try await belt.reset(Array(Set(jobs.map(\.lane))).sorted())
            beltRunsLow()
        } catch {
            environment.logger.warning("the belt could not be written", metadata: ["error": "\(error)"])
        }
    }
}

extension Dispatcher.State {
    /// The continuations of the polls that these actions answer empty.
    fileprivate mutating func answered(
        by actions: [DispatchMachine.Action]
    ) -> [CheckedContinuation<[LeasedJob], Never>] {
        actions.compactMap { action in
            guard case .answerEmpty(let poll) = action else { return nil }
            return waiting.removeValue(forKey: poll)
        }
    }
}
