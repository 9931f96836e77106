// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

extension WorkerMachine {
    /// A worker session as this side knows it.
    struct Session: Sendable {
        struct PollUnderWay: Sendable {
            var call: CallID
            var sentAt: Int64
            var request: PollRequest
        }

        struct ReportUnderWay: Sendable {
            var call: CallID
            var results: [WorkerResult]
        }

        var id = WorkerID(high: 0, low: 0)
        /// Tells sessions apart on this side; 0 before the first.
        var number: UInt64 = 0
        var leaseTime: Int64 = 30_000_000_000
        var heartbeatTime: Int64 = 10_000_000_000
        var pollWait = Milliseconds(20_000)
        var leaseEnd: Int64 = 0
        var hasRunOut = false
        var isDrainedByServer = false

        var poll: PollUnderWay?
        /// Polls that a newer one has overtaken; they will be answered without jobs.
        var overtaken: [PollUnderWay] = []
        var report: ReportUnderWay?
        var heartbeat: (call: CallID, sentAt: Int64)?
        var heartbeatAt: Int64 = 0
        var heartbeatSentAt: Int64 = 0
        /// With no slot free no poll before.
        var busyPollAt: Int64 = 0
        /// Polls answered empty before their time, one after the other.
        var hastyAnswers = 0

        var polling = CallBackoff()
        var reporting = CallBackoff()
        var beating = CallBackoff()
        /// A request with several results was refused: they go one by one until one gets through.
        var reportsSingly = false
    }

    // MARK: Answers

    /// A call was answered.
    ///
    /// The driver must call ``next(now:)``.
    package mutating func answered(_ call: CallID, _ answer: WorkerAnswer, now: Int64) {
        switch answer {
        case .registered(let answer): registered(call, answer, now: now)
        case .polled(let answer): polled(call, answer, now: now)
        case .reported(let answer): reported(call, answer, now: now)
        case .beaten(let answer): beaten(call, answer, now: now)
        case .saidGoodbye: leave(call)
        }
    }

    private mutating func registered(_ call: CallID, _ answer: RegisterAnswer, now: Int64) {
        guard case .registering(call, let sentAt) = phase else { return }
        phase = .live
        registration.succeeded()
        hasEverRegistered = true
        noteReachable()
        var session = Session()
        session.id = answer.workerID
        session.number = self.session.number + 1
        session.leaseTime = max(1, answer.lease.count) * 1_000_000
        session.heartbeatTime = min(max(1, answer.heartbeat.count) * 1_000_000, session.leaseTime / 3)
        let wait = min(answer.poll.seconds, WorkerProtocolLimits.waitSecondsMax)
        session.pollWait = .seconds(wait)
        session.leaseEnd = sentAt + session.leaseTime
        session.heartbeatAt = now + session.heartbeatTime
        session.heartbeatSentAt = now
        self.session = session
        pending.append(.note(.registered(answer.workerID)))
    }

    /// The session was renewed by a request that was sent at `sentAt`.
    mutating func renewed(sentAt: Int64, now: Int64) {
        session.leaseEnd = max(session.leaseEnd, sentAt + session.leaseTime)
        if session.leaseEnd > now { session.hasRunOut = false }
        noteReachable()
    }

    mutating func drainedByServer() {
        guard !session.isDrainedByServer else { return }
        session.isDrainedByServer = true
        if drain == nil { pending.append(.note(.drainBegan(byServer: true, running: running.count))) }
    }

    private mutating func noteReachable() {
        guard !isReachable else { return }
        isReachable = true
        pending.append(.note(.reachableAgain))
    }

    // MARK: Failures

    /// A call has failed.
    ///
    /// The driver must call ``next(now:)``.
    package mutating func failed(_ call: CallID, _ failure: CallFailure, now: Int64) {
        switch phase {
        case .registering(call, _): registrationFailed(failure, now: now)
        case .leaving(call):
            if failure.kind != .sessionLost { pending.append(.note(.goodbyeFailed(failure.message))) }
            leave(call)
        case .live: liveCallFailed(call, failure, now: now)
        case .unregistered, .registering, .leaving, .ended: break
        }
    }

    private mutating func registrationFailed(_ failure: CallFailure, now: Int64) {
        let isFinal = failure.kind == .refused || failure.kind == .unauthorized
        if isFinal, !hasEverRegistered {
            phase = .ended
            return pending.append(.end(.refused(failure.message)))
        }
        phase = .unregistered
        noteUnreachable(failure)
        registration.failed(failure.retryAfterNanoseconds, now: now, rules: backoffRules, random: &random)
    }

    private mutating func liveCallFailed(_ call: CallID, _ failure: CallFailure, now: Int64) {
        guard let results = takeBack(call, failure, now: now) else { return }
        if failure.kind == .sessionLost { return sessionLost(now: now) }
        noteUnreachable(failure)
        if failure.kind == .refused, !results.isEmpty {
            refused(results, failure)
        } else {
            unreported.insert(contentsOf: results, at: 0)
        }
    }

    /// Forgets the call and has the next of its kind wait; gives the results it carried, nil for a call of an earlier session.
    private mutating func takeBack(_ call: CallID, _ failure: CallFailure, now: Int64) -> [WorkerResult]? {
        let retryAfter = failure.retryAfterNanoseconds
        var rules = backoffRules
        if let poll = session.poll, poll.call == call {
            session.poll = nil
            session.polling.failed(retryAfter, now: now, rules: rules, random: &random)
            return poll.request.results
        }
        if let index = session.overtaken.firstIndex(where: { $0.call == call }) {
            return session.overtaken.remove(at: index).request.results
        }
        if let report = session.report, report.call == call {
            session.report = nil
            session.reporting.failed(retryAfter, now: now, rules: rules, random: &random)
            return report.results
        }
        guard session.heartbeat?.call == call else { return nil }
        session.heartbeat = nil
        // Whatever the server asks for, the lease must not run out over it.
        rules.retryAfterMax = min(rules.retryAfterMax, session.leaseTime / 4)
        session.beating.failed(retryAfter, now: now, rules: rules, random: &random)
        session.heartbeatAt = min(session.heartbeatAt, session.beating.notBefore)
        for lease in running.keys where running[lease]?.progress != nil { running[lease]?.progressIsNew = true }
        return []
    }

    /// The server has no such session any more: all its leases are lost.
    private mutating func sessionLost(now: Int64) {
        let stopped = running.filter { $0.value.session == session.number && $0.value.isReportable }.map(\.key)
        for lease in stopped { running[lease]?.stop = .leaseLost }
        pending.append(.note(.sessionLost(session.id, running: stopped.count)))
        if !stopped.isEmpty { pending.append(.cancel(stopped, .leaseLost)) }
        let dropped = unreported + resultsUnderWay
        if !dropped.isEmpty { pending.append(.note(.reportsLost(dropped.map(\.lease)))) }
        unreported = []
        let number = session.number
        session = Session()
        session.number = number
        roundLeft = 0
        phase = .unregistered
    }

    /// Results in requests that have not been answered.
    var resultsUnderWay: [WorkerResult] {
        (session.poll?.request.results ?? []) + session.overtaken.flatMap(\.request.results)
            + (session.report?.results ?? [])
    }

    private mutating func noteUnreachable(_ failure: CallFailure) {
        guard isReachable else { return }
        isReachable = false
        pending.append(.note(.unreachable(failure.message)))
    }
}

extension CallFailure {
    var retryAfterNanoseconds: Int64? {
        // Longer than a day is as good as a day, and cannot overflow.
        retryAfter.map { max(0, min($0.count, 86_400_000)) * 1_000_000 }
    }
}
