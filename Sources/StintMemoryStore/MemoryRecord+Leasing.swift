// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension MemoryRecord {
    mutating func lease(_ request: LeaseRequest) -> LeaseReceipt {
        var receipt = LeaseReceipt()
        for grant in request.grants {
            if let reason = refusal(of: grant.jobID, for: request) {
                receipt.refused.append(LeaseReceipt.Refused(jobID: grant.jobID, reason: reason))
            } else if let job = begin(grant, for: request.session) {
                receipt.granted.append(job)
            }
        }
        return receipt
    }

    private func refusal(of id: JobID, for request: LeaseRequest) -> LeaseReceipt.Refusal? {
        guard let session = liveSession(request.session), !session.isDraining,
            request.coordinator == nil || request.coordinator == session.coordinator
        else { return .sessionUnfit }
        guard let stored = jobs[id], stored.job.state == .available, !stored.isTooLateToStart(at: now) else {
            return .notAvailable
        }
        return pausedBy[stored.job.lane.queue] == nil ? nil : .queuePaused
    }

    private mutating func begin(_ grant: LeaseRequest.Grant, for session: WorkerID) -> LeasedJob? {
        guard var stored = jobs[grant.jobID], let name = sessions[session]?.session.name else { return nil }
        stored.job.state = .running
        stored.job.attempt += 1
        stored.job.startedAt = now
        stored.job.progress = nil
        let attempt = Attempt(number: stored.job.attempt, worker: session, workerName: name, startedAt: now)
        stored.attempts.append(StoredAttempt(attempt: attempt, nonce: grant.nonce))
        jobs[grant.jobID] = stored
        sessions[session]?.held.insert(grant.jobID)
        note(stored.job, from: .available, attempt: attempt)
        return LeasedJob(
            token: LeaseToken(jobID: grant.jobID, attempt: attempt.number, nonce: grant.nonce),
            lane: stored.job.lane,
            payload: stored.job.payload,
            maxAttempts: stored.job.options.maxAttempts,
            timeout: stored.job.options.timeout,
            createdAt: stored.job.createdAt,
            metadata: stored.job.options.metadata,
            traceparent: stored.job.options.traceparent
        )
    }

    mutating func release(_ tokens: [LeaseToken], of session: WorkerID, random: UInt64) -> Int {
        var draws = Draws(random)
        var count = 0
        for token in tokens where jobs[token.jobID]?.isHeld(by: session, under: token) == true {
            end(token.jobID, .released, random: draws.next(), isReported: false)
            count += 1
        }
        return count
    }
}
