// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

extension BatchRun {
    // MARK: Renewing

    func renew(_ wave: Wave) {
        guard !wave.renewals.isEmpty else { return }
        let renewals = wave.renewals.sorted { $0.request.session < $1.request.session }
        let statement = clocked(HotSQL.renew) { parameters in
            parameters.add(ids: renewals.map(\.request.session))
            parameters.add(renewals.map { Self.bounded($0.request.lease.count) as Int64? })
            parameters.add(renewals.map { $0.request.coordinator.map { Int64(bitPattern: $0.bits) } })
        }
        let found = RenewalsFound()
        enqueue(statement) { result in found.read(result) }
        keepProgress(renewals.map(\.request))
        judge(renewals.map(\.request), found)
        for (index, request) in renewals { enqueueConclusion { self.answer(index, .renewed(found.receipt(request))) } }
    }

    private func keepProgress(_ requests: [RenewRequest]) {
        let all = requests.flatMap { request in request.progress.map { (session: request.session, $0) } }
        guard !all.isEmpty else { return }
        // The newest word on a job stands: one row for each.
        let newest = Dictionary(all.map { ($0.1.token, $0) }, uniquingKeysWith: { $1 })
        let rows = newest.values.sorted { $0.1.token.jobID < $1.1.token.jobID }
        enqueue(
            PostgresStatement(HotSQL.progress) { parameters in
                parameters.add(ids: rows.map(\.1.token.jobID))
                parameters.add(integers: rows.map(\.1.token.attempt))
                parameters.add(rows.map { Int64(bitPattern: $0.1.token.nonce) as Int64? })
                parameters.add(ids: rows.map(\.session))
                parameters.add(rows.map(\.1.progress.percent))
                parameters.add(rows.map { $0.1.progress.message.map { Array($0.utf8) } })
            }
        )
    }

    private func judge(_ requests: [RenewRequest], _ found: RenewalsFound) {
        let ids = Set(requests.flatMap { $0.leases.map(\.jobID) }).sorted()
        guard !ids.isEmpty else { return }
        enqueue(PostgresStatement(HotSQL.currentLeases) { $0.add(ids: ids) }) { result in
            for row in result.rows {
                let token = LeaseToken(
                    jobID: JobID(row.uuid(0)),
                    attempt: row.int(1),
                    nonce: UInt64(bitPattern: row.integer(2))
                )
                found.current[token] = (WorkerID(row.uuid(3)), row.bool(4))
            }
        }
    }

    /// What the record says of the sessions that renewed.
    private final class RenewalsFound {
        private struct Session {
            var isDraining: Bool
            var isNewHere: Bool
            var cancelled: [LeaseToken] = []
        }

        private var sessions: [WorkerID: Session] = [:]
        var current: [LeaseToken: (session: WorkerID, isCancelled: Bool)] = [:]

        func read(_ result: PostgresResult) {
            for row in result.rows {
                let id = WorkerID(row.uuid(0))
                var session = sessions[id] ?? Session(isDraining: row.bool(1), isNewHere: row.bool(2))
                if let job = row.uuidOrNil(3) {
                    let nonce = UInt64(bitPattern: row.integer(5))
                    session.cancelled.append(LeaseToken(jobID: JobID(job), attempt: row.int(4), nonce: nonce))
                }
                sessions[id] = session
            }
        }

        func receipt(_ request: RenewRequest) -> RenewReceipt? {
            guard let session = sessions[request.session] else { return nil }
            return RenewReceipt(
                isDraining: session.isDraining,
                isNewHere: session.isNewHere,
                verdicts: request.leases.map { token in
                    guard let lease = current[token], lease.session == request.session else { return .lost }
                    return lease.isCancelled ? .cancel : .ok
                },
                cancelled: session.cancelled.sorted { $0.jobID < $1.jobID }
            )
        }
    }

    // MARK: Beginning and ending

    func register(_ session: WorkerSession, lease: Milliseconds, _ index: Int) throws(PostgresError) {
        var session = session
        session.startedAt = now
        session.lastHeartbeatAt = now
        session.expiresAt = now + Milliseconds(Self.bounded(lease.count))
        let stored = session
        let statement = PostgresStatement(ColdSQL.register) { parameters in
            parameters.add(stored.id)
            parameters.add(stored.startedAt)
            parameters.add(stored.expiresAt)
            parameters.add(stored.coordinator.map { Int64(bitPattern: $0.bits) })
            parameters.add(stored.name.storable as String?)
            parameters.add(stored.host.storable as String?)
            parameters.add(stored.pid.map { Int64($0) })
            parameters.add(stored.sdk.storable as String?)
            parameters.add(stored.capabilities.queues.map { $0.storable as String? })
            parameters.add(stored.capabilities.jobNames.map { $0.storable as String? })
            parameters.add(Int64(stored.concurrency) as Int64?)
            parameters.add(stored.labels as [UInt8]?)
        }
        enqueue(statement)
        answer(index, .registered(stored))
    }

    func goodbye(_ id: WorkerID, random: UInt64, _ index: Int) throws(PostgresError) {
        guard try lock(id) != nil else { return answer(index, .notFound) }
        try endSessions([id], .released, random: random, index)
        note(.sessionEnded(id, wasLost: false), index)
        answer(index, .done)
    }

    func drain(_ id: WorkerID, _ index: Int) throws(PostgresError) {
        guard let isDraining = try lock(id) else { return answer(index, .notFound) }
        if !isDraining {
            enqueue(PostgresStatement(ColdSQL.drain) { $0.add(id) })
            note(.sessionDraining(id), index)
        }
        answer(index, .done)
    }

    /// Locks a live session; whether it is draining, nil when it is unknown or has ended.
    private func lock(_ id: WorkerID) throws(PostgresError) -> Bool? {
        try read(PostgresStatement(ColdSQL.lockSessions) { $0.add(ids: [id]) }).first?.bool(1)
    }

    func sweepSessions(limit: Int, random: UInt64, _ index: Int) throws(PostgresError) {
        enqueue(PostgresStatement(ColdSQL.foldCounts))
        let find = PostgresStatement(ColdSQL.expiredSessions) { parameters in
            parameters.add(now)
            parameters.add(limit: limit)
        }
        let lost = try read(find).rows.map { WorkerID($0.uuid(0)) }
        if !lost.isEmpty { try endSessions(lost, .lost, random: random, index) }
        for id in lost { note(.sessionEnded(id, wasLost: true), index) }
        answer(index, .count(lost.count))
    }

    /// Ends sessions whose rows are locked, and every lease they hold.
    ///
    /// The lock came first: whoever leases to one of them has either committed, and its leases are seen here, or waits and will
    /// find the session ended.
    private func endSessions(_ ids: [WorkerID], _ ending: Ending, random: UInt64, _ index: Int) throws(PostgresError) {
        let held = try liveJobs(PostgresStatement(ColdSQL.jobsOfSessions) { $0.add(ids: ids) })
        endAll(held, ending, random: random, index)
        enqueue(
            PostgresStatement(ColdSQL.endSessions) { parameters in
                parameters.add(ids: ids)
                parameters.add(now)
            }
        )
    }

    /// Each gets random bits of its own, so that their retries spread.
    func endAll(_ jobs: [LiveJob], _ ending: Ending, random: UInt64, _ index: Int) {
        end(
            jobs.enumerated().map { position, job in
                AttemptEnd(
                    index: index,
                    job: job,
                    ending: ending,
                    random: SplitMix64.value(seed: random, index: position),
                    isReported: false
                )
            }
        )
    }

    func release(_ id: WorkerID, _ tokens: [LeaseToken], random: UInt64, _ index: Int) throws(PostgresError) {
        let held = try liveJobs(tokens.map(\.jobID))
        var seen: Set<LeaseToken> = []
        let released = tokens.compactMap { token in
            held[token.jobID].flatMap { $0.isHeld(by: id, under: token) && seen.insert(token).inserted ? $0 : nil }
        }
        endAll(released, .released, random: random, index)
        answer(index, .count(released.count))
    }
}
