// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension MemoryRecord {
    mutating func submit(_ submission: Submission) -> RecordAnswer {
        if let wanted = submission.idempotency, let stored = idempotency[wanted.key], now < stored.expiresAt {
            guard stored.digest == wanted.digest else { return .idempotencyMismatch }
            return .submitted(SubmitReceipt(ids: stored.ids, isReplay: true, createdAt: now, placed: []))
        }
        let ids = submission.jobs.map(\.id)
        if let wanted = submission.idempotency {
            idempotency[wanted.key] = StoredSubmission(
                digest: wanted.digest,
                ids: ids,
                expiresAt: now + wanted.retention
            )
        }
        let placed = submission.jobs.map { place($0) }
        return .submitted(SubmitReceipt(ids: ids, isReplay: false, createdAt: now, placed: placed))
    }

    private mutating func place(_ new: NewJob) -> SubmitReceipt.PlacedJob {
        let runAt = firstRun(new.schedule)
        var job = Job(
            id: new.id,
            lane: new.lane,
            payload: new.payload,
            state: runAt > now ? .scheduled : .available,
            options: new.options,
            createdAt: now,
            runAt: runAt
        )
        job.startBy = new.startWithin.map { runAt + $0 }
        jobs[job.id] = StoredJob(job: job)
        knownQueues.insert(job.lane.queue)
        note(job, from: nil)
        return SubmitReceipt.PlacedJob(state: job.state, runAt: job.runAt)
    }

    private func firstRun(_ schedule: JobSchedule) -> Timestamp {
        switch schedule {
        case .now: now
        case .after(let delay): max(now, now + delay)
        case .at(let instant): max(now, instant)
        }
    }
}
