// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintMemoryStore
import StintModel
import StintStorage
import StintTelemetry
import StintTestKit
import Synchronization

@testable import StintCoordinator

extension Lane {
    static let work = Lane(queue: "default", name: "work")
    static let mail = Lane(queue: "default", name: "mail")
}

/// A coordinator on a record in memory that fails on command, in time that stands still.
final class CoordinatorBench: Sendable {
    let time = ManualTime()
    let log = LogRecorder()
    let store: FaultyJobStore
    let belt: MemoryReadyQueue
    let coordinator: Coordinator
    let environment: ServiceEnvironment
    private let numbers = Mutex<UInt64>(0)

    init(window: Int = 64, _ change: (inout CoordinatorSettings) -> Void = { _ in }) {
        var settings = CoordinatorSettings()
        change(&settings)
        let time = time
        let random = Mutex(SeededGenerator(seed: 1))
        store = FaultyJobStore(MemoryJobStore(rules: EndingDecision.rules, now: { time.timestamp }))
        belt = MemoryReadyQueue(window: window)
        environment = ServiceEnvironment(logger: log.logger, time: time) { random.withLock { $0.next() } }
        coordinator = Coordinator(
            store: store,
            belt: belt,
            backend: "memory",
            settings: settings,
            environment: environment,
            metrics: MetricRegistry()
        )
    }

    /// With all services running, the belt filled, and time standing still.
    func run<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        try await coordinator.prepare()
        return try await running(coordinator.services, body)
    }

    // MARK: Words of the tests

    func newJob(_ lane: Lane = .work, _ change: (inout NewJob) -> Void = { _ in }) async throws -> NewJob {
        var job = NewJob(id: try await coordinator.newIDs(1)[0], lane: lane, payload: Array("{}".utf8))
        change(&job)
        return job
    }

    @discardableResult
    func submit(_ lane: Lane = .work, _ change: (inout NewJob) -> Void = { _ in }) async throws -> JobID {
        try await coordinator.submit([try await newJob(lane, change)], idempotency: nil).ids[0]
    }

    func register(
        names: [String] = ["*"],
        queues: [String] = ["default"],
        concurrency: Int = 8
    ) async throws -> WorkerID {
        let session = WorkerSession(
            id: try await coordinator.newIDs(1)[0],
            name: "host-1",
            host: "host",
            pid: nil,
            sdk: "test",
            capabilities: Capabilities(queues: queues, jobNames: names),
            concurrency: concurrency,
            labels: [],
            startedAt: ManualTime.epoch,
            expiresAt: ManualTime.epoch
        )
        return try await coordinator.register(session).id
    }

    /// - Parameter wait: Seconds, in time that stands still.
    func poll(
        _ worker: WorkerID,
        free: Int = 1,
        wait: Double = 20,
        running: [LeaseToken] = [],
        reports: [(token: LeaseToken?, ending: Ending)] = []
    ) async throws -> Coordinator.PollResult {
        let poll = Coordinator.Poll(freeSlots: free, wait: .seconds(wait), running: running, reports: reports)
        return try await coordinator.poll(worker, poll)
    }

    /// A poll with that wait is parked, the first of all to end: the dispatcher sleeps towards its deadline.
    func untilParked(wait: Double = 20) async throws {
        let deadline = time.now() + Int64(wait * 1e9)
        try await until("a poll is parked") { time.deadlines.contains(deadline) }
    }

    /// Moves time on by a tenth of a second again and again, until it has happened.
    func whileTimePasses(_ what: String, _ condition: () async throws -> Bool) async throws {
        try await until(what) {
            time.advance(seconds: 0.1)
            return try await condition()
        }
    }

    func state(_ id: JobID) async throws -> JobState {
        try await coordinator.job(id).state
    }

    /// Leases that the record was asked for.
    var leaseCommands: Int {
        store.batches.joined().count { if case .lease = $0 { true } else { false } }
    }
}

extension Ending {
    static let success = Ending.completed(result: Array("1".utf8))
    static let failure = Ending.failed(
        error: JobError(type: "Oops", message: "it broke"),
        isRetryable: true,
        retryAfter: nil
    )
}
