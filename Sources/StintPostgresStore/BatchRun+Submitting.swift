// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

extension BatchRun {
    /// Stores the wave's new jobs: with keys in two statements, of which the first decides who wins each key.
    func submit(_ wave: Wave) {
        guard !wave.submissions.isEmpty else { return }
        var claims: [Int: Int64] = [:]
        for (index, submission) in wave.submissions where submission.idempotency != nil {
            claims[index] = Int64.random(in: .min ... .max)
        }
        let outcome = ClaimOutcome()
        if !claims.isEmpty { claim(wave.submissions, claims, outcome) }
        let jobs = wave.submissions.flatMap { entry in entry.submission.jobs.map { (entry, $0) } }
        let isKeyed = !claims.isEmpty
        for piece in Pieces.split(jobs, { $0.1.payload.count + $0.1.options.metadata.count }) {
            let statement = clocked(isKeyed ? Self.insertKeyed : Self.insert) { parameters in
                Self.add(piece.map(\.1), to: &parameters)
                guard isKeyed else { return }
                parameters.add(piece.map { $0.0.submission.idempotency?.key })
                parameters.add(piece.map { claims[$0.0.index] })
            }
            enqueue(statement)
        }
        for (index, submission) in wave.submissions {
            // The clock is known when the statements were sent.
            enqueueConclusion { self.conclude(submission, index, outcome) }
        }
    }

    private static let insert = HotSQL.insert(isKeyed: false)
    private static let insertKeyed = HotSQL.insert(isKeyed: true)

    private static func add(_ jobs: [NewJob], to parameters: inout PostgresParameters) {
        parameters.add(ids: jobs.map(\.id))
        parameters.add(jobs.map { $0.lane.queue as String? })
        parameters.add(jobs.map { $0.lane.name as String? })
        parameters.add(jobs.map { $0.schedule.delay as Int64? })
        parameters.add(jobs.map(\.schedule.instant))
        parameters.add(jobs.map { $0.startWithin.map { Self.bounded($0.count) } })
        parameters.add(jobs.map { Int16(clamping: $0.options.priority) as Int16? })
        parameters.add(integers: jobs.map(\.options.maxAttempts))
        parameters.add(integers: jobs.map(\.options.maxLosses))
        parameters.add(jobs.map { Self.bounded($0.options.timeout.count) as Int64? })
        parameters.add(jobs.map { RetryText.encode($0.options.retry) })
        parameters.add(jobs.map { TagText.encode($0.options.tags) })
        parameters.add(jobs.map { $0.options.metadata.isEmpty ? nil : $0.options.metadata })
        parameters.add(jobs.map { $0.options.traceparent?.storable })
        parameters.add(jobs.map { $0.payload as [UInt8]? })
    }

    /// Far from where sums of three would overflow, and farther than any time that is allowed.
    static func bounded(_ milliseconds: Int64) -> Int64 {
        max(-(1 << 60), min(milliseconds, 1 << 60))
    }

    // MARK: Keys

    /// What the record holds under each key after the claims.
    private final class ClaimOutcome {
        struct Stored {
            var digest: [UInt8]
            var ids: [JobID]
            var claim: Int64
        }

        var claims: [Int: Int64] = [:]
        var stored: [String: Stored] = [:]
    }

    private func claim(
        _ submissions: [(index: Int, submission: Submission)],
        _ claims: [Int: Int64],
        _ outcome: ClaimOutcome
    ) {
        outcome.claims = claims
        let keyed = submissions.compactMap { entry in
            entry.submission.idempotency.map { (key: $0, jobs: entry.submission.jobs, claim: claims[entry.index] ?? 0) }
        }
        let statement = clocked(HotSQL.claimKeys) { parameters in
            parameters.add(keyed.map { $0.key.key as String? })
            parameters.add(keyed.map { $0.key.digest as [UInt8]? })
            parameters.add(keyed.map { $0.jobs.map(\.id.description).joined(separator: ",") as String? })
            parameters.add(keyed.map { Self.bounded($0.key.retention.count) as Int64? })
            parameters.add(keyed.map { $0.claim as Int64? })
        }
        enqueue(statement) { result in
            for row in result.rows {
                outcome.stored[row.text(0)] = ClaimOutcome.Stored(
                    digest: row.bytes(1),
                    ids: row.uuids(2).map { JobID($0) },
                    claim: row.integer(3)
                )
            }
        }
    }

    private func conclude(_ submission: Submission, _ index: Int, _ outcome: ClaimOutcome) {
        if let idempotency = submission.idempotency, let stored = outcome.stored[idempotency.key],
            stored.claim != outcome.claims[index]
        {
            let isSame = stored.digest == idempotency.digest
            let receipt = SubmitReceipt(ids: stored.ids, isReplay: true, createdAt: now, placed: [])
            answer(index, isSame ? .submitted(receipt) : .idempotencyMismatch)
            return
        }
        var receipt = SubmitReceipt(ids: submission.jobs.map(\.id), isReplay: false, createdAt: now, placed: [])
        receipt.placed.reserveCapacity(submission.jobs.count)
        for job in submission.jobs {
            let runAt = job.schedule.firstRun(at: now)
            let state = runAt > now ? JobState.scheduled : .available
            receipt.placed.append(.init(state: state, runAt: runAt))
            let change = JobChange(
                id: job.id,
                lane: job.lane,
                from: nil,
                to: state,
                attempt: 0,
                priority: job.options.priority,
                createdAt: now,
                runAt: runAt,
                at: now
            )
            note(change, index, isCounted: true)
        }
        answer(index, .submitted(receipt))
    }
}

extension JobSchedule {
    /// How long after now, where it is not an instant.
    fileprivate var delay: Int64 {
        if case .after(let span) = self { max(0, BatchRun.bounded(span.count)) } else { 0 }
    }

    fileprivate var instant: Int64? {
        if case .at(let instant) = self { BatchRun.bounded(instant.milliseconds) } else { nil }
    }

    /// As `HotSQL.insert` computes it.
    fileprivate func firstRun(at now: Timestamp) -> Timestamp {
        max(now, Timestamp(milliseconds: instant ?? now.milliseconds + delay))
    }
}

/// Tags as one text, separated by a character that is not allowed in them.
enum TagText {
    static func encode(_ tags: [String]) -> String? {
        tags.isEmpty ? nil : tags.map(\.storable).joined(separator: "\u{1F}")
    }
}
