// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// Everything that moves a job other than its attempts: time, people, retention.
extension BatchRun {
    /// A command that is not hot; everything before it has been sent and answered.
    func carryOut(_ command: RecordCommand, _ index: Int) throws(PostgresError) {
        switch command {
        case .submit, .lease, .report, .renew: break
        case .register(let session, let lease): try register(session, lease: lease, index)
        case .goodbye(let id, let random): try goodbye(id, random: random, index)
        case .drain(let id): try drain(id, index)
        case .release(let id, let tokens, let random): try release(id, tokens, random: random, index)
        case .sweepSessions(let limit, let random): try sweepSessions(limit: limit, random: random, index)
        case .timeOutAttempts(let limit, let random): try timeOutAttempts(limit: limit, random: random, index)
        case .expireWaiting(let limit): try expireWaiting(limit: limit, index)
        case .promoteDue(let limit): try promoteDue(limit: limit, index)
        case .prune(let retention, let limit): try prune(retention: retention, limit: limit, index)
        case .cancel(let id): try cancel(id, index)
        case .retry(let id): try retry(id, index)
        case .delete(let id): try delete(id, index)
        case .pause(let queue, let by): try pause(queue, by: by, index)
        case .resume(let queue): try resume(queue, index)
        case .redrive(let filter, let limit, let perSecond):
            try redrive(filter, limit: limit, perSecond: perSecond, index)
        case .purge(let filter, let limit): try purge(filter, limit: limit, index)
        }
    }

    // MARK: Time

    private func timeOutAttempts(limit: Int, random: UInt64, _ index: Int) throws(PostgresError) {
        let find = PostgresStatement(ColdSQL.overdueIDs) { parameters in
            parameters.add(now)
            parameters.add(limit: limit)
        }
        let ids = try read(find).rows.map { JobID($0.uuid(0)) }
        let lock = PostgresStatement(ColdSQL.overdueJobs) { parameters in
            parameters.add(ids: ids.sorted())
            parameters.add(now)
        }
        let overdue = ids.isEmpty ? [] : try liveJobs(lock)
        endAll(overdue, .timedOut, random: random, index)
        answer(index, .count(overdue.count))
    }

    private func promoteDue(limit: Int, _ index: Int) throws(PostgresError) {
        try moveWaiting(ColdSQL.dueJobs, to: .available, limit: limit, index)
    }

    private func expireWaiting(limit: Int, _ index: Int) throws(PostgresError) {
        try moveWaiting(ColdSQL.lateJobs, to: .expired, limit: limit, index)
    }

    private func moveWaiting(_ sql: String, to state: JobState, limit: Int, _ index: Int) throws(PostgresError) {
        let find = PostgresStatement(sql) { parameters in
            parameters.add(now)
            parameters.add(limit: limit)
        }
        let jobs = try liveJobs(find)
        move(jobs, to: state, index)
        answer(index, .count(jobs.count))
    }

    private func move(_ jobs: [LiveJob], to state: JobState, _ index: Int, runAt: Timestamp? = nil) {
        write(jobs.map { JobMove($0, to: state, runAt: runAt ?? $0.runAt) })
        for job in jobs { note(job.change(to: state, runAt: runAt ?? job.runAt, at: now), index) }
    }

    // MARK: One job

    /// A job wherever it is, locked.
    private enum Found {
        case live(LiveJob)
        case ended(EndedJob)
    }

    /// Looks for a job in all three tables.
    ///
    /// It may move between two looks: from `jobs` to another table is seen, since that is looked at later; the other way is seen the
    /// second time.
    private func find(_ id: JobID) throws(PostgresError) -> Found? {
        for _ in 0..<2 {
            if let job = try liveJobs([id])[id] { return .live(job) }
            for sql in [ColdSQL.deadByID, ColdSQL.historyByID] {
                if let row = try read(PostgresStatement(sql) { $0.add(ids: [id]) }).first {
                    return .ended(try EndedJob(row))
                }
            }
        }
        return nil
    }

    private func cancel(_ id: JobID, _ index: Int) throws(PostgresError) {
        switch try find(id) {
        case .live(let job) where job.state == .running:
            if !job.cancelRequested, let worker = job.worker {
                enqueue(PostgresStatement(ColdSQL.callOff) { $0.add(id) })
                note(.cancelRequested(worker, job.token), index)
            }
        case .live(let job): move([job], to: .cancelled, index)
        case .ended(let job) where job.state == .cancelled: break
        case .ended(let job): return answer(index, .wrongState(job.state))
        case nil: return answer(index, .notFound)
        }
        try answerWithJob(id, index)
    }

    private func retry(_ id: JobID, _ index: Int) throws(PostgresError) {
        switch try find(id) {
        case .live(let job) where job.state == .scheduled:
            move([job], to: .available, index, runAt: now)
            enqueue(PostgresStatement(ColdSQL.forgetProgress) { $0.add(id) })
        case .live(let job): return answer(index, .wrongState(job.state))
        case .ended(let job) where job.state != .completed: redrive([job], index, runAt: { _ in self.now })
        case .ended(let job): return answer(index, .wrongState(job.state))
        case nil: return answer(index, .notFound)
        }
        try answerWithJob(id, index)
    }

    private func delete(_ id: JobID, _ index: Int) throws(PostgresError) {
        switch try find(id) {
        case .live(let job): answer(index, .wrongState(job.state))
        case .ended(let job):
            remove([job], index)
            answer(index, .done)
        case nil: answer(index, .notFound)
        }
    }

    private func answerWithJob(_ id: JobID, _ index: Int) throws(PostgresError) {
        try flush()
        let job = try PostgresReader(connection).job(id)
        answer(index, job.map { .job($0) } ?? .notFound)
    }

    // MARK: Ended jobs

    private func redrive(_ jobs: [EndedJob], _ index: Int, runAt: (Int) -> Timestamp) {
        let placed = jobs.enumerated().map { position, job in
            (job: job, runAt: runAt(position), state: runAt(position) > now ? JobState.scheduled : .available)
        }
        for (table, rows) in Dictionary(grouping: placed, by: \.job.table) {
            let statement = PostgresStatement(ColdSQL.redrive(from: table)) { parameters in
                parameters.add(ids: rows.map(\.job.id))
                parameters.add(states: rows.map(\.state))
                parameters.add(times: rows.map(\.runAt))
                parameters.add(
                    rows.map { ServingOrder.key(runAt: $0.runAt, priority: $0.job.priority) as Int64? }
                )
            }
            enqueue(statement, expecting: rows.count)
        }
        for row in placed { note(row.job.change(to: row.state, runAt: row.runAt, at: now), index) }
    }

    private func remove(_ jobs: [EndedJob], _ index: Int) {
        for (table, rows) in Dictionary(grouping: jobs, by: \.table) {
            enqueue(
                PostgresStatement(ColdSQL.delete(from: table)) { $0.add(ids: rows.map(\.id).sorted()) },
                expecting: rows.count
            )
        }
        for job in jobs { note(job.change(to: nil, runAt: job.runAt, at: now), index) }
    }

    private func endedJobs(_ statement: PostgresStatement) throws(PostgresError) -> [EndedJob] {
        var jobs: [EndedJob] = []
        for row in try read(statement).rows { jobs.append(try EndedJob(row)) }
        return jobs
    }

    private func deadLetters(_ filter: DeadLetterFilter, limit: Int) throws(PostgresError) -> [EndedJob] {
        let statement = PostgresStatement(ColdSQL.deadLetters(filter.ids != nil)) { parameters in
            parameters.add(filter.queue)
            parameters.add(filter.name)
            parameters.add(filter.cause.map { Int64($0.rawValue) })
            parameters.add(filter.fingerprint)
            parameters.add(limit: limit)
            if let ids = filter.ids { parameters.add(ids: Set(ids).sorted()) }
        }
        return try endedJobs(statement)
    }

    private func redrive(
        _ filter: DeadLetterFilter,
        limit: Int,
        perSecond: Double?,
        _ index: Int
    ) throws(PostgresError) {
        let jobs = try deadLetters(filter, limit: limit)
        redrive(jobs, index) { position in
            now + (perSecond.map { Milliseconds.seconds(Double(position) / $0) } ?? Milliseconds(0))
        }
        answer(index, .count(jobs.count))
    }

    private func purge(_ filter: DeadLetterFilter, limit: Int, _ index: Int) throws(PostgresError) {
        let jobs = try deadLetters(filter, limit: limit)
        remove(jobs, index)
        answer(index, .count(jobs.count))
    }

    private func prune(retention: Milliseconds, limit: Int, _ index: Int) throws(PostgresError) {
        let horizon = now - retention
        let table = HistoryPartitions.prunesRows(retention) ? "job_history" : "job_history_default"
        let find = PostgresStatement(ColdSQL.prunable(from: table)) { parameters in
            parameters.add(horizon)
            parameters.add(limit: limit)
        }
        let jobs = try endedJobs(find)
        remove(jobs, index)
        // A session outlives its jobs' rows: they name it.
        if jobs.count < limit { enqueue(PostgresStatement(ColdSQL.pruneSessions) { $0.add(horizon) }) }
        enqueue(PostgresStatement(ColdSQL.pruneKeys) { $0.add(now) })
        answer(index, .count(jobs.count))
    }

    // MARK: Queues

    private func pause(_ queue: String, by person: String, _ index: Int) throws(PostgresError) {
        let statement = PostgresStatement(ColdSQL.pause) { parameters in
            parameters.add(queue as String?)
            parameters.add(person.storable as String?)
            parameters.add(now)
        }
        if try read(statement).first?.bool(0) == true { note(.queuePaused(queue), index) }
        answer(index, .done)
    }

    private func resume(_ queue: String, _ index: Int) throws(PostgresError) {
        let statement = PostgresStatement(ColdSQL.resume) { $0.add(queue as String?) }
        if try read(statement).count > 0 { note(.queueResumed(queue), index) }
        answer(index, .done)
    }
}
