// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage
import Synchronization
import Testing

@testable import StintPostgresStore

@Suite("Facts of the PostgreSQL record")
struct StoreFactsTests {
    // MARK: Waves

    @Test func aTypicalBatchIsOneWave() {
        var wave = Wave()
        for index in 0..<20 {
            let session = StoreBench.newID()
            let token = LeaseToken(jobID: StoreBench.newID(), attempt: 1, nonce: 1)
            let report = ReportRequest.Report(token: token, ending: .completed(result: nil), random: 0)
            expect(wave.add(.init(index: index, position: 0, session: session, report: report)), true)
            expect(wave.add(RenewRequest(session: session, lease: Milliseconds(1)), index), true)
            let grant = LeaseRequest.Grant(jobID: StoreBench.newID(), nonce: 1)
            expect(wave.add(.init(index: index, position: 0, session: session, coordinator: nil, grant: grant)), true)
            expect(wave.add(Submission(jobs: [StoreBench.newJob()]), index), true)
        }
        #expect(wave.reports.count == 20)
        #expect(wave.grants.count == 20)
    }

    private func expect(_ found: Bool, _ wanted: Bool, at place: SourceLocation = #_sourceLocation) {
        #expect(found == wanted, sourceLocation: place)
    }

    @Test func commandsThatTouchTheSameAreInDifferentWaves() {
        let session = StoreBench.newID()
        let job = StoreBench.newJob()
        let grant = LeaseRequest.Grant(jobID: job.id, nonce: 1)
        let token = LeaseToken(jobID: job.id, attempt: 1, nonce: 1)
        let report = ReportRequest.Report(token: token, ending: .completed(result: nil), random: 0)
        let granted = Wave.Granted(index: 1, position: 0, session: session, coordinator: nil, grant: grant)
        let reported = Wave.Reported(index: 2, position: 0, session: session, report: report)

        var submitted = Wave()
        expect(submitted.add(Submission(jobs: [job]), 0), true)
        expect(submitted.add(granted), false)
        expect(submitted.add(reported), false)

        var leased = Wave()
        expect(leased.add(granted), true)
        expect(leased.add(granted), false)
        expect(leased.add(reported), false)
        expect(leased.add(RenewRequest(session: session, lease: Milliseconds(1)), 3), false)

        var keyed = Wave()
        let key = Idempotency(key: "k", digest: [], retention: Milliseconds(1))
        expect(keyed.add(Submission(jobs: [job], idempotency: key), 0), true)
        expect(keyed.add(Submission(jobs: [StoreBench.newJob()], idempotency: key), 1), false)
    }

    /// The statement counter of the server itself: a batch of hot commands is one transaction of few statements.
    @Test func aHotBatchIsOneTransaction() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let sessions = [try await bench.register(), try await bench.register()]
            let jobs = try await bench.submit(4)
            let commands: [RecordCommand] = [
                .renew(RenewRequest(session: sessions[0], lease: Milliseconds(9000))),
                StoreBench.leaseCommand(Array(jobs[0..<2]), to: sessions[0]),
                .renew(RenewRequest(session: sessions[1], lease: Milliseconds(9000))),
                StoreBench.leaseCommand(Array(jobs[2..<4]), to: sessions[1]),
                .submit(Submission(jobs: [StoreBench.newJob()])),
            ]
            let batch = try await bench.store.perform(commands)
            #expect(batch.changes.map(\.to) == [.running, .running, .running, .running, .available])
            let transactions = "SELECT count(DISTINCT xmin::text)::text FROM stint.jobs WHERE state IN (2, 3)"
            #expect(try await bench.sql(transactions) == "1")
            await bench.close()
        }
    }

    // MARK: Bytes

    @Test func batchesAreSplitByBytesInOrder() {
        #expect(Pieces.split([Int](), bytesMax: 10) { $0 }.isEmpty)
        let pieces = Pieces.split([4, 6, 1, 99, 3, 7, 1], bytesMax: 10) { $0 }
        #expect(pieces.map(Array.init) == [[4, 6], [1], [99], [3, 7], [1]])
    }

    @Test func aBatchOfManyMegabytesGoesThroughWhole() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let block = [UInt8](repeating: UInt8(ascii: "7"), count: 250_000)
            let jobs = try await bench.submit(80) { $0.payload = block }
            let session = try await bench.register()
            let granted = try await bench.lease(jobs, to: session).granted
            #expect(granted.map(\.token.jobID) == jobs)
            #expect(granted.allSatisfy { $0.payload == block })
            let reports = granted.map { StoreBench.report($0.token, .completed(result: block), from: session) }
            let batch = try await bench.store.perform(reports)
            #expect(batch.changes.map(\.id) == jobs)
            #expect(try await bench.store.job(jobs[79])?.result == block)
            #expect(try await bench.store.queues().first?.counts == [.completed: 80])
            await bench.close()
        }
    }

    @Test func wordsOfWorkersMayHoldEveryCharacter() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let job = try await bench.submit()[0]
            let session = try await bench.register()
            let token = try #require(try await bench.lease([job], to: session).granted.first).token
            let words = "nul \0, quote ' \\ \u{1F} 😀"
            let progress = JobProgress(percent: 1, message: words)
            let renewal = RenewRequest(
                session: session,
                lease: Milliseconds(9000),
                progress: [RenewRequest.Progress(token: token, progress: progress)]
            )
            _ = try await bench.store.perform([.renew(renewal)])
            #expect(try await bench.store.job(job)?.progress == progress)
            let error = JobError(type: words, message: words, stack: words)
            let ending = Ending.failed(error: error, isRetryable: false, retryAfter: nil)
            _ = try await bench.store.perform([StoreBench.report(token, ending, from: session)])
            #expect(try await bench.store.job(job)?.attempts.first?.error == error)
            #expect(try await bench.store.deadLetterGroups(DeadLetterFilter(), limit: 1).first?.message == words)
            await bench.close()
        }
    }

    @Test func packedAttemptsComeBack() {
        var attempt = Attempt(
            number: 3,
            worker: StoreBench.newID(),
            workerName: "host \0 é",
            startedAt: Timestamp(milliseconds: -1),
            endedAt: Timestamp(milliseconds: .max),
            outcome: .timedOut
        )
        let plain = EndedAttempt(attempt: attempt, nonce: .max, isReported: false)
        attempt.error = JobError(type: "", message: "m", stack: String(repeating: "s", count: 70_000))
        attempt.outcome = .failed
        let failed = EndedAttempt(attempt: attempt, nonce: 0, isReported: true)
        let bytes = AttemptCodec.encode(plain) + AttemptCodec.encode(failed)
        #expect(AttemptCodec.decode(bytes) == [plain, failed])
        #expect(AttemptCodec.decode([]) == [])
        for cut in [1, 40, bytes.count - 1] { #expect(AttemptCodec.decode(Array(bytes.prefix(cut))) == nil) }
    }

    // MARK: Time

    @Test func theClockIsTheServersUnlessOneIsGiven() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let before = try await bench.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text")
            let job = try await bench.submit()[0]
            let now = try await bench.store.now()
            let created = try #require(try await bench.store.job(job)).createdAt
            #expect(created >= Timestamp(milliseconds: try #require(Int64(before))) - Milliseconds(1))
            #expect(created <= now)
            await bench.close()
        }
    }

    // MARK: History

    @Test func historyIsKeptByDayAndDroppedByDay() async throws {
        try await SharedPostgres.withDatabase { database in
            let day = HistoryPartitions.dayMilliseconds
            let instant = Mutex(Timestamp(milliseconds: 20_500 * day + 5))
            let bench = try await StoreBench(database, clock: .manual { instant.withLock { $0 } })
            let prune = RecordCommand.prune(retention: Milliseconds(3 * day), limit: 100)
            _ = try await bench.store.perform([prune])
            let partition = "SELECT count(*)::text FROM stint.job_history_20260216"
            #expect(try await bench.sql(partition) == "0")
            let job = try await bench.submit()[0]
            _ = try await bench.store.perform([.cancel(job)])
            #expect(try await bench.sql(partition) == "1")
            #expect(try await bench.store.queues().first?.counts == [.cancelled: 1])

            instant.withLock { $0 = $0 + Milliseconds(3 * day) }
            _ = try await bench.store.perform([prune])
            #expect(try await bench.store.job(job)?.state == .cancelled, "its day has not wholly passed")
            instant.withLock { $0 = $0 + Milliseconds(day) }
            _ = try await bench.store.perform([prune])
            #expect(try await bench.store.job(job) == nil)
            #expect(
                try await bench.sql("SELECT coalesce(to_regclass('stint.job_history_20260216')::text, 'gone')")
                    == "gone"
            )
            #expect(try await bench.store.queues().first?.counts == [:])
            await bench.close()
        }
    }

    @Test func aDayWhoseJobsStandInTheDefaultPartitionIsLeftThere() async throws {
        try await SharedPostgres.withDatabase { database in
            let day = HistoryPartitions.dayMilliseconds
            let instant = Mutex(Timestamp(milliseconds: 20_600 * day + 5))
            let bench = try await StoreBench(database, clock: .manual { instant.withLock { $0 } })
            let job = try await bench.submit()[0]
            _ = try await bench.store.perform([.cancel(job)])
            let prune = RecordCommand.prune(retention: Milliseconds(3 * day), limit: 100)
            _ = try await bench.store.perform([prune])
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.job_history_default") == "1")
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.job_history_20260528") == "0")
            instant.withLock { $0 = $0 + Milliseconds(4 * day) }
            let batch = try await bench.store.perform([prune])
            #expect(try batch.answers[0].count == 1)
            #expect(try await bench.store.job(job) == nil)
            await bench.close()
        }
    }

    // MARK: Counts

    @Test func theSweepFoldsTheLedgerOfCounts() async throws {
        try await SharedPostgres.withDatabase { database in
            let bench = try await StoreBench(database)
            let sweep = RecordCommand.sweepSessions(limit: 1, random: 0)
            for _ in 0..<20 { _ = try await bench.submit() }
            _ = try await bench.store.perform([sweep])
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.queue_counts") == "20", "not worth it yet")
            for _ in 0..<60 { _ = try await bench.submit() }
            let before = try await bench.store.queues()
            _ = try await bench.store.perform([sweep])
            #expect(try await bench.sql("SELECT count(*)::text FROM stint.queue_counts") == "1")
            #expect(try await bench.store.queues() == before)
            await bench.close()
        }
    }
}
