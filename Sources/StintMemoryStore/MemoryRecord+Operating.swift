// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// What people ask for.
extension MemoryRecord {
    mutating func cancel(_ id: JobID) -> RecordAnswer {
        guard let stored = jobs[id] else { return .notFound }
        if let attempt = stored.current, let token = stored.token {
            if !stored.job.cancelRequested {
                jobs[id]?.job.cancelRequested = true
                batch.notices.append(.cancelRequested(attempt.attempt.worker, token))
            }
        } else if stored.job.state != .cancelled {
            guard JobTransition.next(from: stored.job.state, on: .cancelRequested) != nil else {
                return .wrongState(stored.job.state)
            }
            move(id, on: .cancelRequested) { $0.finishedAt = $1 }
        }
        return shown(id)
    }

    mutating func retry(_ id: JobID) -> RecordAnswer {
        guard let state = jobs[id]?.job.state else { return .notFound }
        if JobTransition.next(from: state, on: .redriven) != nil {
            redrive(id, at: now)
        } else if JobTransition.next(from: state, on: .runNow) != nil {
            move(id, on: .runNow) { job, now in
                job.runAt = now
                job.progress = nil
            }
        } else {
            return .wrongState(state)
        }
        return shown(id)
    }

    mutating func delete(_ id: JobID) -> RecordAnswer {
        guard let state = jobs[id]?.job.state else { return .notFound }
        guard state.isTerminal else { return .wrongState(state) }
        remove(id)
        return .done
    }

    mutating func pause(_ queue: String, by person: String) -> RecordAnswer {
        if pausedBy.updateValue(person, forKey: queue) == nil { batch.notices.append(.queuePaused(queue)) }
        return .done
    }

    mutating func resume(_ queue: String) -> RecordAnswer {
        if pausedBy.removeValue(forKey: queue) != nil { batch.notices.append(.queueResumed(queue)) }
        return .done
    }

    mutating func redrive(_ filter: DeadLetterFilter, limit: Int, perSecond: Double?) -> Int {
        let chosen = deadLetters(filter, limit: limit)
        for (index, id) in chosen.enumerated() {
            let delay = perSecond.map { Milliseconds.seconds(Double(index) / $0) } ?? Milliseconds(0)
            redrive(id, at: now + delay)
        }
        return chosen.count
    }

    mutating func purge(_ filter: DeadLetterFilter, limit: Int) -> Int {
        let chosen = deadLetters(filter, limit: limit)
        for id in chosen {
            remove(id)
        }
        return chosen.count
    }

    private func shown(_ id: JobID) -> RecordAnswer {
        job(id).map { .job($0) } ?? .notFound
    }

    /// Oldest death first.
    private func deadLetters(_ filter: DeadLetterFilter, limit: Int) -> [JobID] {
        earliest(limit) { filter.means($0.job) ? $0.job.finishedAt : nil }
    }

    /// Sends a job back with fresh budgets; its attempts stay, and their number goes on rising.
    private mutating func redrive(_ id: JobID, at runAt: Timestamp) {
        jobs[id]?.delay = nil
        move(id, on: .redriven) { job, now in
            if runAt > now { job.state = .scheduled }
            job.runAt = runAt
            job.startBy = nil
            job.finishedAt = nil
            job.failures = 0
            job.losses = 0
            job.cancelRequested = false
            job.progress = nil
            job.result = nil
            job.cause = nil
            job.fingerprint = nil
        }
    }
}

extension DeadLetterFilter {
    func means(_ job: Job) -> Bool {
        job.state == .dead
            && (queue == nil || queue == job.lane.queue)
            && (name == nil || name == job.lane.name)
            && (cause == nil || cause == job.cause)
            && (fingerprint == nil || fingerprint == job.fingerprint)
            && (ids == nil || ids?.contains(job.id) == true)
    }
}
