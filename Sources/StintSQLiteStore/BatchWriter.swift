// SPDX-License-Identifier: Apache-2.0

import GRDB
import StintModel
import StintStorage

/// Carries out batches of commands on the one connection that writes.
///
/// What it remembers between batches (lanes, worker sessions, paused queues) mirrors rows that only this connection changes;
/// after a rollback it forgets and reads anew.
final class BatchWriter {
    struct KnownSession {
        var seq: Int64
        var name: String
        var isDraining: Bool
        var isEnded: Bool
        var coordinator: CoordinatorID?

        var isLive: Bool { !isEnded }
    }

    struct CountKey: Hashable {
        var queue: String
        var state: JobState
    }

    let db: Database
    let statements: WriterStatements
    let rules: EndingRules
    private let clock: @Sendable () -> Timestamp

    var laneIDs: [Lane: Int64] = [:]
    var lanes: [Int64: Lane] = [:]
    var sessions: [WorkerID: KnownSession] = [:]
    var sessionIDs: [Int64: WorkerID] = [:]
    var pausedQueues: Set<String> = []

    /// The record's clock, read once per batch; never runs backwards.
    var now = Timestamp(milliseconds: 0)
    var batch = RecordBatch()
    var countChanges: [CountKey: Int] = [:]

    init(_ db: Database, rules: @escaping EndingRules, clock: @escaping @Sendable () -> Timestamp) throws {
        self.db = db
        self.rules = rules
        self.clock = clock
        statements = try WriterStatements(db)
        try readPausedQueues()
    }

    /// One transaction; on any error nothing of it remains, here or in the file.
    func perform(_ commands: [RecordCommand]) throws -> RecordBatch {
        tick()
        batch = RecordBatch()
        batch.answers.reserveCapacity(commands.count)
        countChanges = [:]
        try db.beginTransaction(.immediate)
        do {
            for command in commands { batch.answers.append(try perform(command)) }
            try writeCounts()
        } catch {
            try? db.rollback()  // SQLite has rolled back by itself where this fails
            try forget()
            throw error
        }
        do {
            try db.commit()
        } catch {
            try? db.rollback()  // as above
            try forget()
            throw CommitError(underlying: error)
        }
        defer { batch = RecordBatch() }
        return batch
    }

    func tick() {
        now = max(now, clock())
    }

    private func perform(_ command: RecordCommand) throws -> RecordAnswer {
        switch command {
        case .submit(let submission): try submit(submission)
        case .lease(let request): try lease(request)
        case .report(let request): try report(request)
        case .renew(let request): try renew(request)
        case .register(let session, let lease): try register(session, lease: lease)
        case .goodbye(let id, let random): try goodbye(id, random: random)
        case .drain(let id): try drain(id)
        case .release(let id, let tokens, let random): try release(id, tokens, random: random)
        case .sweepSessions(let limit, let random): try sweepSessions(limit: limit, random: random)
        case .timeOutAttempts(let limit, let random): try timeOutAttempts(limit: limit, random: random)
        case .expireWaiting(let limit): try expireWaiting(limit: limit)
        case .promoteDue(let limit): try promoteDue(limit: limit)
        case .prune(let retention, let limit): try prune(retention: retention, limit: limit)
        case .cancel(let id): try cancel(id)
        case .retry(let id): try retry(id)
        case .delete(let id): try delete(id)
        case .pause(let queue, let by): try pause(queue, by: by)
        case .resume(let queue): try resume(queue)
        case .redrive(let filter, let limit, let perSecond): try redrive(filter, limit: limit, perSecond: perSecond)
        case .purge(let filter, let limit): try purge(filter, limit: limit)
        }
    }

    // MARK: What is remembered

    private func forget() throws {
        laneIDs = [:]
        lanes = [:]
        sessions = [:]
        sessionIDs = [:]
        countChanges = [:]
        batch = RecordBatch()
        try readPausedQueues()
    }

    private func readPausedQueues() throws {
        pausedQueues = Set(try statements(WriterSQL.pausedQueues).all { $0.text(0) })
    }

    /// The number of a lane, made when it is new.
    func laneID(_ lane: Lane) throws -> Int64 {
        if let id = laneIDs[lane] { return id }
        let find = try statements(WriterSQL.findLane)
        find.add(lane.queue)
        find.add(lane.name)
        let id: Int64
        if let found = try find.first({ $0.int64(0) }) {
            id = found
        } else {
            let insert = try statements(WriterSQL.insertLane)
            insert.add(lane.queue)
            insert.add(lane.name)
            try insert.run()
            id = db.lastInsertedRowID
        }
        laneIDs[lane] = id
        lanes[id] = lane
        return id
    }

    func lane(_ id: Int64) throws -> Lane {
        if let lane = lanes[id] { return lane }
        let find = try statements(WriterSQL.laneByID)
        find.add(id)
        guard let lane = try find.first({ Lane(queue: $0.text(0), name: $0.text(1)) }) else {
            throw CorruptRow(description: "a job of an unknown lane")
        }
        lanes[id] = lane
        return lane
    }

    /// A session that is known, live or ended.
    func session(_ id: WorkerID) throws -> KnownSession? {
        if let session = sessions[id] { return session }
        let find = try statements(WriterSQL.session)
        find.add(id)
        let found = try find.first {
            KnownSession(
                seq: $0.int64(0),
                name: $0.text(1),
                isDraining: $0.int(2) == 1,
                isEnded: !$0.isNull(3),
                coordinator: $0.int64OrNil(4).map { CoordinatorID(bits: UInt64(bitPattern: $0)) }
            )
        }
        guard let found, found.isLive else { return found }
        sessions[id] = found
        sessionIDs[found.seq] = id
        return found
    }

    func liveSession(_ id: WorkerID) throws -> KnownSession? {
        guard let session = try session(id), session.isLive else { return nil }
        return session
    }

    /// The session a job's row points to.
    func session(seq: Int64) throws -> (id: WorkerID, name: String) {
        if let id = sessionIDs[seq], let session = sessions[id] { return (id, session.name) }
        let find = try statements(WriterSQL.sessionBySeq)
        find.add(seq)
        guard let found = try find.first({ (try $0.id(0), $0.text(1)) }) else {
            throw CorruptRow(description: "a running job of an unknown worker session")
        }
        _ = try session(found.0)
        return found
    }

    // MARK: Changes

    func note(_ change: JobChange) {
        if change.from != change.to {
            if let from = change.from { countChanges[CountKey(queue: change.lane.queue, state: from), default: 0] -= 1 }
            if let to = change.to { countChanges[CountKey(queue: change.lane.queue, state: to), default: 0] += 1 }
        }
        batch.changes.append(change)
    }

    private func writeCounts() throws {
        for (key, jobs) in countChanges where jobs != 0 {
            let statement = try statements(WriterSQL.addCount)
            statement.add(key.queue)
            statement.add(key.state.rawValue)
            statement.add(jobs)
            try statement.run()
        }
    }
}

/// The commit itself failed: whether the batch is in the file is not known.
struct CommitError: Error {
    let underlying: any Error
}
