// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

extension WorkerMachine {
    /// The worker is to stop: take no more jobs, let handlers end, give back what does not.
    ///
    /// The driver must call ``next(now:)``.
    package mutating func drain(now: Int64) {
        guard drain == nil, !hasEnded else { return }
        let cancelAt = now + settings.drainTimeout
        drain = Drain(cancelAt: cancelAt, abandonAt: cancelAt + settings.cancelGrace)
        if !session.isDrainedByServer { pending.append(.note(.drainBegan(byServer: false, running: running.count))) }
    }

    mutating func drainStep(now: Int64, _ turn: inout WorkerTurn) {
        guard var order = drain else { return }
        if case .ended = phase { return }
        if !order.hasCancelled, !running.isEmpty {
            if now >= order.cancelAt {
                order.hasCancelled = true
                let stopped = stop(.draining) { _ in true }
                if !stopped.isEmpty { turn.actions.append(.cancel(stopped, .draining)) }
            } else {
                turn.wake(at: order.cancelAt)
            }
        }
        if !running.isEmpty {
            if now >= order.abandonAt {
                order.abandoned = running.count
                abandon()
            } else {
                turn.wake(at: order.abandonAt)
            }
        }
        if running.isEmpty, order.giveUpAt == nil { order.giveUpAt = now + settings.farewell }
        drain = order
        if let giveUpAt = order.giveUpAt { finishStep(giveUpAt: giveUpAt, now: now, &turn) }
    }

    /// Releases the jobs of handlers that heed nothing; what these do later is nobody's business.
    private mutating func abandon() {
        for (lease, handler) in running where handler.session == session.number && handler.isReportable {
            unreported.append(WorkerResult(lease: lease, jobID: handler.jobID, ending: .released))
        }
        running = [:]
    }

    /// The end of a worker that has no session, or whose coordinators stay away.
    private mutating func finishStep(giveUpAt: Int64, now: Int64, _ turn: inout WorkerTurn) {
        switch phase {
        case .unregistered: end(&turn)
        case .ended: break
        // A session that opens now would only be closed again, but it must be: it is waited for, if not for long.
        case .registering, .leaving, .live:
            guard now >= giveUpAt else { return turn.wake(at: giveUpAt) }
            end(&turn)
        }
    }

    private mutating func end(_ turn: inout WorkerTurn) {
        let unreported = unreported.count + resultsUnderWay.count
        phase = .ended
        turn.actions.append(.end(.drained(abandoned: drain?.abandoned ?? 0, unreported: unreported)))
    }

    /// Says goodbye once nothing runs and everything is reported.
    ///
    /// True: it has.
    mutating func leaveStep(_ turn: inout WorkerTurn) -> Bool {
        guard isDraining, running.isEmpty, unreported.isEmpty, resultsUnderWay.isEmpty else { return false }
        // A poll that may bring jobs is overtaken first: what it brings is released, not forgotten.
        if let poll = session.poll, poll.request.freeSlots > 0 { return false }
        guard session.overtaken.allSatisfy({ $0.request.freeSlots == 0 }) else { return false }
        let call = newCall()
        phase = .leaving(call)
        turn.actions.append(.call(call, .goodbye(session.id)))
        return true
    }

    /// The goodbye was answered, or not: the session ends by itself.
    mutating func leave(_ call: CallID) {
        guard case .leaving(call) = phase else { return }
        phase = .ended
        pending.append(.end(.drained(abandoned: drain?.abandoned ?? 0, unreported: 0)))
    }
}
