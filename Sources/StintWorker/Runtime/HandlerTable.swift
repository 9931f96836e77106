// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

/// The handlers of a worker by job name.
struct HandlerTable: Sendable {
    /// Gives the result's bytes, nil for none.
    typealias Handler = @Sendable (JobContext) async throws -> [UInt8]?

    var handlers: [String: Handler] = [:]

    /// What is registered: `*` alone where there is a handler for every name.
    var names: [String] { handlers["*"] == nil ? handlers.keys.sorted() : ["*"] }

    /// Runs one attempt to its end.
    func run(_ context: JobContext) async -> HandlerEnd {
        guard let handler = handlers[context.granted.lane.name] ?? handlers["*"] else {
            let error = JobError(type: "NameUnknown", message: "this worker has no handler for the job's name")
            return .said(.failed(error: error, isRetryable: true, retryAfter: nil))
        }
        do {
            return .said(.completed(result: try await handler(context)))
        } catch {
            return Self.end(error)
        }
    }

    private static func end(_ error: any Error) -> HandlerEnd {
        switch error {
        case let failure as JobFailure:
            let retryAfter = failure.retryAfter.map {
                milliseconds($0, secondsMax: WorkerProtocolLimits.retryAfterSecondsMax)
            }
            let error = JobError(type: failure.type, message: failure.message).truncated()
            return .said(.failed(error: error, isRetryable: failure.isRetryable, retryAfter: retryAfter))
        case let snooze as Snooze:
            return .said(.snoozed(milliseconds(snooze.duration, secondsMax: WorkerProtocolLimits.snoozeSecondsMax)))
        default:
            return .threw(JobError(type: "\(type(of: error))", message: "\(error)").truncated())
        }
    }

    private static func milliseconds(_ duration: Duration, secondsMax: Double) -> Milliseconds {
        let (seconds, attoseconds) = duration.components
        return .seconds(min(secondsMax, max(0, Double(seconds) + Double(attoseconds) * 1e-18)))
    }

    /// The bytes, if they are one JSON value of a length the server takes.
    static func checkedResult(_ bytes: [UInt8]) throws(JobFailure) -> [UInt8] {
        do throws(JSONProblem) {
            _ = try JSONCursor.read(bytes) { cursor throws(JSONProblem) in try cursor.skipValue() }
        } catch {
            throw JobFailure("the result is no JSON value: \(error.detail)", type: "ResultInvalid", isRetryable: false)
        }
        return try checkedLength(bytes)
    }

    static func checkedLength(_ bytes: [UInt8]) throws(JobFailure) -> [UInt8] {
        let limit = WorkerProtocolLimits.resultBytesMax
        guard bytes.count <= limit else {
            let message = "the result has \(bytes.count) bytes; \(limit) are allowed"
            throw JobFailure(message, type: "ResultTooLarge", isRetryable: false)
        }
        return bytes
    }
}
