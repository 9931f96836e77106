// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import StintModel
import StintStorage
import Testing

@testable import StintSQLiteStore

/// No statement on the hot path reads a whole table, whatever its size: the planner is asked, on an empty schema without
/// statistics, as the servers run it.
@Suite struct QueryPlanTests {
    /// Statements that are meant to walk: each names its reason.
    private static let walks: [String: String] = [
        "pausedQueues": "at start and after a rollback; one row per paused queue",
        "deadLetters": "in order of age over a covering index, until enough are found",
    ]

    private static let statements: [(name: String, sql: String)] = [
        ("insertJob", WriterSQL.insertJob), ("insertBlob", WriterSQL.insertBlob), ("insertTag", WriterSQL.insertTag),
        ("findLane", WriterSQL.findLane), ("laneByID", WriterSQL.laneByID), ("addCount", WriterSQL.addCount),
        ("findKey", WriterSQL.findKey), ("saveKey", WriterSQL.saveKey), ("jobToLease", WriterSQL.jobToLease),
        ("blob", WriterSQL.blob), ("lease", WriterSQL.lease), ("jobToEnd", WriterSQL.jobToEnd),
        ("complete", WriterSQL.complete), ("end", WriterSQL.end), ("endedAttempt", WriterSQL.endedAttempt),
        ("session", WriterSQL.session), ("sessionBySeq", WriterSQL.sessionBySeq),
        ("renewSession", WriterSQL.renewSession), ("endSession", WriterSQL.endSession),
        ("drainSession", WriterSQL.drainSession), ("expiredSessions", WriterSQL.expiredSessions),
        ("liveSessions", WriterSQL.liveSessions), ("jobsOfSession", WriterSQL.jobsOfSession),
        ("cancelledOfSession", WriterSQL.cancelledOfSession), ("overdueOfSession", WriterSQL.overdueOfSession),
        ("saveProgress", WriterSQL.saveProgress), ("dueJobs", WriterSQL.dueJobs), ("lateJobs", WriterSQL.lateJobs),
        ("jobToMove", WriterSQL.jobToMove), ("moveWaiting", WriterSQL.moveWaiting),
        ("requestCancel", WriterSQL.requestCancel), ("runNow", WriterSQL.runNow), ("redrive", WriterSQL.redrive),
        ("deleteJob", WriterSQL.deleteJob), ("deleteBlobs", WriterSQL.deleteBlobs),
        ("deleteAttempts", WriterSQL.deleteAttempts), ("deleteTag", WriterSQL.deleteTag),
        ("tagsOfJob", WriterSQL.tagsOfJob), ("finishedBefore", WriterSQL.finishedBefore),
        ("pruneSessions", WriterSQL.pruneSessions), ("pruneKeys", WriterSQL.pruneKeys),
        ("deleteDeadLetter", WriterSQL.deleteDeadLetter), ("deadLetters", WriterSQL.deadLetters),
        ("pausedQueues", WriterSQL.pausedQueues), ("readyAfter", JobReader.readyAfter),
        ("readyCount", JobReader.readyCount), ("nextReadyLane", JobReader.nextReadyLane),
        ("headOfLane", JobReader.headOfLane), ("nextDue", JobReader.nextDueSQL),
    ]

    private static func plan(_ sql: String) throws -> [String] {
        let queue = try DatabaseQueue()
        return try queue.writeWithoutTransaction { db in
            try SQLiteSchema.migrate(db)
            let arguments = StatementArguments(Array(repeating: DatabaseValue.null, count: sql.count { $0 == "?" }))
            return try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments).map { $0["detail"] }
        }
    }

    @Test(arguments: statements.map(\.name))
    func noStatementReadsAWholeTable(_ name: String) throws {
        let sql = try #require(Self.statements.first { $0.name == name }?.sql)
        // `SCAN … USING … INDEX` of a partial index reads just the rows the statement is for.
        let scans = try Self.plan(sql).filter {
            $0.hasPrefix("SCAN") && !$0.contains("USING") && !$0.contains("subquery")
        }
        #expect(scans == [] || Self.walks[name] != nil, "\(name): \(scans)")
    }

    @Test(arguments: [
        ("dueJobs", "jobs_scheduled"), ("lateJobs", "jobs_start_by"), ("jobsOfSession", "jobs_running"),
        ("overdueOfSession", "jobs_running"), ("cancelledOfSession", "jobs_running"),
        ("finishedBefore", "jobs_ended"), ("expiredSessions", "sessions_live"), ("readyAfter", "jobs_available"),
        ("readyCount", "jobs_available"), ("nextReadyLane", "jobs_available"), ("headOfLane", "jobs_available"),
        ("nextDue", "jobs_scheduled"), ("deadLetters", "dead_letters_by_age"),
    ])
    func whatLooksForRowsUsesItsIndex(_ name: String, _ index: String) throws {
        let sql = try #require(Self.statements.first { $0.name == name }?.sql)
        let plan = try Self.plan(sql)
        #expect(plan.contains { $0.contains(index) }, "\(name): \(plan)")
    }

    @Test(arguments: ["lease", "complete", "end", "moveWaiting"])
    func theHotUpdatesBuildNoTemporaryTable(_ name: String) throws {
        let sql = try #require(Self.statements.first { $0.name == name }?.sql)
        let queue = try DatabaseQueue()
        let operations = try queue.writeWithoutTransaction { db -> [String] in
            try SQLiteSchema.migrate(db)
            let arguments = StatementArguments(Array(repeating: DatabaseValue.null, count: sql.count { $0 == "?" }))
            return try Row.fetchAll(db, sql: "EXPLAIN " + sql, arguments: arguments).map { $0["opcode"] }
        }
        #expect(!operations.contains("OpenEphemeral"), "\(name)")
    }

    @Test func newestFirstListsWalkAnIndex() throws {
        var dead = JobQuery(limit: 50)
        dead.state = .dead
        var tagged = JobQuery(limit: 50)
        tagged.tag = "a"
        for query in [JobQuery(limit: 50), dead, tagged] {
            let plan = try Self.plan(JobReader.statement(query).sql)
            #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
            #expect(!plan.contains { $0.hasPrefix("SCAN") && !$0.contains("USING") }, "\(plan)")
        }
    }
}

/// What holds for the file and the directory.
@Suite struct DataDirectoryTests {
    private static func open(_ directory: String) async throws -> SQLiteJobStore {
        try await SQLiteJobStore(
            configuration: .init(directory: directory),
            rules: { job, ending, _, _ in
                EndingEffect(
                    state: .completed,
                    outcome: ending.outcome,
                    runAt: job.runAt,
                    failures: job.failures,
                    losses: job.losses
                )
            },
            now: { Timestamp(milliseconds: 1_000_000) }
        )
    }

    private static func inDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    @Test func aSecondStoreOnTheDirectoryIsRefusedWithASentence() async throws {
        try await Self.inDirectory { directory in
            let first = try await Self.open(directory)
            let error = await #expect(throws: SQLiteStoreError.self) { try await Self.open(directory) }
            #expect(error?.description.contains("in use by another stint process") == true)
            await first.close()
        }
    }

    @Test func aNewerSchemaIsRefusedWithASentence() async throws {
        try await Self.inDirectory { directory in
            await (try await Self.open(directory)).close()
            try await DatabaseQueue(path: directory + "/" + SQLiteJobStore.fileName).write { db in
                try db.execute(sql: "PRAGMA user_version = 999")
            }
            let error = await #expect(throws: SQLiteStoreError.self) { try await Self.open(directory) }
            #expect(error?.description.contains("newer stint") == true)
        }
    }

    @Test func whatWasStoredIsThereAfterReopening() async throws {
        try await Self.inDirectory { directory in
            let id = JobID(high: 1, low: 2)
            let lane = Lane(queue: "default", name: "work")
            let first = try await Self.open(directory)
            let job = NewJob(id: id, lane: lane, payload: Array("{\"a\": 1.0}".utf8))
            _ = try await first.perform([.submit(Submission(jobs: [job]))])
            await first.close()

            let second = try await Self.open(directory)
            #expect(try await second.job(id)?.payload == Array("{\"a\": 1.0}".utf8))
            #expect(try await second.readyLanes() == [lane])
            await second.close()
        }
    }
}
