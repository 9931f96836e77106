// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
import Synchronization

/// A fresh record, its clock, and short words for what cases do with them.
package final class StoreHarness: Sendable {
    let store: any JobStore
    let rulings: RulingLog
    private let clock: ManualClock
    private let made = Mutex<UInt64>(0)

    init(store: any JobStore, clock: ManualClock, rulings: RulingLog) {
        self.store = store
        self.clock = clock
        self.rulings = rulings
    }

    /// The lease of worker sessions, unless a case says otherwise.
    static let leaseLength = Milliseconds(30_000)

    var now: Timestamp { clock.now }

    func advance(_ milliseconds: Int64) {
        clock.advance(by: milliseconds)
    }

    /// A new number each time, the same ones in every run.
    func number() -> UInt64 {
        made.withLock {
            $0 += 1
            return $0
        }
    }

    /// Rises from one to the next, and tells the clock's time as a server's ids do.
    func newID() -> UUIDv7 {
        UUIDv7(high: UUIDv7.lowerBound(at: now).high | 0x7000, low: 0x8000_0000_0000_0000 | number())
    }
}

/// A lease that a case holds.
struct Holding: Sendable {
    var job: JobID
    var session: WorkerID
    var token: LeaseToken
}

// MARK: - Commands

extension StoreHarness {
    @discardableResult
    func batch(_ commands: RecordCommand...) async throws -> RecordBatch {
        let batch = try await store.perform(commands)
        try expectEqual(batch.answers.count, commands.count, "number of answers")
        return batch
    }

    @discardableResult
    func answer(_ command: RecordCommand) async throws -> RecordAnswer {
        try await batch(command).answers[0]
    }

    func count(_ command: RecordCommand) async throws -> Int {
        try await answer(command).asCount()
    }

    func newJob(_ lane: Lane = .work, edit: (inout NewJob) -> Void = { _ in }) -> NewJob {
        var job = NewJob(id: newID(), lane: lane, payload: Array("{}".utf8))
        job.options.retry.jitter = .none
        edit(&job)
        return job
    }

    @discardableResult
    func submit(_ lane: Lane = .work, edit: (inout NewJob) -> Void = { _ in }) async throws -> JobID {
        let job = newJob(lane, edit: edit)
        _ = try await submit([job])
        return job.id
    }

    func submit(_ jobs: [NewJob], under idempotency: Idempotency? = nil) async throws -> SubmitReceipt {
        try await answer(.submit(Submission(jobs: jobs, idempotency: idempotency))).asSubmitted()
    }

    func submit(count: Int, _ lane: Lane = .work) async throws -> [JobID] {
        try await submit((0..<count).map { _ in newJob(lane) }).ids
    }

    func newSession() -> WorkerSession {
        WorkerSession(
            id: newID(),
            name: "host-1",
            host: "host",
            pid: 4711,
            sdk: "contract/1",
            capabilities: Capabilities(queues: ["default"], jobNames: ["*"]),
            concurrency: 8,
            labels: [],
            startedAt: now,
            expiresAt: now
        )
    }

    func register(lease: Milliseconds = StoreHarness.leaseLength) async throws -> WorkerID {
        let session = newSession()
        try await answer(.register(session, lease: lease))
        return session.id
    }

    func lease(_ jobs: [JobID], to session: WorkerID) async throws -> LeaseReceipt {
        let grants = jobs.map { LeaseRequest.Grant(jobID: $0, nonce: number()) }
        return try await answer(.lease(LeaseRequest(session: session, grants: grants))).asLeased()
    }

    /// Leases a job that must be leasable.
    func hold(_ job: JobID, by session: WorkerID) async throws -> Holding {
        let receipt = try await lease([job], to: session)
        let granted = try require(receipt.granted.first, "grant, but \(receipt.refused)")
        return Holding(job: job, session: session, token: granted.token)
    }

    /// A running job, submitted and leased to a session of its own.
    func hold(_ lane: Lane = .work, edit: (inout NewJob) -> Void = { _ in }) async throws -> Holding {
        let job = try await submit(lane, edit: edit)
        return try await hold(job, by: try await register())
    }

    func reports(_ session: WorkerID, _ reports: [(LeaseToken, Ending)]) async throws -> [ReportStatus]? {
        try await answer(reportCommand(session, reports)).asReported()
    }

    func reportCommand(_ session: WorkerID, _ reports: [(LeaseToken, Ending)]) -> RecordCommand {
        let reports = reports.map { ReportRequest.Report(token: $0.0, ending: $0.1, random: number()) }
        return .report(ReportRequest(session: session, reports: reports))
    }

    @discardableResult
    func report(_ holding: Holding, _ ending: Ending) async throws -> ReportStatus? {
        try await reports(holding.session, [(holding.token, ending)])?.first
    }

    /// Reports what must be accepted.
    func end(_ holding: Holding, _ ending: Ending) async throws {
        try expectEqual(try await report(holding, ending), .accepted, "status of the report")
    }

    func renew(_ session: WorkerID, _ leases: [LeaseToken] = []) async throws -> RenewReceipt? {
        let request = RenewRequest(session: session, lease: Self.leaseLength, leases: leases)
        return try await answer(.renew(request)).asRenewed()
    }

    /// A job that ran once, failed for good and is dead.
    @discardableResult
    func deadLetter(
        _ lane: Lane = .work,
        error: JobError = .sample,
        edit: (inout NewJob) -> Void = { _ in }
    ) async throws -> JobID {
        let holding = try await hold(lane, edit: edit)
        try await end(holding, .failed(error: error, isRetryable: false, retryAfter: nil))
        return holding.job
    }
}

// MARK: - Reads

extension StoreHarness {
    func job(_ id: JobID) async throws -> Job {
        try require(try await store.job(id), "job \(id)")
    }

    func state(of id: JobID) async throws -> JobState {
        try await job(id).state
    }

    func session(_ id: WorkerID) async throws -> WorkerSession {
        try require(try await store.session(id), "session \(id)")
    }

    /// The ids of every page of a list, one after the other.
    func listed(_ query: JobQuery) async throws -> [JobID] {
        var query = query
        var ids: [JobID] = []
        for _ in 0..<10_000 {
            let page = try await store.jobs(query)
            try expect(page.jobs.count <= query.limit, "a page holds no more than its limit")
            ids += page.jobs.map(\.id)
            guard let next = page.next else { return ids }
            query.before = next
        }
        throw ContractFailure("the list has no end", at: SourcePlace(file: #fileID, line: #line))
    }
}
