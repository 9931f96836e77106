// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintWire

/// What a worker does next: when it registers, polls, reports, heartbeats, stops handlers, leaves.
///
/// **Events** (an answer, a failure, the end of a handler, progress, the order to drain) change the state; ``next(now:)``
/// then says what to do. The driver calls it after each event for which it is told to, and at ``WorkerTurn/wakeAt``.
///
/// **Polls.** At most one that may bring jobs is under way, and it is never overtaken: a grant on its way in its answer would
/// not be named by the newer poll, and so be released. Results go out with the next poll when it comes at once, else
/// by themselves, one request at a time, collecting what ends meanwhile. A poll without free slots is overtaken as soon as a slot is free.
///
/// **Leases** end when the session could not be renewed for the lease time, counted from before the last successful
/// renewal was sent. Then handlers are told to stop; what they end with is still reported, and the server judges.
///
/// **Reports** are repeated until the server has taken or rejected each, or the session is lost.
///
/// Times are monotonic nanoseconds, passed in.
package struct WorkerMachine: Sendable {
    enum Phase: Sendable {
        case unregistered
        case registering(CallID, sentAt: Int64)
        case live
        case leaving(CallID)
        case ended
    }

    /// A handler that has not ended: it takes a slot, whatever became of its lease.
    struct Running: Sendable {
        var session: UInt64
        var jobID: JobID
        var startedAt: Int64
        var timeoutAt: Int64
        /// The answer it came with.
        var round: UInt64
        /// The first reason to stop, but that the lease is lost outweighs all others.
        var stop: StopReason?
        var progress: JobProgress?
        var progressIsNew = false

        var isReportable: Bool { stop != .leaseLost }
    }

    /// The order to stop.
    struct Drain: Sendable {
        var cancelAt: Int64
        var abandonAt: Int64
        /// When nothing runs any more: how long reports and the goodbye may take.
        var giveUpAt: Int64?
        var hasCancelled = false
        var abandoned = 0
    }

    let settings: WorkerMachineSettings
    var phase = Phase.unregistered
    /// Valid while live.
    var session = Session()
    var running: [WireLease: Running] = [:]
    /// Ended, not in a request under way.
    var unreported: [WorkerResult] = []
    var drain: Drain?
    var pending: [WorkerAction] = []
    var registration = CallBackoff()
    var hasEverRegistered = false
    var isReachable = true
    /// Whether the last job to end took less than the linger time.
    var jobsAreShort = true
    /// Jobs of the last answer that have not ended.
    var roundLeft = 0
    var round: UInt64 = 0
    var lingerUntil = Int64.min
    /// The earliest time at which a handler may be over its time.
    var timeoutCheckAt = Int64.max
    /// What the driver was last told.
    var armedWake: Int64?
    var random: SeededRandom
    private var lastCall: CallID = 0

    package init(_ settings: WorkerMachineSettings) {
        self.settings = settings
        random = SeededRandom(seed: settings.seed)
    }

    // MARK: Reading

    /// Whether the handler of this lease is believed to run.
    package func isRunning(_ lease: WireLease) -> Bool { running[lease] != nil }

    package var runningCount: Int { running.count }

    package var hasEnded: Bool {
        if case .ended = phase { true } else { false }
    }

    var isDraining: Bool { drain != nil || session.isDrainedByServer }

    var freeSlots: Int {
        if isDraining { return 0 }
        // Results that no coordinator takes stop the intake before they fill the memory.
        let backlog = max(0, unreported.count - settings.concurrency)
        return max(0, settings.concurrency - running.count - backlog)
    }

    mutating func newCall() -> CallID {
        lastCall += 1
        return lastCall
    }

    var backoffRules: CallBackoff.Rules {
        CallBackoff.Rules(
            base: settings.backoffBase,
            cap: min(settings.backoffCap, session.leaseTime / 4),
            retryAfterMax: settings.retryAfterMax
        )
    }

    // MARK: The turn

    /// What to do now.
    package mutating func next(now: Int64) -> WorkerTurn {
        var turn = WorkerTurn()
        swap(&turn.actions, &pending)
        drainStep(now: now, &turn)
        switch phase {
        case .unregistered: registerStep(now: now, &turn)
        case .live: liveStep(now: now, &turn)
        case .registering, .leaving, .ended: break
        }
        armedWake = turn.wakeAt
        return turn
    }

    private mutating func registerStep(now: Int64, _ turn: inout WorkerTurn) {
        guard drain == nil else { return }
        guard now >= registration.notBefore else { return turn.wake(at: registration.notBefore) }
        let call = newCall()
        phase = .registering(call, sentAt: now)
        turn.actions.append(.call(call, .register))
    }

    private mutating func liveStep(now: Int64, _ turn: inout WorkerTurn) {
        leaseStep(now: now, &turn)
        timeoutStep(now: now, &turn)
        if leaveStep(&turn) { return }
        heartbeatStep(now: now, &turn)
        pollStep(now: now, &turn)
        reportStep(now: now, &turn)
    }

    private mutating func leaseStep(now: Int64, _ turn: inout WorkerTurn) {
        guard !session.hasRunOut else { return }
        guard now >= session.leaseEnd else { return turn.wake(at: session.leaseEnd) }
        session.hasRunOut = true
        let stopped = stop(.leaseRanOut) { [number = session.number] in $0.session == number }
        turn.actions.append(.note(.leaseRanOut(running: stopped.count)))
        if !stopped.isEmpty { turn.actions.append(.cancel(stopped, .leaseRanOut)) }
    }

    private mutating func timeoutStep(now: Int64, _ turn: inout WorkerTurn) {
        if now >= timeoutCheckAt {
            let stopped = stop(.timedOut) { $0.timeoutAt <= now }
            if !stopped.isEmpty { turn.actions.append(.cancel(stopped, .timedOut)) }
            timeoutCheckAt = running.values.lazy.filter { $0.stop == nil }.map(\.timeoutAt).min() ?? .max
        }
        if timeoutCheckAt != .max { turn.wake(at: timeoutCheckAt) }
    }

    /// Marks the handlers that fit and were not told to stop before; gives their leases.
    mutating func stop(_ reason: StopReason, where fits: (Running) -> Bool) -> [WireLease] {
        let leases = running.filter { $0.value.stop == nil && fits($0.value) }.map(\.key)
        for lease in leases { running[lease]?.stop = reason }
        return leases
    }

    // MARK: Events that come from handlers

    /// A handler has ended.
    ///
    /// True: the driver must call ``next(now:)``.
    package mutating func ended(_ lease: WireLease, _ end: HandlerEnd, now: Int64) -> Bool {
        guard let handler = running.removeValue(forKey: lease) else { return false }
        jobsAreShort = now - handler.startedAt < settings.linger
        if handler.round == round { roundLeft -= 1 }
        if handler.session == session.number, let ending = Self.ending(end, stop: handler.stop) {
            unreported.append(WorkerResult(lease: lease, jobID: handler.jobID, ending: ending))
        }
        return isTurnDue(now: now)
    }

    /// What is reported; nil for nothing.
    static func ending(_ end: HandlerEnd, stop: StopReason?) -> Ending? {
        if stop == .leaseLost { return nil }
        switch end {
        case .said(let ending): return ending
        case .threw(let error):
            switch stop {
            case nil: return .failed(error: error, isRetryable: true, retryAfter: nil)
            case .calledOff: return .cancelled
            case .draining, .leaseRanOut: return .released
            case .timedOut:
                let error = JobError(type: "TimedOut", message: "the handler was stopped because its time was up")
                return .failed(error: error, isRetryable: true, retryAfter: nil)
            case .leaseLost: return nil
            }
        }
    }

    /// Whether the end of a handler changes what is to be done before the driver asks again by itself.
    private func isTurnDue(now: Int64) -> Bool {
        guard case .live = phase, !isDraining else { return true }
        let waitsUntil: Int64
        if isLingering(now: now) {
            waitsUntil = lingerUntil
        } else if let poll = session.poll, poll.request.freeSlots > 0 {
            // Its answer, or that of the report, brings the next turn; until then results are collected.
            if session.report != nil { return false }
            waitsUntil = poll.sentAt + settings.pollGrace
        } else {
            return true
        }
        guard let armedWake else { return true }
        return armedWake > waitsUntil
    }

    /// A handler says how far it is.
    ///
    /// True: the driver must call ``next(now:)``.
    package mutating func progressed(_ lease: WireLease, _ progress: JobProgress) -> Bool {
        guard running[lease] != nil else { return false }
        running[lease]?.progress = progress
        running[lease]?.progressIsNew = true
        let soon = session.heartbeatSentAt + settings.progressInterval
        guard case .live = phase, soon < session.heartbeatAt else { return false }
        session.heartbeatAt = soon
        return true
    }
}
