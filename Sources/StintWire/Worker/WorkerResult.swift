// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// What a worker reports of one attempt it held.
package struct WorkerResult: Hashable, Sendable {
    package var lease: WireLease
    /// The job the lease is for, as the worker believes.
    package var jobID: JobID?
    /// Never ``Ending/timedOut`` or ``Ending/lost``: those only the server finds.
    package var ending: Ending

    package init(lease: WireLease, jobID: JobID?, ending: Ending) {
        self.lease = lease
        self.jobID = jobID
        self.ending = ending
    }
}

extension WorkerResult: WireMessage {
    private static let fields = JSONFields(
        "lease",
        "job_id",
        "outcome",
        "result",
        "error",
        "retryable",
        "retry_after_seconds",
        "snooze_seconds"
    )

    /// Strict.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var parts = Parts()
        try cursor.object(Self.fields) { cursor, field throws(JSONProblem) in
            try parts.read(field, from: &cursor)
        }
        guard let lease = parts.lease else { throw JSONProblem("is required").inside("lease") }
        self.init(lease: lease, jobID: parts.jobID, ending: try parts.ending(cursor))
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("lease")
            lease.write(to: &writer)
            if let jobID {
                writer.name("job_id")
                writer.id(jobID)
            }
            writer.name("outcome")
            writer.string(ending.outcome.name)
            writeDetails(to: &writer)
        }
    }

    private func writeDetails(to writer: inout JSONWriter) {
        switch ending {
        case .completed(let result):
            guard let result else { return }
            writer.name("result")
            writer.raw(result)
        case .failed(let error, let isRetryable, let retryAfter):
            writer.name("error")
            Self.write(error, to: &writer)
            writer.name("retryable")
            writer.bool(isRetryable)
            if let retryAfter {
                writer.name("retry_after_seconds")
                writer.double(retryAfter.seconds)
            }
        case .snoozed(let span):
            writer.name("snooze_seconds")
            writer.double(span.seconds)
        case .released, .cancelled, .timedOut, .lost:
            break
        }
    }

    private static func write(_ error: JobError, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("type")
            writer.string(error.type)
            writer.name("message")
            writer.string(error.message)
            if !error.stack.isEmpty {
                writer.name("stack")
                writer.string(error.stack)
            }
        }
    }
}

extension WorkerResult {
    /// The members as they come, in any order.
    private struct Parts {
        var lease: WireLease?
        var jobID: JobID?
        var outcome: AttemptOutcome?
        var result: Range<Int>?
        var error: JobError?
        var isRetryable = true
        var retryAfter: Milliseconds?
        var snooze: Milliseconds?

        mutating func read(_ field: Int, from cursor: inout JSONCursor) throws(JSONProblem) {
            if field > 2, try cursor.takeNull() { return }
            switch field {
            case 0: lease = try WireLease(from: &cursor)
            case 1: jobID = try Self.jobID(from: &cursor)
            case 2: outcome = try Self.outcome(from: &cursor)
            case 3: result = try cursor.skipValue()
            case 4: error = try JobError(reportedIn: &cursor)
            case 5: isRetryable = try cursor.bool()
            case 6: retryAfter = try cursor.seconds(in: 0...WorkerProtocolLimits.retryAfterSecondsMax)
            default: snooze = try cursor.seconds(in: 0...WorkerProtocolLimits.snoozeSecondsMax)
            }
        }

        private static func jobID(from cursor: inout JSONCursor) throws(JSONProblem) -> JobID? {
            if try cursor.takeNull() { return nil }
            guard cursor.peek() == UInt8(ascii: "\"") else { throw cursor.unexpected("a job id") }
            let range = try cursor.skipString()
            guard let id = JobID(utf8: UnsafeBufferPointer(rebasing: cursor.bytes[range])) else {
                throw JSONProblem("must be a job id")
            }
            return id
        }

        private static func outcome(from cursor: inout JSONCursor) throws(JSONProblem) -> AttemptOutcome {
            switch try cursor.string() {
            case "completed": return .completed
            case "failed": return .failed
            case "snoozed": return .snoozed
            case "released": return .released
            case "cancelled": return .cancelled
            default: throw JSONProblem("must be completed, failed, snoozed, released or cancelled")
            }
        }

        func ending(_ cursor: JSONCursor) throws(JSONProblem) -> Ending {
            switch outcome {
            case .completed:
                guard let result else { return .completed(result: nil) }
                let limit = WorkerProtocolLimits.resultBytesMax
                guard result.count <= limit else {
                    throw JSONProblem("a result has at most \(limit) bytes", isTooLarge: true).inside("result")
                }
                return .completed(result: cursor.slice(result))
            case .failed:
                let error = error ?? JobError(type: "", message: "failed")
                return .failed(error: error, isRetryable: isRetryable, retryAfter: retryAfter)
            case .snoozed:
                guard let snooze else {
                    throw JSONProblem("is required where outcome is snoozed").inside("snooze_seconds")
                }
                return .snoozed(snooze)
            case .released: return .released
            case .cancelled: return .cancelled
            default: throw JSONProblem("is required").inside("outcome")
            }
        }
    }
}

extension JobError {
    private static let fields = JSONFields("type", "message", "stack")

    /// Strict; texts that are too long are cut.
    fileprivate init(reportedIn cursor: inout JSONCursor) throws(JSONProblem) {
        var error = JobError(type: "", message: "")
        try cursor.object(Self.fields) { cursor, field throws(JSONProblem) in
            if try cursor.takeNull() { return }
            let text = try cursor.prose()
            switch field {
            case 0: error.type = text
            case 1: error.message = text
            default: error.stack = text
            }
        }
        self = error.truncated()
    }

    /// The error with every text cut to what the record keeps.
    package func truncated() -> JobError {
        JobError(
            type: type.truncated(bytesMax: WorkerProtocolLimits.errorTypeBytesMax),
            message: message.truncated(bytesMax: WorkerProtocolLimits.errorMessageBytesMax),
            stack: stack.truncated(bytesMax: WorkerProtocolLimits.errorStackBytesMax)
        )
    }
}
