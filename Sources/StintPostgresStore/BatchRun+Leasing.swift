// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// A grant that gave nothing, although its session was fit.
struct RefusedGrant {
    var index: Int
    var position: Int
    var jobID: JobID
}

extension BatchRun {
    /// What is known of the answer to a lease request.
    final class LeaseAnswer {
        var granted: [LeasedJob?]
        var refused: [LeaseReceipt.Refusal?]

        init(count: Int) {
            granted = Array(repeating: nil, count: count)
            refused = Array(repeating: nil, count: count)
        }
    }

    func lease(_ wave: Wave) {
        for lessee in wave.lessees { expectAnswer(to: lessee.request, lessee.index) }
        guard !wave.grants.isEmpty else { return }
        let grants = wave.grants
        enqueue(leaseStatement(grants)) { result in
            var leased: [JobID: PostgresRow] = [:]
            var fit: [WorkerID: CoordinatorID?] = [:]
            for row in result.rows {
                if let session = row.uuidOrNil(12) {
                    let coordinator = row.integerOrNil(13).map { CoordinatorID(bits: UInt64(bitPattern: $0)) }
                    fit[WorkerID(session)] = .some(coordinator)
                } else {
                    leased[JobID(row.uuid(0))] = row
                }
            }
            for grant in grants {
                let isFit = fit[grant.session].map { grant.coordinator == nil || grant.coordinator == $0 } ?? false
                self.conclude(grant, leased[grant.grant.jobID], isFit: isFit)
            }
        }
    }

    /// Grants are told by session, in order of their ids, each with its run of the arrays of jobs.
    private func leaseStatement(_ unsorted: [Wave.Granted]) -> PostgresStatement {
        let grants = unsorted.sorted { $0.session < $1.session }
        var runs: [(session: WorkerID, coordinator: CoordinatorID?, low: Int, high: Int)] = []
        for (position, grant) in grants.enumerated() {
            if let last = runs.last, last.session == grant.session, last.coordinator == grant.coordinator {
                runs[runs.count - 1].high = position + 1
            } else {
                runs.append((grant.session, grant.coordinator, position + 1, position + 1))
            }
        }
        return clocked(HotSQL.lease) { parameters in
            parameters.add(ids: runs.map(\.session))
            parameters.add(runs.map { $0.coordinator.map { Int64(bitPattern: $0.bits) } })
            parameters.add(integers: runs.map(\.low))
            parameters.add(integers: runs.map(\.high))
            parameters.add(ids: grants.map(\.grant.jobID))
            parameters.add(grants.map { Int64(bitPattern: $0.grant.nonce) as Int64? })
        }
    }

    private func expectAnswer(to request: LeaseRequest, _ index: Int) {
        let answer = LeaseAnswer(count: request.grants.count)
        leaseAnswers[index] = answer
        finish {
            var receipt = LeaseReceipt(granted: answer.granted.compactMap { $0 })
            for (grant, reason) in zip(request.grants, answer.refused) {
                if let reason { receipt.refused.append(.init(jobID: grant.jobID, reason: reason)) }
            }
            self.answer(index, .leased(receipt))
        }
    }

    private func conclude(_ grant: Wave.Granted, _ row: PostgresRow?, isFit: Bool) {
        guard let answer = leaseAnswers[grant.index] else { return }
        guard let row else {
            answer.refused[grant.position] = isFit ? .notAvailable : .sessionUnfit
            if isFit { refusals.append(.init(index: grant.index, position: grant.position, jobID: grant.grant.jobID)) }
            return
        }
        let job = LeasedJob(
            token: LeaseToken(jobID: grant.grant.jobID, attempt: row.int(3), nonce: grant.grant.nonce),
            lane: Lane(queue: row.text(1), name: row.text(2)),
            payload: row.bytes(7),
            maxAttempts: row.int(8),
            timeout: Milliseconds(row.integer(9)),
            createdAt: row.time(5),
            metadata: row.bytes(10),
            traceparent: row.textOrNil(11)
        )
        answer.granted[grant.position] = job
        let change = JobChange(
            id: grant.grant.jobID,
            lane: job.lane,
            from: .available,
            to: .running,
            attempt: job.token.attempt,
            priority: row.int(4),
            createdAt: job.createdAt,
            runAt: row.time(6),
            startedAt: now,
            at: now,
            worker: grant.session
        )
        note(change, grant.index, isCounted: true)
    }

    /// Tells the jobs of paused queues from those that cannot be leased at all.
    func explainRefusals() throws(PostgresError) {
        guard !refusals.isEmpty else { return }
        let refused = refusals
        refusals = []
        let statement = PostgresStatement(HotSQL.pausedJobs) { parameters in
            parameters.add(ids: Set(refused.map(\.jobID)).sorted())
            parameters.add(now)
        }
        let paused = Set(try read(statement).rows.map { JobID($0.uuid(0)) })
        for refusal in refused where paused.contains(refusal.jobID) {
            leaseAnswers[refusal.index]?.refused[refusal.position] = .queuePaused
        }
    }
}
