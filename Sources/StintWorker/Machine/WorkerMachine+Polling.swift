// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

// MARK: Heartbeats

extension WorkerMachine {
    mutating func heartbeatStep(now: Int64, _ turn: inout WorkerTurn) {
        guard session.heartbeat == nil else { return }
        guard now >= session.heartbeatAt else { return turn.wake(at: session.heartbeatAt) }
        var held: [HeartbeatRequest.Running] = []
        held.reserveCapacity(running.count)
        for (lease, handler) in running where handler.session == session.number && handler.isReportable {
            held.append(
                HeartbeatRequest.Running(lease: lease, progress: handler.progressIsNew ? handler.progress : nil)
            )
            if handler.progressIsNew { running[lease]?.progressIsNew = false }
        }
        let call = newCall()
        session.heartbeat = (call, now)
        session.heartbeatSentAt = now
        session.heartbeatAt = now + session.heartbeatTime
        turn.actions.append(.call(call, .heartbeat(session.id, HeartbeatRequest(running: held))))
    }

    mutating func beaten(_ call: CallID, _ answer: HeartbeatAnswer, now: Int64) {
        guard let heartbeat = session.heartbeat, heartbeat.call == call else { return }
        session.heartbeat = nil
        session.beating.succeeded()
        renewed(sentAt: heartbeat.sentAt, now: now)
        if answer.drain { drainedByServer() }
        var lost: [WireLease] = []
        for judged in answer.leases where judged.verdict == .lost {
            guard running[judged.lease]?.isReportable == true else { continue }
            running[judged.lease]?.stop = .leaseLost
            lost.append(judged.lease)
        }
        if !lost.isEmpty { pending.append(.cancel(lost, .leaseLost)) }
        calledOff(answer.leases.lazy.filter { $0.verdict == .cancel }.map(\.lease))
    }

    private mutating func calledOff(_ leases: some Sequence<WireLease>) {
        var stopped: [WireLease] = []
        for lease in leases {
            guard let handler = running[lease], handler.stop == nil else { continue }
            running[lease]?.stop = .calledOff
            stopped.append(lease)
        }
        if !stopped.isEmpty { pending.append(.cancel(stopped, .calledOff)) }
    }
}

// MARK: Polls

extension WorkerMachine {
    func isLingering(now: Int64) -> Bool {
        roundLeft > 0 && now < lingerUntil
    }

    mutating func pollStep(now: Int64, _ turn: inout WorkerTurn) {
        let free = freeSlots
        if let poll = session.poll, !canOvertake(poll, free: free) { return }
        guard now >= session.polling.notBefore else { return turn.wake(at: session.polling.notBefore) }
        if isLingering(now: now) { return turn.wake(at: lingerUntil) }
        if session.poll == nil, free == 0, unreported.isEmpty, now < session.busyPollAt {
            return turn.wake(at: session.busyPollAt)
        }
        sendPoll(free: free, now: now, &turn)
    }

    /// A poll that asks for no jobs is overtaken when there are slots.
    ///
    /// One that asks for some is overtaken only by the order to drain: the jobs that may come in its answer are
    /// released.
    private func canOvertake(_ poll: Session.PollUnderWay, free: Int) -> Bool {
        poll.request.freeSlots == 0 ? free > 0 : isDraining
    }

    private mutating func sendPoll(free: Int, now: Int64, _ turn: inout WorkerTurn) {
        // While draining, results go by themselves, so that their statuses do not wait for the end of a poll.
        let results = isDraining || now < session.reporting.notBefore ? [] : takeResults()
        if let older = session.poll {
            session.overtaken.append(older)
            session.poll = nil
        }
        let request = PollRequest(
            freeSlots: free,
            wait: session.pollWait,
            running: heldLeases(),
            results: results
        )
        let call = newCall()
        session.poll = Session.PollUnderWay(call: call, sentAt: now, request: request)
        turn.actions.append(.call(call, .poll(session.id, request)))
    }

    /// Every lease that runs or is yet to be reported, but for those whose results go with the poll at hand.
    private func heldLeases() -> [WireLease] {
        var leases: [WireLease] = []
        leases.reserveCapacity(running.count + unreported.count + 16)
        for (lease, handler) in running where handler.session == session.number && handler.isReportable {
            leases.append(lease)
        }
        for result in unreported { leases.append(result.lease) }
        for result in resultsUnderWay { leases.append(result.lease) }
        return leases
    }

    mutating func polled(_ call: CallID, _ answer: PollAnswer, now: Int64) {
        if let poll = session.poll, poll.call == call {
            session.poll = nil
            session.polling.succeeded()
            session.busyPollAt = now + settings.busyPollDelay
            settle(poll, answer, now: now)
            guardAgainstHaste(poll, answer, now: now)
            if isDraining {
                release(answer.jobs)
            } else {
                start(answer.jobs, now: now)
            }
        } else if let index = session.overtaken.firstIndex(where: { $0.call == call }) {
            settle(session.overtaken.remove(at: index), answer, now: now)
            release(answer.jobs)
        }
    }

    /// All that an answer says besides jobs.
    private mutating func settle(_ poll: Session.PollUnderWay, _ answer: PollAnswer, now: Int64) {
        renewed(sentAt: poll.sentAt, now: now)
        settle(poll.request.results, answer.results)
        if answer.drain { drainedByServer() }
        calledOff(answer.cancel)
    }

    private mutating func start(_ jobs: [GrantedJob], now: Int64) {
        guard !jobs.isEmpty else { return }
        round &+= 1
        var started: [GrantedJob] = []
        started.reserveCapacity(jobs.count)
        running.reserveCapacity(running.count + jobs.count)
        for job in jobs where running[job.lease] == nil {
            let timeoutAt = now + Self.nanoseconds(job.timeout) + settings.timeoutSlack
            timeoutCheckAt = min(timeoutCheckAt, timeoutAt)
            running[job.lease] = Running(
                session: session.number,
                jobID: job.id,
                startedAt: now,
                timeoutAt: timeoutAt,
                round: round
            )
            started.append(job)
        }
        roundLeft = started.count
        lingerUntil = jobsAreShort ? now + settings.linger : .min
        pending.append(.start(started))
    }

    /// Gives jobs back that came in an answer nobody waited for any more.
    private mutating func release(_ jobs: [GrantedJob]) {
        for job in jobs {
            unreported.append(WorkerResult(lease: job.lease, jobID: job.id, ending: .released))
        }
    }

    /// A coordinator that stops answers every poll at once: asking it without pause would keep both busy for nothing.
    private mutating func guardAgainstHaste(_ poll: Session.PollUnderWay, _ answer: PollAnswer, now: Int64) {
        let isEmpty = answer.jobs.isEmpty && answer.cancel.isEmpty && answer.results.isEmpty
        guard isEmpty, now - poll.sentAt < min(100_000_000, Self.nanoseconds(session.pollWait) / 2) else {
            session.hastyAnswers = 0
            return
        }
        session.hastyAnswers += 1
        guard session.hastyAnswers > 1 else { return }
        session.polling.failed(nil, now: now, rules: backoffRules, random: &random)
    }

    static func nanoseconds(_ span: Milliseconds) -> Int64 {
        // A year is as good as for ever, and cannot overflow.
        max(0, min(span.count, 31_536_000_000)) * 1_000_000
    }
}
