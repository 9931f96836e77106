// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// Leases and how they end.
extension BatchWriter {
    // MARK: Leasing

    func lease(_ request: LeaseRequest) throws -> RecordAnswer {
        var receipt = LeaseReceipt()
        guard let session = try liveSession(request.session), !session.isDraining,
            request.coordinator == nil || request.coordinator == session.coordinator
        else {
            receipt.refused = request.grants.map { .init(jobID: $0.jobID, reason: .sessionUnfit) }
            return .leased(receipt)
        }
        receipt.granted.reserveCapacity(request.grants.count)
        for grant in request.grants {
            if let refusal = try lease(grant, to: request.session, seq: session.seq, into: &receipt) {
                receipt.refused.append(.init(jobID: grant.jobID, reason: refusal))
            }
        }
        return .leased(receipt)
    }

    private func lease(
        _ grant: LeaseRequest.Grant,
        to worker: WorkerID,
        seq: Int64,
        into receipt: inout LeaseReceipt
    ) throws -> LeaseReceipt.Refusal? {
        let row = statements.jobToLease
        row.add(grant.jobID)
        guard try row.step() else { return .notAvailable }
        let lane = try lane(row.int64(1))
        let attempt = row.int(2)
        let isLate = row.timeOrNil(3).map { $0 < now } ?? false
        guard row.int(0) == JobState.available.rawValue, !isLate, !pausedQueues.contains(lane.queue) else {
            let isPaused = row.int(0) == JobState.available.rawValue && !isLate
            row.reset()
            return isPaused ? .queuePaused : .notAvailable
        }
        let inlinePayload = row.blobOrNil(9)
        var job = LeasedJob(
            token: LeaseToken(jobID: grant.jobID, attempt: attempt + 1, nonce: grant.nonce),
            lane: lane,
            payload: inlinePayload ?? [],
            maxAttempts: row.int(5),
            timeout: Milliseconds(row.int64(4)),
            createdAt: row.time(6),
            metadata: row.blob(10),
            traceparent: row.textOrNil(11)
        )
        let change = JobChange(
            id: grant.jobID,
            lane: lane,
            from: .available,
            to: .running,
            attempt: attempt + 1,
            priority: row.int(8),
            createdAt: job.createdAt,
            runAt: row.time(7),
            startedAt: now,
            at: now,
            worker: worker
        )
        let jobSeq = row.int64(12)
        row.reset()
        if inlinePayload == nil { job.payload = try blob(of: grant.jobID, kind: .payload) ?? [] }

        let update = statements.lease
        update.add(seq)
        update.add(Int64(bitPattern: grant.nonce))
        update.add(now.milliseconds)
        update.add((now + job.timeout).milliseconds)
        update.add(jobSeq)
        guard try update.run() == 1 else { return .notAvailable }
        note(change)
        receipt.granted.append(job)
        return nil
    }

    func blob(of id: JobID, kind: BlobKind) throws -> [UInt8]? {
        let find = try statements(WriterSQL.blob)
        find.add(id)
        find.add(kind.rawValue)
        return try find.first { $0.blob(0) }
    }

    // MARK: Reports

    func report(_ request: ReportRequest) throws -> RecordAnswer {
        guard let session = try liveSession(request.session) else { return .reported(nil) }
        var statuses: [ReportStatus] = []
        statuses.reserveCapacity(request.reports.count)
        for report in request.reports {
            if let held = try heldJob(report.token), held.worker == session.seq {
                try end(held, report.ending, random: report.random, isReported: true)
                statuses.append(.accepted)
            } else {
                statuses.append(try statusOfEnded(report, seq: session.seq))
            }
        }
        return .reported(statuses)
    }

    /// What to say of a report whose token is no current lease: the first report of that attempt stands.
    private func statusOfEnded(_ report: ReportRequest.Report, seq: Int64) throws -> ReportStatus {
        let token = report.token
        let row = statements.jobToEnd
        row.add(token.jobID)
        let isCompletedByIt = try row.first {
            $0.int(0) == JobState.completed.rawValue && $0.int(2) == token.attempt
                && UInt64(bitPattern: $0.int64(3)) == token.nonce && $0.int64(4) == seq
        }
        if isCompletedByIt == true {
            return report.ending.outcome == .completed ? .accepted : .alreadyReported
        }
        let find = try statements(WriterSQL.endedAttempt)
        find.add(token.jobID)
        find.add(token.attempt)
        let ended = try find.first { row -> (outcome: AttemptOutcome?, isReported: Bool)? in
            let isIt = row.int64(0) == seq && UInt64(bitPattern: row.int64(1)) == token.nonce
            return isIt ? (AttemptOutcome(rawValue: row.int(2)), row.int(3) == 1) : nil
        }
        guard let (outcome, isReported) = ended ?? nil else { return .leaseLost }
        // A release that the server did by itself is what a worker that releases wants.
        if outcome == report.ending.outcome, isReported || outcome == .released { return .accepted }
        return isReported ? .alreadyReported : .leaseLost
    }

    // MARK: Ending

    /// A running job with what its row holds besides what the rules need.
    struct HeldJob {
        var job: RunningJob
        var nonce: UInt64
        var worker: Int64
        var startedAt: Timestamp
        var createdAt: Timestamp
        /// Its row.
        var seq: Int64
    }

    /// The job if this token is its current lease.
    func heldJob(_ token: LeaseToken) throws -> HeldJob? {
        guard let held = try heldJob(token.jobID), held.job.attempt == token.attempt, held.nonce == token.nonce else {
            return nil
        }
        return held
    }

    /// The job if it is running.
    func heldJob(_ id: JobID) throws -> HeldJob? {
        let row = statements.jobToEnd
        row.add(id)
        return try row.first { row -> HeldJob? in
            guard row.int(0) == JobState.running.rawValue else { return nil }
            let job = RunningJob(
                id: id,
                lane: try lane(row.int64(1)),
                attempt: row.int(2),
                failures: row.int(5),
                losses: row.int(6),
                maxAttempts: row.int(7),
                maxLosses: row.int(8),
                retry: try RetryText.decode(row.textOrNil(9)),
                previousDelay: row.int64OrNil(10).map { Milliseconds($0) },
                runAt: row.time(11),
                priority: row.int(12),
                timeout: Milliseconds(row.int64(13)),
                cancelRequested: row.int(14) == 1
            )
            return HeldJob(
                job: job,
                nonce: UInt64(bitPattern: row.int64(3)),
                worker: row.int64(4),
                startedAt: row.time(15),
                createdAt: row.time(16),
                seq: row.int64(17)
            )
        } ?? nil
    }

    /// Ends the current attempt of a running job as the rules say.
    func end(_ held: HeldJob, _ ending: Ending, random: UInt64, isReported: Bool) throws {
        let effect = rules(held.job, ending, now, random)
        if effect.state == .completed {
            try complete(held, ending)
        } else {
            try write(effect, of: held)
            if effect.state == .dead { try insertDeadLetter(effect, of: held) }
            try remember(effect, of: held, isReported: isReported)
        }
        note(
            JobChange(
                id: held.job.id,
                lane: held.job.lane,
                from: .running,
                to: effect.state,
                attempt: held.job.attempt,
                priority: held.job.priority,
                createdAt: held.createdAt,
                runAt: effect.runAt,
                startedAt: held.startedAt,
                at: now,
                outcome: effect.outcome,
                cause: effect.cause,
                worker: sessionIDs[held.worker]
            )
        )
    }

    private func complete(_ held: HeldJob, _ ending: Ending) throws {
        var result: [UInt8]?
        if case .completed(let bytes) = ending { result = bytes }
        if let bytes = result, bytes.count > SQLiteJobStore.inlineMax {
            try saveBlob(bytes, of: held.job.id, kind: .result)
            result = nil
        }
        let update = statements.complete
        update.add(now.milliseconds)
        update.add(result)
        update.add(held.seq)
        update.add(held.job.attempt)
        update.add(Int64(bitPattern: held.nonce))
        try expectOne(try update.run())
    }

    private func write(_ effect: EndingEffect, of held: HeldJob) throws {
        let update = try statements(WriterSQL.end)
        update.add(effect.state.rawValue)
        update.add(effect.runAt.milliseconds)
        update.add(ServingOrder.key(runAt: effect.runAt, priority: held.job.priority))
        update.add(effect.failures)
        update.add(effect.losses)
        update.add((effect.delay ?? held.job.previousDelay)?.count)
        update.add(effect.state.isTerminal ? now.milliseconds : nil)
        update.add(effect.cause.map { Int64($0.rawValue) })
        update.add(effect.fingerprint)
        update.add(held.seq)
        update.add(held.job.attempt)
        update.add(Int64(bitPattern: held.nonce))
        try expectOne(try update.run())
    }

    private func insertDeadLetter(_ effect: EndingEffect, of held: HeldJob) throws {
        let insert = try statements(WriterSQL.insertDeadLetter)
        insert.add(held.job.id)
        insert.add(now.milliseconds)
        insert.add(try laneID(held.job.lane))
        insert.add(effect.cause?.rawValue ?? DeadCause.attemptsExhausted.rawValue)
        insert.add(effect.fingerprint ?? "")
        try insert.run()
    }

    private func remember(_ effect: EndingEffect, of held: HeldJob, isReported: Bool) throws {
        let session = try session(seq: held.worker)
        let insert = try statements(WriterSQL.insertAttempt)
        insert.add(held.job.id)
        insert.add(held.job.attempt)
        insert.add(held.worker)
        insert.add(session.id)
        insert.add(session.name)
        insert.add(Int64(bitPattern: held.nonce))
        insert.add(held.startedAt.milliseconds)
        insert.add(now.milliseconds)
        insert.add(effect.outcome.rawValue)
        insert.add(isReported ? 1 : 0)
        insert.add(effect.error?.type)
        insert.add(effect.error?.message)
        insert.add(effect.error?.stack)
        try insert.run()
    }

    private func expectOne(_ changed: Int) throws {
        guard changed == 1 else {
            throw CorruptRow(description: "a row changed between two statements of a transaction")
        }
    }
}
