// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// All that a ``MemoryJobStore`` knows; every step is a `mutating func` that cannot be seen half done.
struct MemoryRecord {
    let rules: EndingRules
    /// The record's clock, as read for the batch at hand.
    var now: Timestamp
    var isClosed = false

    var jobs: [JobID: StoredJob] = [:]
    var sessions: [WorkerID: StoredSession] = [:]
    var idempotency: [String: StoredSubmission] = [:]
    /// Every queue that ever had a job.
    var knownQueues: Set<String> = []
    /// Who paused each paused queue.
    var pausedBy: [String: String] = [:]

    /// What the batch at hand has done so far.
    var batch = RecordBatch()

    init(rules: @escaping EndingRules, now: Timestamp) {
        self.rules = rules
        self.now = now
    }
}

/// A job with what only the record knows of it.
struct StoredJob {
    /// Its `attempts` and `lease` are left empty: they are put together when read.
    var job: Job
    /// Attempt n is at index n - 1, since every lease is remembered.
    var attempts: [StoredAttempt] = []
    /// The newest delay that the rules chose: an ending without one leaves it.
    var delay: Milliseconds?

    /// The attempt that runs now.
    var current: StoredAttempt? { job.state == .running ? attempts.last : nil }
    var deadline: Timestamp? { current.map { $0.attempt.startedAt + job.options.timeout } }
    var order: ServingOrder { ServingOrder(runAt: job.runAt, priority: job.options.priority, id: job.id) }
    var token: LeaseToken? {
        current.map { LeaseToken(jobID: job.id, attempt: $0.attempt.number, nonce: $0.nonce) }
    }

    func attempt(_ number: Int) -> StoredAttempt? {
        attempts.indices.contains(number - 1) ? attempts[number - 1] : nil
    }

    func isHeld(by session: WorkerID, under token: LeaseToken) -> Bool {
        current?.attempt.worker == session && self.token == token
    }

    /// Whether it has not been started once and no longer may be.
    func isTooLateToStart(at now: Timestamp) -> Bool {
        guard let startBy = job.startBy else { return false }
        return job.attempt == 0 && startBy < now
    }
}

/// A lease, current or past.
struct StoredAttempt {
    var attempt: Attempt
    var nonce: UInt64
    /// Whether its worker said how it ended, rather than the server.
    var isReported = false
}

/// A worker session and the jobs it holds leases of.
struct StoredSession {
    var session: WorkerSession
    var held: Set<JobID> = []
}

/// What is remembered of a submission under an idempotency key.
struct StoredSubmission {
    var digest: [UInt8]
    var ids: [JobID]
    var expiresAt: Timestamp
}

extension MemoryRecord {
    mutating func perform(_ commands: [RecordCommand]) throws(StorageError) -> RecordBatch {
        try checkNewIDs(commands)
        batch = RecordBatch()
        for command in commands {
            let answer = perform(command)
            batch.answers.append(answer)
        }
        defer { batch = RecordBatch() }
        return batch
    }

    /// Ids are made to be unique: a second job of the same id would be the maker's fault, found before anything is done.
    private func checkNewIDs(_ commands: [RecordCommand]) throws(StorageError) {
        var seen: Set<JobID> = []
        for case .submit(let submission) in commands {
            for job in submission.jobs where jobs[job.id] != nil || !seen.insert(job.id).inserted {
                throw .corrupt("a second job with the id \(job.id)")
            }
        }
    }

    private mutating func perform(_ command: RecordCommand) -> RecordAnswer {
        switch command {
        case .submit(let submission): submit(submission)
        case .lease(let request): .leased(lease(request))
        case .report(let request): .reported(report(request))
        case .renew(let request): .renewed(renew(request))
        case .register(let session, let lease): .registered(register(session, lease: lease))
        case .goodbye(let session, let random): goodbye(session, random: random)
        case .drain(let session): drain(session)
        case .release(let session, let tokens, let random): .count(release(tokens, of: session, random: random))
        case .sweepSessions(let limit, let random): .count(sweepSessions(limit: limit, random: random))
        case .timeOutAttempts(let limit, let random): .count(timeOutAttempts(limit: limit, random: random))
        case .expireWaiting(let limit): .count(expireWaiting(limit: limit))
        case .promoteDue(let limit): .count(promoteDue(limit: limit))
        case .prune(let retention, let limit): .count(prune(retention: retention, limit: limit))
        case .cancel(let id): cancel(id)
        case .retry(let id): retry(id)
        case .delete(let id): delete(id)
        case .pause(let queue, let by): pause(queue, by: by)
        case .resume(let queue): resume(queue)
        case .redrive(let filter, let limit, let perSecond):
            .count(redrive(filter, limit: limit, perSecond: perSecond))
        case .purge(let filter, let limit): .count(purge(filter, limit: limit))
        }
    }
}
