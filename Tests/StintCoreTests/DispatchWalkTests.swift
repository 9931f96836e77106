// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import StintTestKit
import Testing

/// Drives a dispatch machine at random and keeps a plain account of what must be true.
private struct DispatchWalk {
    struct Parked {
        var poll: DispatchMachine.PollID
        var parkedAs: Int
        var isLeasing = false
    }

    struct InFlight {
        var session: Int
        var jobs: [ReadyJob]
    }

    static let sessions = 6

    var random: SeededGenerator
    var bench = DispatchBench()
    var now: Int64 = 0
    /// The polls that nobody has answered, by session.
    var open: [DispatchMachine.PollID: Int] = [:]
    var current: [Int: Parked] = [:]
    var inFlight: [InFlight] = []
    var lastGiven: [Int: Int] = [:]
    /// Where a session stood before what is being leased to it: there it stands again when nothing of it is granted.
    var placeBefore: [Int: (lastGiven: Int?, parkedAs: Int)] = [:]
    var isDraining: Set<Int> = []
    var assignments = 0
    var parkings = 0
    var jobs = 0
    var broken: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
    }

    /// What a session can take never changes here, so that a superseding poll asks for as much as the older one.
    static func slots(_ session: Int) -> Int { session % 4 }

    static func names(_ session: Int) -> [String] { session % 3 == 0 ? ["*"] : session % 3 == 1 ? ["work"] : ["mail"] }

    static func serves(_ session: Int, _ lane: Lane) -> Bool {
        names(session) == ["*"] || names(session) == [lane.name]
    }

    mutating func step() {
        let session = random.int(0...Self.sessions - 1)
        switch random.int(0...19) {
        case 0...6: park(session)
        case 7...11: assign(count: random.int(1...5))
        case 12...15: settle()
        case 16: carryOut(bench.machine.cancelRequested(worker(session), token(random.int(1...9))), "cancel")
        case 17:
            now += Int64(random.int(0...50))
            expire()
        case 18: withdraw(session)
        default: endOrDrain(session)
        }
    }

    mutating func expect(_ condition: Bool, _ claim: String) {
        if !condition { broken.append(claim) }
    }

    mutating func park(_ session: Int) {
        let wasLeasing = current[session]?.isLeasing ?? false
        let older = current[session]?.poll
        parkings += 1
        let poll = bench.lastPoll + 1
        open[poll] = session
        current[session] = Parked(poll: poll, parkedAs: parkings, isLeasing: wasLeasing)
        let actions = bench.park(
            session,
            free: Self.slots(session),
            names: Self.names(session),
            deadline: now + Int64(random.int(1...100))
        )
        if let older { expect(actions.first == .answerEmpty(older), "a superseded poll is answered at once") }
        carryOut(actions, "park")
    }

    mutating func assign(count: Int) {
        let offered = (0..<count).map { _ -> ReadyJob in
            jobs += 1
            return job(jobs, random.oneIn(2) ? .work : .mail)
        }
        let (given, leftOver) = oracle(offered)
        var seen: [Int: [ReadyJob]] = [:]
        var putBack: [ReadyJob] = []
        for action in bench.machine.assign(offered) {
            switch action {
            case .lease(let id, let jobs):
                let session = Int(id.low)
                expect(jobs.count <= Self.slots(session), "never more jobs than free slots")
                expect(seen[session] == nil, "one lease per session and round")
                seen[session] = jobs
                current[session]?.isLeasing = true
                inFlight.append(InFlight(session: session, jobs: jobs))
            case .putBack(let jobs): putBack += jobs
            case .answerEmpty: broken.append("assigning answers nobody")
            }
        }
        expect(seen == given, "least recently assigned first: \(seen), not \(given)")
        expect(putBack == leftOver, "what nobody serves is put back")
    }

    /// The rule in its simplest form: per job, of those that can take it, the one that was given a job longest ago.
    private mutating func oracle(_ offered: [ReadyJob]) -> (given: [Int: [ReadyJob]], leftOver: [ReadyJob]) {
        var given: [Int: [ReadyJob]] = [:]
        var leftOver: [ReadyJob] = []
        for job in offered {
            let able = current.filter { session, parked in
                !parked.isLeasing && !isDraining.contains(session) && Self.serves(session, job.lane)
                    && (given[session]?.count ?? 0) < Self.slots(session)
            }
            let next = able.min {
                (lastGiven[$0.key] ?? 0, $0.value.parkedAs) < (lastGiven[$1.key] ?? 0, $1.value.parkedAs)
            }
            guard let session = next?.key else {
                leftOver.append(job)
                continue
            }
            if given[session] == nil, let parked = current[session] {
                placeBefore[session] = (lastGiven[session], parked.parkedAs)
            }
            assignments += 1
            lastGiven[session] = assignments
            given[session, default: []].append(job)
        }
        return (given, leftOver)
    }

    mutating func settle() {
        guard !inFlight.isEmpty else { return }
        let lease = inFlight.remove(at: random.int(0...inFlight.count - 1))
        let granted = lease.jobs.filter { _ in !random.oneIn(4) }
        let tokens = granted.map { LeaseToken(jobID: $0.id, attempt: 1, nonce: 7) }
        let (delivery, actions) = bench.machine.leaseSettled(session: worker(lease.session), granted: tokens, now: now)
        switch delivery {
        case .answer(let poll):
            expect(!tokens.isEmpty && tokens.count <= Self.slots(lease.session), "an answer has jobs, not too many")
            expect(current[lease.session]?.poll == poll, "the newest poll gets the grant")
            answer(poll)
        case .waiting:
            expect(tokens.isEmpty, "what was granted is delivered")
            current[lease.session]?.isLeasing = false
            if let place = placeBefore[lease.session] {
                lastGiven[lease.session] = place.lastGiven
                current[lease.session]?.parkedAs = place.parkedAs
            }
        case .nobody:
            expect(current[lease.session] == nil, "somebody waits")
        }
        carryOut(actions, "settle")
    }

    mutating func expire() {
        let due = current.values.filter { !$0.isLeasing }.count
        let actions = bench.machine.expire(now: now)
        expect(actions.count <= due, "only parked polls expire")
        carryOut(actions, "expire")
        expect(bench.machine.nextDeadline.map { $0 > now } ?? true, "no poll waits beyond its time")
    }

    /// Of a poll whose lease is being written nothing is known until it settles: it stays.
    mutating func withdraw(_ session: Int) {
        let isParked = current[session].map { !$0.isLeasing } ?? false
        let actions = bench.machine.withdraw(worker(session))
        expect(actions.count == (isParked ? 1 : 0), "a parked poll is withdrawn, a leasing one is not")
        carryOut(actions, "withdraw")
    }

    mutating func endOrDrain(_ session: Int) {
        if random.oneIn(3) {
            if bench.machine.knows(worker(session)) { isDraining.insert(session) }
            carryOut(bench.machine.drainRequested(worker(session)), "drain")
        } else if !inFlight.contains(where: { $0.session == session }) {
            carryOut(bench.machine.sessionEnded(worker(session)), "end")
            lastGiven[session] = nil
            isDraining.remove(session)
        }
    }

    mutating func carryOut(_ actions: [DispatchMachine.Action], _ what: String) {
        for action in actions {
            guard case .answerEmpty(let poll) = action else {
                broken.append("\(what) gives no jobs")
                continue
            }
            answer(poll)
        }
    }

    mutating func answer(_ poll: DispatchMachine.PollID) {
        guard let session = open.removeValue(forKey: poll) else {
            return broken.append("poll \(poll) is answered twice")
        }
        _ = bench.machine.news(for: worker(session))
        if current[session]?.poll == poll { current[session] = nil }
    }

    mutating func finish() {
        carryOut(bench.machine.stop(), "stop")
        while !inFlight.isEmpty { settle() }
        let unanswered = open
        expect(unanswered.isEmpty, "every poll is answered: \(unanswered)")
    }
}

@Suite("Dispatch: a random walk keeps every promise")
struct DispatchWalkTests {
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func everyPollIsAnsweredOnceAndTheLeastRecentlyAssignedIsServed(seed: UInt64) {
        var walk = DispatchWalk(seed: seed)
        for step in 1...3000 {
            walk.step()
            guard walk.broken.isEmpty else {
                Issue.record("seed \(seed), step \(step): \(walk.broken)")
                return
            }
        }
        walk.finish()
        #expect(walk.broken == [], "seed \(seed)")
        #expect(walk.assignments > 250, "seed \(seed): the walk gave out jobs")
    }
}
