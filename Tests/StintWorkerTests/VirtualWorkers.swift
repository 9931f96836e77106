// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@testable import StintWorker

/// Workers and a coordinator in virtual time, on a network that a seed makes slow and lossy.
struct VirtualWorkers {
    struct Plan {
        var seed: UInt64
        var jobs: UInt64 = 200
        var workers = 2
        var concurrency = 8
        var lease: Int64 = 3_000_000_000
        /// How many messages of a hundred are lost, until faults end.
        var lossPercent = 0
        var hasOutages = false
        var faultsEnd: Int64 = 0
        /// How long the longest handlers take.
        var handlerMax: Int64 = 50_000_000
    }

    enum Event {
        case turn(worker: Int)
        case request(worker: Int, CallID, WorkerCall)
        case reply(worker: Int, CallID, ToyCoordinator.Reply)
        case ended(worker: Int, WireLease)
        case settle
    }

    private let plan: Plan
    private(set) var now: Int64 = 0
    private(set) var coordinator: ToyCoordinator
    private(set) var machines: [WorkerMachine] = []
    private(set) var ends: [Int: WorkerEnd] = [:]
    /// How often a handler was started, by job.
    private(set) var starts: [UInt64: Int] = [:]
    private(set) var requests = 0
    private(set) var sweeps = 0
    private var queue: [(at: Int64, order: Int, event: Event)] = []
    private var order = 0
    private var tickets: [Int: (worker: Int, call: CallID)] = [:]
    private var random: SeededRandom
    private var stopped: [Set<WireLease>]
    private var wakes: [Int64?]

    init(_ plan: Plan) {
        self.plan = plan
        random = SeededRandom(seed: plan.seed)
        coordinator = ToyCoordinator(lease: plan.lease)
        stopped = Array(repeating: [], count: plan.workers)
        wakes = Array(repeating: nil, count: plan.workers)
        for index in 0..<plan.workers {
            var settings = WorkerMachineSettings()
            settings.concurrency = plan.concurrency
            settings.seed = plan.seed &+ UInt64(index)
            machines.append(WorkerMachine(settings))
            schedule(.turn(worker: index), after: 0)
        }
        coordinator.submit(1...plan.jobs)
    }

    /// Runs until `isDone`, at most for a virtual hour.
    mutating func run(until isDone: (VirtualWorkers) -> Bool) throws {
        while !isDone(self) {
            try #require(now < 3_600_000_000_000, "seed \(plan.seed): stuck")
            try step()
        }
    }

    mutating func drain() {
        for index in machines.indices {
            machines[index].drain(now: now)
            schedule(.turn(worker: index), after: 0)
        }
    }

    // MARK: One event

    private mutating func step() throws {
        let next = queue.popLast()
        let (at, _, event) = try #require(next, "seed \(plan.seed): nothing will ever happen")
        now = max(now, at)
        switch event {
        case .turn(let worker): try turn(worker)
        case .request(let worker, let call, let request): receive(worker, call, request)
        case .reply(let worker, let call, .answer(let answer)):
            machines[worker].answered(call, answer, now: now)
            try turn(worker)
        case .reply(let worker, let call, .failure(let failure)):
            machines[worker].failed(call, failure, now: now)
            try turn(worker)
        case .ended(let worker, let lease):
            guard machines[worker].isRunning(lease) else { return }
            let wasStopped = stopped[worker].remove(lease) != nil
            let end: HandlerEnd =
                wasStopped ? .threw(JobError(type: "Cancelled", message: "")) : .said(.completed(result: nil))
            if machines[worker].ended(lease, end, now: now) { try turn(worker) }
        case .settle: reply(coordinator.settle(now: now))
        }
        try checkSweeps()
    }

    private mutating func turn(_ worker: Int) throws {
        let turn = machines[worker].next(now: now)
        for action in turn.actions {
            switch action {
            case .call(let id, let call): send(worker, id, call)
            case .start(let jobs):
                for job in jobs {
                    starts[job.id.low, default: 0] += 1
                    schedule(.ended(worker: worker, job.lease), after: handlerTime())
                }
            case .cancel(let leases, _):
                for lease in leases {
                    stopped[worker].insert(lease)
                    schedule(.ended(worker: worker, lease), after: 1_000)
                }
            case .note: break
            case .end(let end): ends[worker] = end
            }
        }
        #expect(machines[worker].runningCount <= plan.concurrency)
        if let wakeAt = turn.wakeAt, wakes[worker] != wakeAt {
            wakes[worker] = wakeAt
            schedule(.turn(worker: worker), after: wakeAt - now)
        }
    }

    private mutating func handlerTime() -> Int64 {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<6: Int64.random(in: 1_000...200_000, using: &random)
        case 6..<9: Int64.random(in: 1_000_000...20_000_000, using: &random)
        default: Int64.random(in: 1_000_000...max(1_000_001, plan.handlerMax), using: &random)
        }
    }

    // MARK: The network

    private var isLost: Bool {
        mutating get {
            guard now < plan.faultsEnd else { return false }
            // Each eight seconds the network is away for longer than a lease.
            let isAway = plan.hasOutages && (1_000_000_000..<6_000_000_000).contains(now % 8_000_000_000)
            return isAway || Int.random(in: 0..<100, using: &random) < plan.lossPercent
        }
    }

    private mutating func send(_ worker: Int, _ id: CallID, _ call: WorkerCall) {
        requests += 1
        if isLost {
            schedule(.reply(worker: worker, id, .failure(CallFailure(.passing, "lost"))), after: 500_000_000)
        } else {
            schedule(.request(worker: worker, id, call), after: delay())
        }
    }

    private mutating func receive(_ worker: Int, _ id: CallID, _ call: WorkerCall) {
        let ticket = order
        tickets[ticket] = (worker, id)
        let (answer, late) = coordinator.receive(call, ticket: ticket, now: now)
        reply(late)
        if let answer { reply([(ticket, answer)]) }
        // Lost sessions are found at the very moment.
        schedule(.settle, after: plan.lease)
        if case .poll(_, let request) = call {
            schedule(.settle, after: delay())
            schedule(.settle, after: (request.wait?.count ?? 0) * 1_000_000 + 1)
        }
    }

    private mutating func reply(_ replies: [ToyCoordinator.Late]) {
        for (ticket, reply) in replies {
            guard let (worker, call) = tickets.removeValue(forKey: ticket) else { continue }
            if isLost {
                schedule(.reply(worker: worker, call, .failure(CallFailure(.passing, "lost"))), after: 500_000_000)
            } else {
                schedule(.reply(worker: worker, call, reply), after: delay())
            }
        }
    }

    private mutating func delay() -> Int64 {
        Int64.random(in: 50_000...3_000_000, using: &random)
    }

    private mutating func schedule(_ event: Event, after delay: Int64) {
        order += 1
        let at = now + max(0, delay)
        // Latest first, so that the next is at the end.
        var (low, high) = (0, queue.count)
        while low < high {
            let middle = (low + high) / 2
            if queue[middle].at > at { low = middle + 1 } else { high = middle }
        }
        queue.insert((at, order, event), at: low)
    }

    // MARK: What must hold

    /// When the coordinator takes a lease away because its session was not renewed, the worker has stopped the handler itself.
    private mutating func checkSweeps() throws {
        for (_, lease) in coordinator.sweptLeases {
            sweeps += 1
            for (index, machine) in machines.enumerated() where machine.isRunning(lease) {
                let isStopped = stopped[index].contains(lease)
                try #require(isStopped, "seed \(plan.seed): \(lease) runs on after its session was swept")
            }
        }
        coordinator.sweptLeases = []
    }
}

@Suite("Workers in virtual time")
struct VirtualWorkersTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func withoutFaultsEveryJobIsStartedExactlyOnce(seed: UInt64) throws {
        var world = VirtualWorkers(VirtualWorkers.Plan(seed: seed))
        try world.run { $0.coordinator.isEverythingDone }
        #expect(world.starts.values.allSatisfy { $0 == 1 })
        #expect(world.coordinator.jobs.values.allSatisfy { $0.attempt == 1 && $0.completions == 1 })
    }

    @Test(arguments: 0..<150 as Range<UInt64>)
    func withLossesEveryJobCompletesExactlyOnceAndNoLeaseIsOutlived(seed: UInt64) throws {
        let plan = VirtualWorkers.Plan(
            seed: seed,
            lossPercent: Int(seed % 4) * 20,
            hasOutages: seed % 2 == 0,
            faultsEnd: 40_000_000_000,
            handlerMax: 6_000_000_000
        )
        var world = VirtualWorkers(plan)
        try world.run { $0.coordinator.isEverythingDone }
        #expect(world.coordinator.jobs.values.allSatisfy { $0.completions == 1 })
        if plan.hasOutages, plan.lossPercent == 0 { #expect(world.sweeps > 0, "the plan is to lose leases") }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func aDrainInTheMiddleGivesEverythingBack(seed: UInt64) throws {
        let plan = VirtualWorkers.Plan(seed: seed, jobs: 400, handlerMax: 60_000_000_000)
        var world = VirtualWorkers(plan)
        let half = Int64(seed) * 3_000_000
        try world.run { $0.now >= half }
        world.drain()
        try world.run { $0.ends.count == 2 }
        #expect(world.ends.values.allSatisfy { $0 == .drained(abandoned: 0, unreported: 0) })
        #expect(world.coordinator.jobs.values.allSatisfy { $0.holder == nil && $0.completions <= 1 })
        #expect(world.coordinator.sessions.isEmpty)
    }

    @Test func jobsThatEndAtOnceNeedFewRequests() throws {
        var plan = VirtualWorkers.Plan(seed: 1, jobs: 2_000, workers: 1, concurrency: 100)
        plan.handlerMax = 1_000_000
        var world = VirtualWorkers(plan)
        try world.run { $0.coordinator.isEverythingDone }
        #expect(world.requests < 500)
    }
}
