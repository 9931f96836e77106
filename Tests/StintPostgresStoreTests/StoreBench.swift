// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Logging
import PostgresDriver
import StintCore
import StintModel
import StintPostgresStore
import StintStorage
import StintTestServers
import Synchronization

/// Short words for tests that use the store by its port, with the server's own clock.
struct StoreBench: Sendable {
    let database: String
    let store: PostgresJobStore
    /// A connection of the test's own, to look behind the store's back and to stand in its way.
    let raw: PostgresPool

    init(
        _ database: String,
        clock: PostgresClock = .server,
        edit: (inout PostgresConfiguration) -> Void = { _ in }
    ) async throws {
        self.database = database
        var configuration = try SharedPostgres.configuration(database)
        raw = PostgresPool(configuration, logger: Logger(label: "test"))
        edit(&configuration)
        store = try await Self.open(configuration, clock: clock)
    }

    static func open(
        _ configuration: PostgresConfiguration,
        clock: PostgresClock = .server
    ) async throws -> PostgresJobStore {
        try await PostgresJobStore(
            configuration,
            rules: EndingDecision.rules,
            clock: clock,
            logger: Logger(label: "test")
        )
    }

    func close() async {
        await store.close()
        await raw.close()
    }

    // MARK: Values

    private static let made = Atomic<UInt64>(0)

    static func newID() -> UUIDv7 {
        let number = made.add(1, ordering: .relaxed).newValue
        return UUIDv7(high: 0x0190_0000_0000_7000, low: 0x8000_0000_0000_0000 | number)
    }

    static func newJob(_ queue: String = "default", edit: (inout NewJob) -> Void = { _ in }) -> NewJob {
        var job = NewJob(id: newID(), lane: Lane(queue: queue, name: "work"), payload: Array("{}".utf8))
        edit(&job)
        return job
    }

    // MARK: Commands

    func submit(_ count: Int = 1, edit: (inout NewJob) -> Void = { _ in }) async throws -> [JobID] {
        let jobs = (0..<count).map { _ in Self.newJob(edit: edit) }
        _ = try await store.perform([.submit(Submission(jobs: jobs))])
        return jobs.map(\.id)
    }

    func register(lease: Int64 = 30_000) async throws -> WorkerID {
        let id = Self.newID()
        let session = WorkerSession(
            id: id,
            name: "host-1",
            host: "host",
            pid: 1,
            sdk: "test",
            capabilities: Capabilities(queues: ["default"], jobNames: ["*"]),
            concurrency: 8,
            labels: [],
            startedAt: Timestamp(milliseconds: 0),
            expiresAt: Timestamp(milliseconds: 0)
        )
        _ = try await store.perform([.register(session, lease: Milliseconds(lease))])
        return id
    }

    static func leaseCommand(_ jobs: [JobID], to session: WorkerID) -> RecordCommand {
        .lease(
            LeaseRequest(
                session: session,
                grants: jobs.map { LeaseRequest.Grant(jobID: $0, nonce: UInt64.random(in: 0 ... .max)) }
            )
        )
    }

    func lease(_ jobs: [JobID], to session: WorkerID) async throws -> LeaseReceipt {
        try await store.perform([Self.leaseCommand(jobs, to: session)]).answers[0].leaseReceipt
    }

    static func report(_ token: LeaseToken, _ ending: Ending, from session: WorkerID) -> RecordCommand {
        .report(ReportRequest(session: session, reports: [.init(token: token, ending: ending, random: 1)]))
    }

    // MARK: Behind its back

    @discardableResult
    func sql(_ text: String) async throws -> String {
        try await raw.withConnection { connection throws(PostgresError) in
            try connection.run(PostgresStatement(text, isKept: false)).first?.text(0) ?? ""
        }
    }

    /// A transaction that holds what it locked until it is let go.
    func hold(_ statements: [String]) async throws -> HeldTransaction {
        let isHeld = Latch()
        let mayGo = Latch()
        let raw = raw
        let task = Task {
            try await raw.withConnection { connection throws(PostgresError) in
                defer { isHeld.open() }
                let settings = "SELECT set_config('idle_in_transaction_session_timeout', '0', true)"
                let all = [settings] + statements
                _ = try connection.run([.begin] + all.map { PostgresStatement($0, isKept: false) })
                isHeld.open()
                mayGo.waitBlocking()
                _ = try connection.run([.commit])
            }
        }
        await isHeld.wait()
        return HeldTransaction(task: task, mayGo: mayGo)
    }

    /// Returns when so many sessions of this database wait for a lock.
    func waitForLockWaiters(_ count: Int) async throws {
        let waiting = """
            SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            """
        while try await sql(waiting) != "\(count)" { await Task.yield() }
    }
}

struct HeldTransaction {
    let task: Task<Void, any Error>
    let mayGo: Latch

    func commit() async throws {
        mayGo.open()
        try await task.value
    }
}

/// Closed once, open for ever after.
final class Latch: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
        semaphore.signal()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    /// For a thread that may block.
    func waitBlocking() {
        semaphore.wait()
        semaphore.signal()
    }
}

extension RecordAnswer {
    var leaseReceipt: LeaseReceipt {
        get throws {
            guard case .leased(let receipt) = self else { throw UnexpectedAnswer(description: "\(self)") }
            return receipt
        }
    }

    var submitReceipt: SubmitReceipt {
        get throws {
            guard case .submitted(let receipt) = self else { throw UnexpectedAnswer(description: "\(self)") }
            return receipt
        }
    }

    var count: Int {
        get throws {
            guard case .count(let count) = self else { throw UnexpectedAnswer(description: "\(self)") }
            return count
        }
    }
}

struct UnexpectedAnswer: Error, CustomStringConvertible {
    let description: String
}
