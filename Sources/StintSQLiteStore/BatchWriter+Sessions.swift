// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// Worker sessions: their start, their renewals, their end.
extension BatchWriter {
    func register(_ new: WorkerSession, lease: Milliseconds) throws -> RecordAnswer {
        var session = new
        session.startedAt = now
        session.lastHeartbeatAt = now
        session.expiresAt = now + lease
        let insert = try statements(WriterSQL.insertSession)
        insert.add(session.id)
        insert.add(session.name)
        insert.add(session.host)
        insert.add(session.pid.map { Int64($0) })
        insert.add(session.sdk)
        insert.add(TagText.encode(session.capabilities.queues))
        insert.add(TagText.encode(session.capabilities.jobNames))
        insert.add(session.concurrency)
        insert.add(session.labels)
        insert.add(now.milliseconds)
        insert.add(now.milliseconds)
        insert.add(session.expiresAt.milliseconds)
        insert.add(session.coordinator.map { Int64(bitPattern: $0.bits) })
        try insert.run()
        return .registered(session)
    }

    func renew(_ request: RenewRequest) throws -> RecordAnswer {
        guard let session = try liveSession(request.session) else { return .renewed(nil) }
        let update = try statements(WriterSQL.renewSession)
        update.add(now.milliseconds)
        update.add((now + request.lease).milliseconds)
        update.add(session.seq)
        try update.run()
        let isNewHere = request.coordinator.map { $0 != session.coordinator } ?? false
        if isNewHere { try seat(request) }
        for progress in request.progress { try save(progress, seq: session.seq) }
        let verdicts = try request.leases.map { token -> RenewReceipt.Verdict in
            guard let held = try heldJob(token), held.worker == session.seq else { return .lost }
            return held.job.cancelRequested ? .cancel : .ok
        }
        let find = try statements(WriterSQL.cancelledOfSession)
        find.add(session.seq)
        let cancelled = try find.all {
            LeaseToken(jobID: try $0.id(0), attempt: $0.int(1), nonce: UInt64(bitPattern: $0.int64(2)))
        }
        return .renewed(
            RenewReceipt(
                isDraining: session.isDraining,
                isNewHere: isNewHere,
                verdicts: verdicts,
                cancelled: cancelled
            )
        )
    }

    private func seat(_ request: RenewRequest) throws {
        guard let coordinator = request.coordinator, let session = try liveSession(request.session) else { return }
        let update = try statements(WriterSQL.seatSession)
        update.add(Int64(bitPattern: coordinator.bits))
        update.add(session.seq)
        try update.run()
        sessions[request.session]?.coordinator = coordinator
    }

    private func save(_ progress: RenewRequest.Progress, seq: Int64) throws {
        guard let held = try heldJob(progress.token), held.worker == seq else { return }
        let update = try statements(WriterSQL.saveProgress)
        update.add(progress.progress.percent)
        update.add(progress.progress.message)
        update.add(held.seq)
        try update.run()
    }

    func goodbye(_ id: WorkerID, random: UInt64) throws -> RecordAnswer {
        guard let session = try liveSession(id) else { return .notFound }
        try endSession(id, seq: session.seq, .released, random: random)
        return .done
    }

    func drain(_ id: WorkerID) throws -> RecordAnswer {
        guard let session = try liveSession(id) else { return .notFound }
        guard !session.isDraining else { return .done }
        let update = try statements(WriterSQL.drainSession)
        update.add(session.seq)
        try update.run()
        sessions[id]?.isDraining = true
        batch.notices.append(.sessionDraining(id))
        return .done
    }

    func release(_ id: WorkerID, _ tokens: [LeaseToken], random: UInt64) throws -> RecordAnswer {
        guard let session = try liveSession(id) else { return .count(0) }
        var count = 0
        for (index, token) in tokens.enumerated() {
            guard let held = try heldJob(token), held.worker == session.seq else { continue }
            let random = SplitMix64.value(seed: random, index: index)
            try end(held, .released, random: random, isReported: false)
            count += 1
        }
        return .count(count)
    }

    func sweepSessions(limit: Int, random: UInt64) throws -> RecordAnswer {
        let find = try statements(WriterSQL.expiredSessions)
        find.add(now.milliseconds)
        find.add(limit)
        let expired = try find.all { (seq: $0.int64(0), id: try $0.id(1)) }
        for (index, session) in expired.enumerated() {
            _ = try self.session(session.id)
            try endSession(
                session.id,
                seq: session.seq,
                .lost,
                random: SplitMix64.value(seed: random, index: index)
            )
        }
        return .count(expired.count)
    }

    private func endSession(_ id: WorkerID, seq: Int64, _ ending: Ending, random: UInt64) throws {
        let find = try statements(WriterSQL.jobsOfSession)
        find.add(seq)
        let jobs = try find.all { try $0.id(0) }
        try endAll(jobs, ending, random: random)
        let update = try statements(WriterSQL.endSession)
        update.add(now.milliseconds)
        update.add(seq)
        try update.run()
        sessions[id] = nil
        sessionIDs[seq] = nil
        batch.notices.append(.sessionEnded(id, wasLost: ending == .lost))
    }

    /// Ends the attempts of running jobs.
    ///
    /// Each gets random bits of its own, so that their retries spread.
    private func endAll(_ jobs: [JobID], _ ending: Ending, random: UInt64) throws {
        for (index, id) in jobs.enumerated() {
            guard let held = try heldJob(id) else { continue }
            try end(held, ending, random: SplitMix64.value(seed: random, index: index), isReported: false)
        }
    }

    func timeOutAttempts(limit: Int, random: UInt64) throws -> RecordAnswer {
        let live = try statements(WriterSQL.liveSessions).all { $0.int64(0) }
        var overdue: [JobID] = []
        for seq in live where overdue.count < limit {
            let find = try statements(WriterSQL.overdueOfSession)
            find.add(seq)
            find.add(now.milliseconds)
            find.add(limit - overdue.count)
            overdue += try find.all { try $0.id(0) }
        }
        try endAll(overdue, .timedOut, random: random)
        return .count(overdue.count)
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
