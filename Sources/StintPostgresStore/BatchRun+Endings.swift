// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// A running attempt that ends now.
struct AttemptEnd {
    /// The command that ends it.
    var index: Int
    var job: LiveJob
    var ending: Ending
    var random: UInt64
    /// Whether its worker says so, rather than the server.
    var isReported: Bool
}

extension BatchRun {
    /// Reads and locks jobs, after everything gathered was sent.
    func liveJobs(_ ids: some Sequence<JobID>) throws(PostgresError) -> [JobID: LiveJob] {
        let ids = Set(ids).sorted()
        let found = try liveJobs(PostgresStatement(ColdSQL.jobsByID) { $0.add(ids: ids) })
        return Dictionary(found.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func liveJobs(_ statement: PostgresStatement) throws(PostgresError) -> [LiveJob] {
        var jobs: [LiveJob] = []
        for row in try read(statement).rows { jobs.append(try LiveJob(row)) }
        return jobs
    }

    /// Ends attempts as the rules say; their jobs are locked.
    func end(_ ends: [AttemptEnd]) {
        var moves: [JobMove] = []
        for end in ends {
            let effect = rules(end.job.running, end.ending, now, end.random)
            moves.append(JobMove(end, effect, at: now))
            var change = end.job.change(to: effect.state, runAt: effect.runAt, at: now)
            change.startedAt = end.job.startedAt
            change.outcome = effect.outcome
            change.cause = effect.cause
            change.worker = end.job.worker
            note(change, end.index)
        }
        write(moves)
    }

    /// Puts jobs where they go; their rows are locked.
    func write(_ moves: [JobMove]) {
        stay(moves.filter { !$0.state.isTerminal })
        bury(moves.filter { $0.state == .dead })
        archive(moves.filter { $0.state.isTerminal && $0.state != .dead })
    }

    private func stay(_ moves: [JobMove]) {
        guard !moves.isEmpty else { return }
        let statement = PostgresStatement(ColdSQL.move) { parameters in
            parameters.add(ids: moves.map(\.id))
            parameters.add(integers: moves.map(\.attempt))
            parameters.add(states: moves.map(\.state))
            parameters.add(times: moves.map(\.runAt))
            parameters.add(moves.map { ServingOrder.key(runAt: $0.runAt, priority: $0.priority) as Int64? })
            parameters.add(integers: moves.map(\.failures))
            parameters.add(integers: moves.map(\.losses))
            parameters.add(moves.map { $0.delay?.count })
            parameters.add(moves.map(\.ended))
        }
        enqueue(statement, expecting: moves.count)
    }

    private func archive(_ moves: [JobMove]) {
        guard !moves.isEmpty else { return }
        let statement = PostgresStatement(ColdSQL.archive) { parameters in
            parameters.add(now)
            parameters.add(ids: moves.map(\.id))
            parameters.add(integers: moves.map(\.attempt))
            parameters.add(states: moves.map(\.state))
            parameters.add(times: moves.map(\.runAt))
            parameters.add(integers: moves.map(\.failures))
            parameters.add(integers: moves.map(\.losses))
            parameters.add(moves.map(\.ended))
        }
        enqueue(statement, expecting: moves.count)
    }

    private func bury(_ moves: [JobMove]) {
        guard !moves.isEmpty else { return }
        let statement = PostgresStatement(ColdSQL.bury) { parameters in
            parameters.add(now)
            parameters.add(ids: moves.map(\.id))
            parameters.add(integers: moves.map(\.attempt))
            parameters.add(times: moves.map(\.runAt))
            parameters.add(integers: moves.map(\.failures))
            parameters.add(integers: moves.map(\.losses))
            parameters.add(moves.map(\.ended))
            parameters.add(moves.map { Int16(($0.cause ?? .attemptsExhausted).rawValue) as Int16? })
            parameters.add(moves.map { $0.fingerprint?.storable ?? "" })
            parameters.add(moves.map { Array(($0.error?.type ?? "").utf8) as [UInt8]? })
            parameters.add(moves.map { Array(($0.error?.message ?? "").utf8) as [UInt8]? })
        }
        enqueue(statement, expecting: moves.count)
    }

    /// A write of rows that this transaction has locked: fewer rows than expected would be a contradiction.
    func enqueue(_ statement: PostgresStatement, expecting count: Int) {
        enqueue(statement) { result throws(PostgresError) in
            guard result.affected == count else {
                throw PostgresError(.unexpected, "a locked row changed within its transaction")
            }
        }
    }
}

/// A job of `jobs` on its way into another state.
struct JobMove {
    var id: JobID
    var attempt: Int
    var priority: Int
    var state: JobState
    var runAt: Timestamp
    var failures: Int
    var losses: Int
    var delay: Milliseconds?
    /// The attempt that ended with it, packed.
    var ended: [UInt8]?
    var cause: DeadCause?
    var fingerprint: String?
    var error: JobError?

    /// A move that ends no attempt.
    init(_ job: LiveJob, to state: JobState, runAt: Timestamp) {
        id = job.id
        attempt = job.attempt
        priority = job.priority
        self.state = state
        self.runAt = runAt
        failures = job.failures
        losses = job.losses
        delay = job.previousDelay
    }

    init(_ end: AttemptEnd, _ effect: EndingEffect, at now: Timestamp) {
        self.init(end.job, to: effect.state, runAt: effect.runAt)
        failures = effect.failures
        losses = effect.losses
        delay = effect.delay ?? end.job.previousDelay
        cause = effect.cause
        fingerprint = effect.fingerprint
        error = effect.error
        let attempt = Attempt(
            number: end.job.attempt,
            worker: end.job.worker ?? WorkerID(high: 0, low: 0),
            workerName: end.job.workerName,
            startedAt: end.job.startedAt ?? now,
            endedAt: now,
            outcome: effect.outcome,
            error: effect.error
        )
        ended = AttemptCodec.encode(
            EndedAttempt(attempt: attempt, nonce: end.job.nonce, isReported: end.isReported)
        )
    }
}

/// Spreads one random seed over many uses (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
enum SplitMix64 {
    static func value(seed: UInt64, index: Int) -> UInt64 {
        var mixed = seed &+ UInt64(truncatingIfNeeded: index + 1) &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
