// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension MemoryRecord {
    /// The session, unless it is unknown or has ended: one past its lease lives until it is swept.
    func liveSession(_ id: WorkerID) -> WorkerSession? {
        guard let session = sessions[id]?.session, session.endedAt == nil else { return nil }
        return session
    }

    mutating func register(_ session: WorkerSession, lease: Milliseconds) -> WorkerSession {
        var session = session
        session.startedAt = now
        session.lastHeartbeatAt = now
        session.expiresAt = now + lease
        sessions[session.id] = StoredSession(session: session)
        return session
    }

    mutating func renew(_ request: RenewRequest) -> RenewReceipt? {
        guard var session = liveSession(request.session) else { return nil }
        session.lastHeartbeatAt = now
        session.expiresAt = now + request.lease
        let isNewHere = request.coordinator.map { $0 != session.coordinator } ?? false
        session.coordinator = request.coordinator ?? session.coordinator
        sessions[session.id]?.session = session
        for progress in request.progress
        where jobs[progress.token.jobID]?.isHeld(by: session.id, under: progress.token) == true {
            jobs[progress.token.jobID]?.job.progress = progress.progress
        }
        return RenewReceipt(
            isDraining: session.isDraining,
            isNewHere: isNewHere,
            verdicts: request.leases.map { verdict(on: $0, of: session.id) },
            cancelled: leases(of: session.id).filter { jobs[$0.jobID]?.job.cancelRequested == true }
        )
    }

    private func verdict(on token: LeaseToken, of session: WorkerID) -> RenewReceipt.Verdict {
        guard let stored = jobs[token.jobID], stored.isHeld(by: session, under: token) else { return .lost }
        return stored.job.cancelRequested ? .cancel : .ok
    }

    mutating func goodbye(_ id: WorkerID, random: UInt64) -> RecordAnswer {
        guard liveSession(id) != nil else { return .notFound }
        var draws = Draws(random)
        endSession(id, leases: .released, draws: &draws)
        batch.notices.append(.sessionEnded(id, wasLost: false))
        return .done
    }

    mutating func drain(_ id: WorkerID) -> RecordAnswer {
        guard let session = liveSession(id) else { return .notFound }
        if !session.isDraining {
            sessions[id]?.session.isDraining = true
            batch.notices.append(.sessionDraining(id))
        }
        return .done
    }

    mutating func sweepSessions(limit: Int, random: UInt64) -> Int {
        let lost = sessions.values.map(\.session)
            .filter { $0.endedAt == nil && $0.expiresAt <= now }
            .sorted { ($0.expiresAt, $0.id) < ($1.expiresAt, $1.id) }
            .prefix(limit)
        var draws = Draws(random)
        for session in lost {
            endSession(session.id, leases: .lost, draws: &draws)
            batch.notices.append(.sessionEnded(session.id, wasLost: true))
        }
        return lost.count
    }

    private mutating func endSession(_ id: WorkerID, leases ending: Ending, draws: inout Draws) {
        sessions[id]?.session.endedAt = now
        for token in leases(of: id) {
            end(token.jobID, ending, random: draws.next(), isReported: false)
        }
    }
}

// MARK: - Reads

extension MemoryRecord {
    func session(_ id: WorkerID) -> WorkerSession? {
        sessions[id].map(\.shown)
    }

    func newestSessions() -> [WorkerSession] {
        let newestFirst = sessions.values.map(\.shown).sorted { $0.id > $1.id }
        let live = newestFirst.filter { $0.endedAt == nil }
        let ended = newestFirst.filter { $0.endedAt != nil }.prefix(200)
        return (live + ended).sorted { $0.id > $1.id }
    }

    /// Sorted by job id.
    func leases(of session: WorkerID) -> [LeaseToken] {
        (sessions[session]?.held ?? []).sorted().compactMap { jobs[$0]?.token }
    }

    func notices(for id: WorkerID) -> [RecordNotice] {
        guard let session = liveSession(id) else { return [.sessionEnded(id, wasLost: true)] }
        let calledOff = leases(of: id).filter { jobs[$0.jobID]?.job.cancelRequested == true }
        return (session.isDraining ? [.sessionDraining(id)] : []) + calledOff.map { .cancelRequested(id, $0) }
    }

    func lastRenewal() -> Timestamp? {
        sessions.values.map(\.session.lastHeartbeatAt).max()
    }
}

extension StoredSession {
    /// The session as readers see it.
    fileprivate var shown: WorkerSession {
        var shown = session
        shown.running = held.count
        return shown
    }
}
