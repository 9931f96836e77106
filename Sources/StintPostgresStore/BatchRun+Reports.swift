// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// A report that met no running job under its token.
struct UnmatchedReport {
    var index: Int
    var position: Int
    var session: WorkerID
    var report: ReportRequest.Report
}

extension BatchRun {
    /// What is known of the answer to a report request.
    final class ReportAnswer {
        var isLive = false
        var statuses: [ReportStatus?]

        init(count: Int) {
            statuses = Array(repeating: nil, count: count)
        }
    }

    /// Ends the attempts that the wave's reports name.
    ///
    /// Completions go out blindly in one statement. Other endings need the rules: their jobs are read and locked first.
    func report(_ wave: Wave) throws(PostgresError) {
        for reporter in wave.reporters { expectAnswer(to: reporter.request, reporter.index) }
        let sessions = Set(wave.reports.map(\.session)).union(wave.reporters.map(\.request.session)).sorted()
        guard !sessions.isEmpty else { return }
        let completions = wave.reports.filter(\.isCompletion)
        let others = wave.reports.filter { !$0.isCompletion }
        if !others.isEmpty { try endReported(others, sessions) }
        for piece in Pieces.split(completions, { $0.result?.count ?? 0 }) { complete(Array(piece), sessions) }
        if completions.isEmpty, others.isEmpty {
            enqueue(PostgresStatement(ColdSQL.liveSessions) { $0.add(ids: sessions) }) { result in
                self.markLive(result.rows.map { WorkerID($0.uuid(0)) })
            }
        }
    }

    private func expectAnswer(to request: ReportRequest, _ index: Int) {
        let answer = ReportAnswer(count: request.reports.count)
        reportAnswers[index] = answer
        finish {
            self.answer(index, .reported(answer.isLive ? answer.statuses.map { $0 ?? .leaseLost } : nil))
        }
    }

    private func markLive(_ sessions: [WorkerID]) {
        let live = Set(sessions)
        for (index, answer) in reportAnswers {
            if case .report(let request) = commands[index], live.contains(request.session) { answer.isLive = true }
        }
    }

    // MARK: Completions

    private func complete(_ completions: [Wave.Reported], _ sessions: [WorkerID]) {
        let sorted = completions.sorted { $0.report.token.jobID < $1.report.token.jobID }
        let statement = clocked(HotSQL.complete) { parameters in
            parameters.add(ids: sorted.map(\.report.token.jobID))
            parameters.add(integers: sorted.map(\.report.token.attempt))
            parameters.add(sorted.map { Int64(bitPattern: $0.report.token.nonce) as Int64? })
            parameters.add(ids: sorted.map(\.session))
            parameters.add(sorted.map(\.result))
            parameters.add(ids: sessions)
        }
        enqueue(statement) { result in
            var done: [JobID: JobChange] = [:]
            var live: [WorkerID] = []
            for row in result.rows {
                if let session = row.uuidOrNil(8) {
                    live.append(WorkerID(session))
                } else {
                    let change = self.completion(row)
                    done[change.id] = change
                }
            }
            self.markLive(live)
            for completion in completions { self.conclude(completion, done[completion.report.token.jobID]) }
        }
    }

    private func completion(_ row: PostgresRow) -> JobChange {
        JobChange(
            id: JobID(row.uuid(0)),
            lane: Lane(queue: row.text(1), name: row.text(2)),
            from: .running,
            to: .completed,
            attempt: row.int(3),
            priority: row.int(4),
            createdAt: row.time(5),
            runAt: row.time(6),
            startedAt: row.timeOrNil(7),
            at: now,
            outcome: .completed
        )
    }

    private func conclude(_ completion: Wave.Reported, _ change: JobChange?) {
        guard let answer = reportAnswers[completion.index] else { return }
        guard var change else {
            if answer.isLive { leaveUnmatched(completion) }
            return
        }
        change.worker = completion.session
        answer.statuses[completion.position] = .accepted
        note(change, completion.index, isCounted: true)
    }

    private func leaveUnmatched(_ reported: Wave.Reported) {
        unmatched.append(
            UnmatchedReport(
                index: reported.index,
                position: reported.position,
                session: reported.session,
                report: reported.report
            )
        )
    }

    // MARK: Other endings

    private func endReported(_ others: [Wave.Reported], _ sessions: [WorkerID]) throws(PostgresError) {
        enqueue(PostgresStatement(ColdSQL.liveSessions) { $0.add(ids: sessions) }) { result in
            self.markLive(result.rows.map { WorkerID($0.uuid(0)) })
        }
        let held = try liveJobs(others.map(\.report.token.jobID))
        var ends: [AttemptEnd] = []
        for reported in others {
            guard let answer = reportAnswers[reported.index], answer.isLive else { continue }
            guard let job = held[reported.report.token.jobID],
                job.isHeld(by: reported.session, under: reported.report.token)
            else {
                leaveUnmatched(reported)
                continue
            }
            answer.statuses[reported.position] = .accepted
            ends.append(
                AttemptEnd(
                    index: reported.index,
                    job: job,
                    ending: reported.report.ending,
                    random: reported.report.random,
                    isReported: true
                )
            )
        }
        end(ends)
    }

    // MARK: Attempts that have ended before

    /// Says of each report without effect what it is answered: the first report of an attempt stands.
    func explainUnmatched() throws(PostgresError) {
        guard !unmatched.isEmpty else { return }
        let reports = unmatched
        unmatched = []
        let ids = Set(reports.map(\.report.token.jobID)).sorted()
        var remembered: [JobID: RememberedJob] = [:]
        let sources = RememberedJob.sources.map { sql in PostgresStatement(sql) { $0.add(ids: ids) } }
        for source in sources {
            enqueue(source) { result throws(PostgresError) in
                for row in result.rows {
                    let job = try RememberedJob(row)
                    remembered[job.id] = job
                }
            }
        }
        try flush()
        for unmatched in reports {
            let status = remembered[unmatched.report.token.jobID]?.status(of: unmatched.report, from: unmatched.session)
            reportAnswers[unmatched.index]?.statuses[unmatched.position] = status ?? .leaseLost
        }
    }
}

/// What a job's row tells of its attempts, wherever it is.
struct RememberedJob {
    /// In: ids; out: what `init` reads; locks nothing.
    static let sources = ["jobs", "dead_letters", "job_history"].map { table in
        "SELECT id, state, attempt, nonce, worker, earlier FROM stint.\(table) WHERE id = ANY ($1::uuid[])"
    }

    var id: JobID
    private var isCompleted: Bool
    private var attempt: Int
    private var nonce: UInt64
    private var worker: WorkerID?
    private var earlier: [EndedAttempt]

    init(_ row: PostgresRow) throws(PostgresError) {
        guard let earlier = AttemptCodec.decode(row.bytes(5)) else {
            throw PostgresError(.unexpected, "unreadable attempts")
        }
        id = JobID(row.uuid(0))
        isCompleted = row.int(1) == JobState.completed.rawValue
        attempt = row.int(2)
        nonce = UInt64(bitPattern: row.integer(3))
        worker = row.uuidOrNil(4).map { WorkerID($0) }
        self.earlier = earlier
    }

    func status(of report: ReportRequest.Report, from session: WorkerID) -> ReportStatus {
        let token = report.token
        if isCompleted, attempt == token.attempt {
            guard nonce == token.nonce, worker == session else { return .leaseLost }
            return report.ending.outcome == .completed ? .accepted : .alreadyReported
        }
        guard
            let ended = earlier.first(where: {
                $0.attempt.number == token.attempt && $0.nonce == token.nonce && $0.attempt.worker == session
            })
        else { return .leaseLost }
        let isSame = ended.attempt.outcome == report.ending.outcome
        if ended.isReported { return isSame ? .accepted : .alreadyReported }
        // The worker gives back what the server had taken back already: both mean the same.
        return isSame && report.ending.outcome == .released ? .accepted : .leaseLost
    }
}

extension Wave.Reported {
    fileprivate var isCompletion: Bool {
        if case .completed = report.ending { true } else { false }
    }

    fileprivate var result: [UInt8]? {
        if case .completed(let result) = report.ending { result } else { nil }
    }
}
