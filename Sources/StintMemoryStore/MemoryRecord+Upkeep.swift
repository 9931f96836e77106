// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// What the server does by itself as time passes.
extension MemoryRecord {
    mutating func timeOutAttempts(limit: Int, random: UInt64) -> Int {
        let late = earliest(limit) { job in job.deadline.flatMap { $0 <= now ? $0 : nil } }
        var draws = Draws(random)
        for id in late {
            end(id, .timedOut, random: draws.next(), isReported: false)
        }
        return late.count
    }

    mutating func expireWaiting(limit: Int) -> Int {
        let late = earliest(limit) { job in
            job.job.state.isWaiting && job.isTooLateToStart(at: now) ? job.job.startBy : nil
        }
        for id in late {
            move(id, on: .expired) { $0.finishedAt = $1 }
        }
        return late.count
    }

    mutating func promoteDue(limit: Int) -> Int {
        let due = earliest(limit) { job in
            job.job.state == .scheduled && job.job.runAt <= now ? job.job.runAt : nil
        }
        for id in due {
            move(id, on: .timeCame)
        }
        return due.count
    }

    /// Deletes what nobody asks for any more, but no dead letter: those wait for a person, however long.
    mutating func prune(retention: Milliseconds, limit: Int) -> Int {
        let horizon = now - retention
        let old = earliest(limit) { job in
            guard job.job.state.isTerminal, job.job.state != .dead else { return nil }
            return job.job.finishedAt.flatMap { $0 <= horizon ? $0 : nil }
        }
        for id in old {
            remove(id)
        }
        sessions = sessions.filter { entry in entry.value.session.endedAt.map { $0 > horizon } ?? true }
        idempotency = idempotency.filter { entry in now < entry.value.expiresAt }
        return old.count
    }

    /// The first `limit` jobs of those for which `instant` gives one, earliest first, ties by id.
    func earliest(_ limit: Int, where instant: (StoredJob) -> Timestamp?) -> [JobID] {
        jobs.values
            .compactMap { job in instant(job).map { (at: $0, id: job.job.id) } }
            .sorted { ($0.at, $0.id) < ($1.at, $1.id) }
            .prefix(limit)
            .map(\.id)
    }

    /// Moves a job that is not running as the transition table says; `edit` gets the clock besides.
    mutating func move(_ id: JobID, on event: JobEvent, edit: (inout Job, Timestamp) -> Void = { _, _ in }) {
        guard var job = jobs[id]?.job, let next = JobTransition.next(from: job.state, on: event) else { return }
        let previous = job.state
        job.state = next
        edit(&job, now)
        jobs[id]?.job = job
        note(job, from: previous)
    }

    mutating func remove(_ id: JobID) {
        guard let stored = jobs.removeValue(forKey: id) else { return }
        note(stored.job, from: stored.job.state, isDeletion: true)
    }
}
