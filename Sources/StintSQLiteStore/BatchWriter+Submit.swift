// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension BatchWriter {
    func submit(_ submission: Submission) throws -> RecordAnswer {
        if let idempotency = submission.idempotency, let answer = try replay(idempotency) { return answer }
        var receipt = SubmitReceipt(ids: [], isReplay: false, createdAt: now, placed: [])
        receipt.ids.reserveCapacity(submission.jobs.count)
        receipt.placed.reserveCapacity(submission.jobs.count)
        for job in submission.jobs {
            receipt.placed.append(try insert(job))
            receipt.ids.append(job.id)
        }
        if let idempotency = submission.idempotency { try remember(idempotency, ids: receipt.ids) }
        return .submitted(receipt)
    }

    /// The answer to a key that was used before, nil when it is new or its time has passed.
    private func replay(_ idempotency: Idempotency) throws -> RecordAnswer? {
        let find = try statements(WriterSQL.findKey)
        find.add(idempotency.key)
        let found = try find.first { (digest: $0.blob(0), ids: $0.blob(1), expiresAt: $0.time(2)) }
        guard let found, found.expiresAt > now else { return nil }
        guard found.digest == idempotency.digest else { return .idempotencyMismatch }
        return .submitted(
            SubmitReceipt(ids: Self.ids(in: found.ids), isReplay: true, createdAt: now, placed: [])
        )
    }

    private func remember(_ idempotency: Idempotency, ids: [JobID]) throws {
        let save = try statements(WriterSQL.saveKey)
        save.add(idempotency.key)
        save.add(idempotency.digest)
        save.add(ids.flatMap(\.bytes))
        save.add((now + idempotency.retention).milliseconds)
        try save.run()
    }

    private static func ids(in bytes: [UInt8]) -> [JobID] {
        stride(from: 0, to: bytes.count - bytes.count % 16, by: 16).map { start in
            let halves = [start, start + 8].map { half in
                bytes[half..<half + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            return JobID(high: halves[0], low: halves[1])
        }
    }

    private func insert(_ job: NewJob) throws -> SubmitReceipt.PlacedJob {
        let runAt: Timestamp =
            switch job.schedule {
            case .now: now
            case .after(let delay): max(now, now + delay)
            case .at(let instant): max(now, instant)
            }
        let state = runAt > now ? JobState.scheduled : .available
        let isInline = job.payload.count <= SQLiteJobStore.inlineMax
        let options = job.options

        let statement = statements.insertJob
        statement.add(job.id)
        statement.add(try laneID(job.lane))
        statement.add(state.rawValue)
        statement.add(ServingOrder.key(runAt: runAt, priority: options.priority))
        statement.add(runAt.milliseconds)
        statement.add(now.milliseconds)
        statement.add(options.priority)
        statement.add(options.maxAttempts)
        statement.add(options.maxLosses)
        statement.add(options.timeout.count)
        statement.add(job.startWithin.map { (runAt + $0).milliseconds })
        statement.add(isInline ? job.payload : nil)
        statement.add(RetryText.encode(options.retry))
        statement.add(options.tags.isEmpty ? nil : TagText.encode(options.tags))
        statement.add(options.metadata.isEmpty ? nil : options.metadata)
        statement.add(options.traceparent)
        try statement.run()

        if !isInline { try saveBlob(job.payload, of: job.id, kind: .payload) }
        for tag in options.tags {
            let insertTag = try statements(WriterSQL.insertTag)
            insertTag.add(tag)
            insertTag.add(job.id)
            try insertTag.run()
        }
        note(
            JobChange(
                id: job.id,
                lane: job.lane,
                from: nil,
                to: state,
                attempt: 0,
                priority: options.priority,
                createdAt: now,
                runAt: runAt,
                at: now
            )
        )
        return SubmitReceipt.PlacedJob(state: state, runAt: runAt)
    }

    func saveBlob(_ content: [UInt8], of id: JobID, kind: BlobKind) throws {
        let statement = try statements(WriterSQL.insertBlob)
        statement.add(id)
        statement.add(kind.rawValue)
        statement.add(content)
        try statement.run()
    }
}

/// What a row of `blobs` is.
///
/// Stored: never renumbered.
enum BlobKind: Int {
    case payload = 0
    case result = 1
}

/// A retry policy as a column: empty for the standard one.
enum RetryText {
    static func encode(_ policy: RetryPolicy) -> String? {
        guard policy != .standard else { return nil }
        return "\(policy.baseSeconds) \(policy.factor) \(policy.capSeconds) \(policy.jitter.rawValue)"
    }

    static func decode(_ text: String?) throws -> RetryPolicy {
        guard let text else { return .standard }
        let parts = text.split(separator: " ")
        guard parts.count == 4, let base = Double(parts[0]), let factor = Double(parts[1]), let cap = Double(parts[2]),
            let jitter = RetryPolicy.Jitter(rawValue: String(parts[3]))
        else { throw CorruptRow(description: "an unreadable retry policy") }
        return RetryPolicy(baseSeconds: base, factor: factor, capSeconds: cap, jitter: jitter)
    }
}

/// Tags and other lists of words as a column, separated by a character that no word may contain.
enum TagText {
    private static let separator: Character = "\u{1F}"

    static func encode(_ tags: [String]) -> String {
        tags.joined(separator: String(separator))
    }

    static func decode(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        return text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
