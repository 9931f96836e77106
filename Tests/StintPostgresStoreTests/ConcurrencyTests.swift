// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintPostgresStore
import StintStorage
import Testing

/// What several server processes can do to one another, each story with real connections in real transactions.
@Suite("Several processes on one PostgreSQL record")
struct ConcurrencyTests {
    /// A coordinator leases to a session at the moment another one sweeps it: the sweep has locked the session first.
    @Test func noLeaseCommitsToASessionThatASweepIsEnding() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = try await bench.submit()[0]
            let session = try await bench.register()
            let sweep = try await bench.hold([
                "SELECT id FROM stint.worker_sessions WHERE id = '\(session)' FOR UPDATE",
                "UPDATE stint.worker_sessions SET ended_at = 1 WHERE id = '\(session)'",
            ])
            let lease = Task { try await bench.lease([job], to: session) }
            try await bench.waitForLockWaiters(1)
            try await sweep.commit()
            #expect(try await lease.value.refused.map(\.reason) == [.sessionUnfit])
            #expect(try await bench.store.job(job)?.state == .available)
            await bench.close()
        }
    }

    /// The lease has locked the session first: the sweep passes by, and the next one finds the job.
    @Test func aSweepPassesASessionThatIsBeingLeasedToAndFindsItsJobNextTime() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = try await bench.submit()[0]
            let session = try await bench.register(lease: 0)
            let lease = try await bench.hold([
                "SELECT id FROM stint.worker_sessions WHERE id = '\(session)' FOR SHARE",
                """
                UPDATE stint.jobs SET state = 3, attempt = 1, worker = '\(session)', nonce = 7, started_at = 1,
                  deadline = 9000000000000 WHERE id = '\(job)'
                """,
            ])
            let sweep = RecordCommand.sweepSessions(limit: 10, random: 0)
            #expect(try await bench.store.perform([sweep]).answers[0].count == 0)
            try await lease.commit()
            #expect(try await bench.store.perform([sweep]).answers[0].count == 1)
            let swept = try await bench.store.job(job)
            #expect(swept?.state == .available)
            #expect(swept?.losses == 1)
            await bench.close()
        }
    }

    /// Many rounds of both at once: no running job may belong to a session that has ended.
    @Test func leasesAndSweepsAtOnceLeaveNoJobBehind() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let other = try await StoreBench.open(try SharedPostgres.configuration(database))
            for _ in 0..<40 {
                let jobs = try await bench.submit(10)
                let session = try await bench.register(lease: 0)
                async let lease = bench.lease(jobs, to: session)
                async let sweep = other.perform([.sweepSessions(limit: 10, random: 1)])
                _ = try await (lease, sweep)
            }
            _ = try await other.perform([.sweepSessions(limit: 1000, random: 1)])
            let orphans = """
                SELECT count(*)::text FROM stint.jobs j JOIN stint.worker_sessions s ON s.id = j.worker
                WHERE j.state = 3 AND s.ended_at IS NOT NULL
                """
            #expect(try await bench.sql(orphans) == "0")
            await other.close()
            await bench.close()
        }
    }

    @Test func twoSubmittersWithOneKeyMakeOneJob() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let other = try await StoreBench.open(try SharedPostgres.configuration(database))
            for round in 0..<30 {
                let key = Idempotency(key: "round-\(round)", digest: [1], retention: Milliseconds(60_000))
                let submissions = (0..<4).map { _ in Submission(jobs: [StoreBench.newJob()], idempotency: key) }
                let receipts = try await withThrowingTaskGroup(of: SubmitReceipt.self) { group in
                    for (index, submission) in submissions.enumerated() {
                        let store = index % 2 == 0 ? bench.store : other
                        group.addTask { try await store.perform([.submit(submission)]).answers[0].submitReceipt }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(receipts.filter { !$0.isReplay }.count == 1)
                #expect(Set(receipts.map(\.ids)).count == 1)
            }
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.jobs") == "30")
            await other.close()
            await bench.close()
        }
    }

    /// The first has claimed the key and not yet committed: the second waits for it, then replays.
    @Test func aKeyThatIsBeingClaimedIsWaitedFor() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let id = StoreBench.newID()
            let first = try await bench.hold([
                """
                INSERT INTO stint.idempotency_keys VALUES ('k', '\\x01', ARRAY['\(id)'::uuid], 9000000000000, 1)
                """
            ])
            let key = Idempotency(key: "k", digest: [1], retention: Milliseconds(60_000))
            let second = Task {
                let submission = Submission(jobs: [StoreBench.newJob()], idempotency: key)
                return try await bench.store.perform([.submit(submission)]).answers[0].submitReceipt
            }
            try await bench.waitForLockWaiters(1)
            try await first.commit()
            let receipt = try await second.value
            #expect(receipt.isReplay)
            #expect(receipt.ids == [id])
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.jobs") == "0")
            await bench.close()
        }
    }

    /// Two transactions lock two jobs in opposite order; the server ends ours after a second, and it is tried again.
    @Test func aDeadlockIsTriedAgain() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database) {
                $0.lockTimeoutMilliseconds = 20_000
                $0.statementTimeoutMilliseconds = 30_000
            }
            let jobs = try await bench.submit(2)
            let raw = bench.raw
            let isLocked = Latch()
            let opponent = Task {
                try await raw.withConnection { connection throws(PostgresError) in
                    func lock(_ id: JobID) -> PostgresStatement {
                        PostgresStatement("SELECT id FROM stint.jobs WHERE id = '\(id)' FOR UPDATE", isKept: false)
                    }
                    let patience = ["deadlock_timeout", "lock_timeout", "idle_in_transaction_session_timeout"].map {
                        PostgresStatement("SELECT set_config('\($0)', '20s', true)", isKept: false)
                    }
                    _ = try connection.run([.begin] + patience + [lock(jobs[1])])
                    isLocked.open()
                    let waiting = PostgresStatement(
                        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()",
                        isKept: false
                    )
                    while try connection.run(waiting).first?.int(0) == 0 {}
                    _ = try connection.run([lock(jobs[0])], within: 30_000)
                    _ = try connection.run([.commit])
                }
            }
            await isLocked.wait()
            let batch = try await bench.store.perform([.cancel(jobs[0]), .cancel(jobs[1])])
            try await opponent.value
            #expect(batch.changes.map(\.to) == [.cancelled, .cancelled])
            #expect(try await bench.store.queues().first?.counts == [.cancelled: 2])
            await bench.close()
        }
    }

    @Test func aLockThatIsHeldTooLongMakesTheRecordUnavailableAndNothingIsDone() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database) { $0.lockTimeoutMilliseconds = 100 }
            let job = try await bench.submit()[0]
            let holder = try await bench.hold(["LOCK TABLE stint.jobs IN ACCESS EXCLUSIVE MODE"])
            await #expect(throws: StorageError.self) { _ = try await bench.store.perform([.cancel(job)]) }
            do {
                _ = try await bench.submit()
                Issue.record("a submission went through a locked table")
            } catch let error as StorageError {
                guard case .unavailable = error else { throw error }
            }
            try await holder.commit()
            #expect(try await bench.store.job(job)?.state == .available)
            await bench.close()
        }
    }

    /// A client that stops in the middle of a transaction, as a frozen process does, must not hold its locks.
    @Test func aFrozenClientLosesItsLocks() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = try await bench.submit()[0]
            var configuration = try SharedPostgres.configuration(database)
            configuration.idleInTransactionMilliseconds = 200
            let frozen = try PostgresConnection.open(configuration)
            let lock = PostgresStatement("SELECT id FROM stint.jobs WHERE id = '\(job)' FOR UPDATE", isKept: false)
            _ = try frozen.run([.begin, lock])
            let batch = try await bench.store.perform([.cancel(job)])
            #expect(batch.changes.map(\.to) == [.cancelled])
            await bench.close()
        }
    }

    /// A report that comes while another process writes the same row (a heartbeat's progress) must not be lost.
    @Test func aCompletionWaitsForAnotherWriterOfItsRowAndCounts() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = try await bench.submit()[0]
            let session = try await bench.register()
            let token = try #require(try await bench.lease([job], to: session).granted.first).token
            let writer = try await bench.hold(["UPDATE stint.jobs SET progress_percent = 50 WHERE id = '\(job)'"])
            let report = Task {
                try await bench.store.perform([StoreBench.report(token, .completed(result: nil), from: session)])
            }
            try await bench.waitForLockWaiters(1)
            try await writer.commit()
            guard case .reported(let statuses) = try await report.value.answers[0] else { return }
            #expect(statuses == [.accepted])
            #expect(try await bench.store.job(job)?.state == .completed)
            await bench.close()
        }
    }

    /// A sweep has locked the session and looks for its jobs; a report of one of them must wait for the session before
    /// it locks the job, or the two would wait for each other.
    @Test(arguments: [Ending.completed(result: nil), .released])
    func aReportWaitsForItsSessionBeforeItLocksItsJob(_ ending: Ending) async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = try await bench.submit()[0]
            let session = try await bench.register()
            let token = try #require(try await bench.lease([job], to: session).granted.first).token
            let sweep = try await bench.hold(["SELECT id FROM stint.worker_sessions WHERE id = '\(session)' FOR UPDATE"]
            )
            let report = Task { try await bench.store.perform([StoreBench.report(token, ending, from: session)]) }
            try await bench.waitForLockWaiters(1)
            let lock = "SELECT id::text FROM stint.jobs WHERE id = '\(job)' FOR UPDATE NOWAIT"
            #expect(try await bench.sql(lock) == job.description)
            try await sweep.commit()
            guard case .reported(let statuses) = try await report.value.answers[0] else { return }
            #expect(statuses == [.accepted])
            await bench.close()
        }
    }

    /// Three processes do everything at once to the same jobs: afterwards each job is in one place, and the ledger of
    /// counts agrees.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func whateverHappensAtOnceTheCountsAgreeWithTheTables(_ seed: UInt64) async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let stores = [
                bench.store, try await StoreBench.open(try SharedPostgres.configuration(database)),
                try await StoreBench.open(try SharedPostgres.configuration(database, isPooled: true)),
            ]
            let jobs = try await bench.submit(60)
            var sessions: [WorkerID] = []
            for _ in 0..<6 { sessions.append(try await bench.register()) }
            let known = sessions
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, store) in stores.enumerated() {
                    group.addTask {
                        var chance = Chance(seed: seed &* 1000 &+ UInt64(number))
                        for _ in 0..<60 { try await Self.turn(store, jobs, known, &chance) }
                    }
                }
                try await group.waitForAll()
            }
            let actual = """
                SELECT coalesce(string_agg(state || '=' || n, ',' ORDER BY state), '') FROM (
                  SELECT state, count(*) AS n FROM (
                    SELECT state FROM stint.jobs UNION ALL SELECT state FROM stint.dead_letters
                    UNION ALL SELECT state FROM stint.job_history) j GROUP BY state) c
                """
            let told = try await bench.store.queues().first?.counts ?? [:]
            let words = told.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue)=\($0.value)" }
            #expect(try await bench.sql(actual) == words.joined(separator: ","))
            #expect(told.values.reduce(0, +) <= 60)
            for store in stores.dropFirst() { await store.close() }
            await bench.close()
        }
    }

    /// One process's batch: it leases, ends what it got, and lets people and time act on any job.
    private static func turn(
        _ store: PostgresJobStore,
        _ jobs: [JobID],
        _ sessions: [WorkerID],
        _ chance: inout Chance
    ) async throws {
        let session = sessions[chance.below(sessions.count)]
        let some = (0..<5).map { _ in jobs[chance.below(jobs.count)] }
        let receipt = try await store.perform([StoreBench.leaseCommand(some, to: session)]).answers[0].leaseReceipt
        let failure = JobError(type: "E", message: "m")
        let endings: [Ending] = [
            .completed(result: nil), .failed(error: failure, isRetryable: true, retryAfter: Milliseconds(0)),
            .failed(error: failure, isRetryable: false, retryAfter: nil), .released, .snoozed(Milliseconds(0)), .lost,
        ]
        var commands = receipt.granted.map { job in
            StoreBench.report(job.token, endings[chance.below(endings.count - 1)], from: session)
        }
        let job = jobs[chance.below(jobs.count)]
        let others: [RecordCommand] = [
            .cancel(job), .retry(job), .promoteDue(limit: 20), .redrive(DeadLetterFilter(), limit: 3, perSecond: nil),
            .delete(job), .sweepSessions(limit: 5, random: 1), .timeOutAttempts(limit: 5, random: 1),
            .renew(RenewRequest(session: session, lease: Milliseconds(30_000))),
        ]
        commands.append(others[chance.below(others.count)])
        _ = try await store.perform(commands)
    }
}

/// The same chances for the same seed.
struct Chance {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}
