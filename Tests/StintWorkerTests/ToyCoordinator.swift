// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

@testable import StintWorker

/// As little of a coordinator as workers can tell apart from a real one.
///
/// Times are nanoseconds, passed in.
struct ToyCoordinator {
    enum Reply {
        case answer(WorkerAnswer)
        case failure(CallFailure)
    }

    /// A reply to a request that came earlier.
    typealias Late = (ticket: Int, reply: Reply)

    struct Parked {
        var ticket: Int
        var until: Int64
        var freeSlots: Int
        var statuses: [ReportedResult]
    }

    struct Session {
        var expiresAt: Int64
        var unconfirmed: Set<WireLease> = []
        var parked: Parked?
    }

    struct ToyJob {
        var attempt = 0
        var holder: (lease: WireLease, session: WorkerID)?
        var completions = 0
    }

    let lease: Int64
    var jobs: [UInt64: ToyJob] = [:]
    var sessions: [WorkerID: Session] = [:]
    private var available: [UInt64] = []
    private var accepted: [WireLease: AttemptOutcome] = [:]
    private var lastSession: UInt64 = 0
    var sweptLeases: [(session: WorkerID, lease: WireLease)] = []

    init(lease: Int64) {
        self.lease = lease
    }

    var isEverythingDone: Bool { jobs.values.allSatisfy { $0.completions > 0 } }

    mutating func submit(_ numbers: some Sequence<UInt64>) {
        for number in numbers {
            jobs[number] = ToyJob()
            available.append(number)
        }
    }

    // MARK: Requests

    /// Nil: the reply comes later, from ``settle(now:)``.
    mutating func receive(_ call: WorkerCall, ticket: Int, now: Int64) -> (reply: Reply?, late: [Late]) {
        sweep(now: now)
        switch call {
        case .register:
            lastSession += 1
            let id = WorkerID(high: 2, low: lastSession)
            sessions[id] = Session(expiresAt: now + lease)
            let answer = RegisterAnswer(
                workerID: id,
                lease: Milliseconds(lease / 1_000_000),
                heartbeat: Milliseconds(lease / 3_000_000),
                poll: .seconds(2)
            )
            return (.answer(.registered(answer)), [])
        case .poll(let id, let request): return poll(id, request, ticket: ticket, now: now)
        case .report(let id, let request):
            guard sessions[id] != nil else { return (.failure(CallFailure(.sessionLost, "lost")), []) }
            return (.answer(.reported(ResultsAnswer(results: request.results.map { apply($0, id) }))), [])
        case .heartbeat(let id, let request):
            guard sessions[id] != nil else { return (.failure(CallFailure(.sessionLost, "lost")), []) }
            sessions[id]?.expiresAt = now + lease
            let leases = request.running.map {
                HeartbeatAnswer.Lease(lease: $0.lease, verdict: holds($0.lease, id) ? .ok : .lost)
            }
            return (.answer(.beaten(HeartbeatAnswer(leases: leases))), [])
        case .goodbye(let id):
            let parked = sessions[id]?.parked
            end(id, swept: false)
            return (.answer(.saidGoodbye), parked.map { [($0.ticket, empty($0))] } ?? [])
        }
    }

    private mutating func poll(
        _ id: WorkerID,
        _ request: PollRequest,
        ticket: Int,
        now: Int64
    ) -> (Reply?, [Late]) {
        guard var session = sessions[id] else { return (.failure(CallFailure(.sessionLost, "lost")), []) }
        let named = Set(request.running).union(request.results.map(\.lease))
        let statuses = request.results.map { apply($0, id) }
        for lost in session.unconfirmed.subtracting(named) { release(lost, of: id) }
        session.unconfirmed = []
        session.expiresAt = now + lease
        let late = session.parked.map { [($0.ticket, empty($0))] } ?? []
        session.parked = Parked(
            ticket: ticket,
            until: now + (request.wait?.count ?? 0) * 1_000_000,
            freeSlots: request.freeSlots,
            statuses: statuses
        )
        sessions[id] = session
        return (nil, late)
    }

    private func empty(_ parked: Parked) -> Reply {
        .answer(.polled(PollAnswer(results: parked.statuses)))
    }

    /// Answers the polls for which there is work, or whose time is up.
    mutating func settle(now: Int64) -> [Late] {
        sweep(now: now)
        var late: [Late] = []
        for id in sessions.keys.sorted() {
            guard let parked = sessions[id]?.parked else { continue }
            let count = min(parked.freeSlots, available.count)
            guard count > 0 || now >= parked.until else { continue }
            let granted = available.prefix(count).map { grant($0, to: id) }
            available.removeFirst(count)
            sessions[id]?.unconfirmed.formUnion(granted.map(\.lease))
            sessions[id]?.parked = nil
            late.append((parked.ticket, .answer(.polled(PollAnswer(jobs: granted, results: parked.statuses)))))
        }
        return late
    }

    // MARK: Leases

    private mutating func grant(_ number: UInt64, to id: WorkerID) -> GrantedJob {
        var granted = MachineDesk.job(number)
        let attempt = (jobs[number]?.attempt ?? 0) + 1
        granted.attempt = attempt
        granted.lease = WireLease(LeaseToken(jobID: granted.id, attempt: attempt, nonce: number))
        jobs[number]?.attempt = attempt
        jobs[number]?.holder = (granted.lease, id)
        return granted
    }

    private func holds(_ lease: WireLease, _ id: WorkerID) -> Bool {
        guard let number = lease.token?.jobID.low, let holder = jobs[number]?.holder else { return false }
        return holder == (lease, id)
    }

    private mutating func release(_ lease: WireLease, of id: WorkerID) {
        guard holds(lease, id), let number = lease.token?.jobID.low else { return }
        jobs[number]?.holder = nil
        available.append(number)
    }

    private mutating func apply(_ result: WorkerResult, _ id: WorkerID) -> ReportedResult {
        let outcome = result.ending.outcome
        if let before = accepted[result.lease] {
            return ReportedResult(lease: result.lease, status: before == outcome ? .accepted : .alreadyReported)
        }
        guard holds(result.lease, id), let number = result.lease.token?.jobID.low else {
            return ReportedResult(lease: result.lease, status: .leaseLost)
        }
        accepted[result.lease] = outcome
        if outcome == .completed {
            jobs[number]?.holder = nil
            jobs[number]?.completions += 1
        } else {
            release(result.lease, of: id)
        }
        return ReportedResult(lease: result.lease, status: .accepted)
    }

    private mutating func sweep(now: Int64) {
        for (id, session) in sessions where session.expiresAt <= now { end(id, swept: true) }
    }

    private mutating func end(_ id: WorkerID, swept: Bool) {
        sessions[id] = nil
        for number in jobs.keys.sorted() {
            guard let holder = jobs[number]?.holder, holder.session == id else { continue }
            if swept { sweptLeases.append((id, holder.lease)) }
            jobs[number]?.holder = nil
            available.append(number)
        }
    }
}
