// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// Everything that moves a job other than its attempts: time, people, retention.
extension BatchWriter {
    /// A job's row as far as a move needs it.
    struct MovableJob {
        var id: JobID
        var state: JobState
        var lane: Lane
        var attempt: Int
        var priority: Int
        var createdAt: Timestamp
        var runAt: Timestamp
        var startedAt: Timestamp?
        var worker: Int64?
        var nonce: UInt64
        var cancelRequested: Bool
        /// Its row.
        var seq: Int64
    }

    func movableJob(_ id: JobID) throws -> MovableJob? {
        let row = try statements(WriterSQL.jobToMove)
        row.add(id)
        return try row.first { row in
            guard let state = JobState(rawValue: row.int(0)) else { throw CorruptRow(description: "an unknown state") }
            return MovableJob(
                id: id,
                state: state,
                lane: try lane(row.int64(1)),
                attempt: row.int(2),
                priority: row.int(3),
                createdAt: row.time(4),
                runAt: row.time(5),
                startedAt: row.timeOrNil(6),
                worker: row.int64OrNil(7),
                nonce: UInt64(bitPattern: row.int64(8)),
                cancelRequested: row.int(9) == 1,
                seq: row.int64(10)
            )
        }
    }

    private func noteMove(_ job: MovableJob, to state: JobState?, runAt: Timestamp? = nil) {
        note(
            JobChange(
                id: job.id,
                lane: job.lane,
                from: job.state,
                to: state,
                attempt: job.attempt,
                priority: job.priority,
                createdAt: job.createdAt,
                runAt: runAt ?? job.runAt,
                startedAt: nil,
                at: now
            )
        )
    }

    private func moveWaiting(_ job: MovableJob, to state: JobState) throws {
        let update = try statements(WriterSQL.moveWaiting)
        update.add(state.rawValue)
        update.add(state.isTerminal ? now.milliseconds : nil)
        update.add(state.rawValue)
        update.add(job.seq)
        update.add(job.state.rawValue)
        try update.run()
        noteMove(job, to: state)
    }

    // MARK: Time

    func promoteDue(limit: Int) throws -> RecordAnswer {
        let find = try statements(WriterSQL.dueJobs)
        find.add(now.milliseconds)
        find.add(limit)
        let due = try find.all { try $0.id(0) }
        for id in due {
            guard let job = try movableJob(id) else { continue }
            try moveWaiting(job, to: .available)
        }
        return .count(due.count)
    }

    func expireWaiting(limit: Int) throws -> RecordAnswer {
        let find = try statements(WriterSQL.lateJobs)
        find.add(now.milliseconds)
        find.add(limit)
        let late = try find.all { try $0.id(0) }
        var count = 0
        for id in late {
            guard let job = try movableJob(id) else { continue }
            try moveWaiting(job, to: .expired)
            count += 1
        }
        return .count(count)
    }

    // MARK: People

    func cancel(_ id: JobID) throws -> RecordAnswer {
        guard let job = try movableJob(id) else { return .notFound }
        switch job.state {
        case .blocked, .scheduled, .available:
            try moveWaiting(job, to: .cancelled)
        case .running:
            try requestCancel(job)
        case .cancelled:
            break
        case .completed, .dead, .expired:
            return .wrongState(job.state)
        }
        return try answer(id)
    }

    private func requestCancel(_ job: MovableJob) throws {
        guard !job.cancelRequested, let seq = job.worker else { return }
        let update = try statements(WriterSQL.requestCancel)
        update.add(job.seq)
        try update.run()
        let token = LeaseToken(jobID: job.id, attempt: job.attempt, nonce: job.nonce)
        batch.notices.append(.cancelRequested(try session(seq: seq).id, token))
    }

    func retry(_ id: JobID) throws -> RecordAnswer {
        guard let job = try movableJob(id) else { return .notFound }
        switch job.state {
        case .dead, .cancelled, .expired:
            try redrive(job, at: now)
        case .scheduled:
            let update = try statements(WriterSQL.runNow)
            update.add(now.milliseconds)
            update.add(ServingOrder.key(runAt: now, priority: job.priority))
            update.add(job.seq)
            try update.run()
            noteMove(job, to: .available, runAt: now)
        case .blocked, .available, .running, .completed:
            return .wrongState(job.state)
        }
        return try answer(id)
    }

    private func redrive(_ job: MovableJob, at runAt: Timestamp) throws {
        let state = runAt > now ? JobState.scheduled : .available
        let update = try statements(WriterSQL.redrive)
        update.add(state.rawValue)
        update.add(runAt.milliseconds)
        update.add(ServingOrder.key(runAt: runAt, priority: job.priority))
        update.add(job.seq)
        try update.run()
        if job.state == .dead { try deleteDeadLetter(job.id) }
        noteMove(job, to: state, runAt: runAt)
    }

    func delete(_ id: JobID) throws -> RecordAnswer {
        guard let job = try movableJob(id) else { return .notFound }
        guard job.state.isTerminal else { return .wrongState(job.state) }
        try remove(job)
        return .done
    }

    private func remove(_ job: MovableJob) throws {
        let findTags = try statements(WriterSQL.tagsOfJob)
        findTags.add(job.id)
        for tag in TagText.decode(try findTags.first { $0.textOrNil(0) } ?? nil) {
            let deleteTag = try statements(WriterSQL.deleteTag)
            deleteTag.add(tag)
            deleteTag.add(job.id)
            try deleteTag.run()
        }
        if job.state == .dead { try deleteDeadLetter(job.id) }
        for sql in [WriterSQL.deleteBlobs, WriterSQL.deleteAttempts] {
            let delete = try statements(sql)
            delete.add(job.id)
            try delete.run()
        }
        let delete = try statements(WriterSQL.deleteJob)
        delete.add(job.seq)
        try delete.run()
        noteMove(job, to: nil)
    }

    private func deleteDeadLetter(_ id: JobID) throws {
        let delete = try statements(WriterSQL.deleteDeadLetter)
        delete.add(id)
        try delete.run()
    }

    private func answer(_ id: JobID) throws -> RecordAnswer {
        guard let job = try JobReader(db).job(id) else { return .notFound }
        return .job(job)
    }

    func pause(_ queue: String, by: String) throws -> RecordAnswer {
        let save = try statements(WriterSQL.pauseQueue)
        save.add(queue)
        save.add(by)
        save.add(now.milliseconds)
        try save.run()
        if pausedQueues.insert(queue).inserted { batch.notices.append(.queuePaused(queue)) }
        return .done
    }

    func resume(_ queue: String) throws -> RecordAnswer {
        guard pausedQueues.contains(queue) else { return .done }
        let delete = try statements(WriterSQL.resumeQueue)
        delete.add(queue)
        try delete.run()
        pausedQueues.remove(queue)
        batch.notices.append(.queueResumed(queue))
        return .done
    }

    // MARK: Dead letters

    func redrive(_ filter: DeadLetterFilter, limit: Int, perSecond: Double?) throws -> RecordAnswer {
        let ids = try deadLetters(filter, limit: limit)
        for (index, id) in ids.enumerated() {
            guard let job = try movableJob(id) else { continue }
            let wait = perSecond.map { Milliseconds.seconds(Double(index) / $0) } ?? Milliseconds(0)
            try redrive(job, at: now + wait)
        }
        return .count(ids.count)
    }

    func purge(_ filter: DeadLetterFilter, limit: Int) throws -> RecordAnswer {
        let ids = try deadLetters(filter, limit: limit)
        for id in ids {
            if let job = try movableJob(id) { try remove(job) }
        }
        return .count(ids.count)
    }

    private func deadLetters(_ filter: DeadLetterFilter, limit: Int) throws -> [JobID] {
        if let ids = filter.ids { return try deadLetters(among: Set(ids), filter, limit: limit) }
        var found: [JobID] = []
        let rows = try statements(WriterSQL.deadLetters)
        defer { rows.reset() }
        while found.count < limit, try rows.step() {
            let lane = try lane(rows.int64(1))
            guard filter.queue.map({ $0 == lane.queue }) ?? true, filter.name.map({ $0 == lane.name }) ?? true,
                filter.cause.map({ $0.rawValue == rows.int(2) }) ?? true,
                filter.fingerprint.map({ $0 == rows.textOrNil(3) }) ?? true
            else { continue }
            found.append(try rows.id(0))
        }
        return found
    }

    /// Those of the named jobs that the filter means, oldest death first.
    private func deadLetters(among ids: Set<JobID>, _ filter: DeadLetterFilter, limit: Int) throws -> [JobID] {
        let jobs = try ids.compactMap { try JobReader(db).job($0) }.filter { Self.matches($0, filter) }
        let oldestFirst = jobs.sorted { ($0.finishedAt ?? now, $0.id) < ($1.finishedAt ?? now, $1.id) }
        return oldestFirst.prefix(limit).map(\.id)
    }

    private static func matches(_ job: Job, _ filter: DeadLetterFilter) -> Bool {
        job.state == .dead && filter.queue.map { $0 == job.lane.queue } ?? true
            && filter.name.map { $0 == job.lane.name } ?? true && filter.cause.map { $0 == job.cause } ?? true
            && filter.fingerprint.map { $0 == job.fingerprint } ?? true
    }

    // MARK: Retention

    func prune(retention: Milliseconds, limit: Int) throws -> RecordAnswer {
        let before = (now - retention).milliseconds
        let ids = try prunable(before: before, limit: limit)
        for id in ids {
            if let job = try movableJob(id) { try remove(job) }
        }
        if ids.count < limit {
            // A session outlives its jobs' rows: they name it.
            let pruneSessions = try statements(WriterSQL.pruneSessions)
            pruneSessions.add(before)
            try pruneSessions.run()
        }
        let pruneKeys = try statements(WriterSQL.pruneKeys)
        pruneKeys.add(now.milliseconds)
        try pruneKeys.run()
        return .count(ids.count)
    }

    /// Jobs that ended at `before` or earlier; dead letters stay.
    private func prunable(before: Int64, limit: Int) throws -> [JobID] {
        var ids: [JobID] = []
        for state in [JobState.completed, .cancelled, .expired] where ids.count < limit {
            let find = try statements(WriterSQL.finishedBefore)
            find.add(state.rawValue)
            find.add(before)
            find.add(limit - ids.count)
            ids += try find.all { try $0.id(0) }
        }
        return ids
    }
}
