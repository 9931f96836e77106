// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import StintCoordinator
import StintModel
import StintWire

/// An answer that says what was wrong (RFC 9457).
///
/// The one place where errors become HTTP.
struct Problem: Error, Sendable {
    var status: HTTPResponse.Status
    /// The stable word.
    var code: String
    var detail: String
    var errors: [ProblemView.Item] = []
    var index: Int?
    /// Seconds after which it is worth trying again.
    var retryAfter: Int?
    var allow: String?

    init(_ status: HTTPResponse.Status, _ code: String, _ detail: String) {
        self.status = status
        self.code = code
        self.detail = detail
    }

    static func badRequest(_ detail: String) -> Problem {
        Problem(.badRequest, "bad_request", detail)
    }

    static func notFound(_ detail: String) -> Problem {
        Problem(.notFound, "not_found", detail)
    }

    /// The body did not arrive whole: bad framing, or the client has gone.
    static func brokenBody(_ error: any Error) -> Problem {
        .badRequest("the body could not be read to its end: \(error)")
    }

    static func tooLarge(_ detail: String) -> Problem {
        Problem(.contentTooLarge, "payload_too_large", detail)
    }

    /// From what is wrong with a body.
    ///
    /// In a batch the pointer's second part is the job's index.
    init(_ problem: JSONProblem) {
        let place = problem.pointer.isEmpty ? "" : "\(problem.pointer): "
        self = problem.isTooLarge ? .tooLarge(place + problem.detail) : .badRequest(place + problem.detail)
        errors = [ProblemView.Item(pointer: problem.pointer, detail: problem.detail)]
        let parts = problem.pointer.split(separator: "/")
        if parts.count >= 2, parts[0] == "jobs" { index = Int(parts[1]) }
    }

    init(_ error: ServiceError) {
        switch error {
        case .notFound(let detail):
            self = .notFound(detail)
        case .wrongState(let state, let wanted):
            self.init(.conflict, "wrong_state", "the job is \(state.name); \(wanted)")
        case .idempotencyMismatch:
            self.init(
                .unprocessableContent,
                "idempotency_mismatch",
                "this Idempotency-Key was used with another body; use a new key for a new request"
            )
        case .sessionLost:
            self.init(
                .gone,
                "session_lost",
                "the worker session is unknown, was lost or has ended; stop what runs under it and register again"
            )
        case .overloaded:
            self.init(.serviceUnavailable, "overloaded", "too much is waiting to be written; nothing was stored")
            retryAfter = 1
        case .unavailable(let detail):
            self.init(.serviceUnavailable, "unavailable", detail)
            retryAfter = 1
        case .unknownOutcome(let detail):
            self.init(
                .serviceUnavailable,
                "unknown_outcome",
                "\(detail); repeat the request with the same Idempotency-Key"
            )
            retryAfter = 1
        case .fault:
            // The details are for the log: they may show stored data.
            self.init(
                .internalServerError,
                "internal",
                "an internal error; the server's log has it under the request id"
            )
        }
    }

    /// A few words for the code.
    var title: String {
        code.split(separator: "_").enumerated().map { $0.offset == 0 ? $0.element.capitalized : String($0.element) }
            .joined(separator: " ")
    }

    func view(requestID: String) -> ProblemView {
        ProblemView(
            code: code,
            status: status.code,
            title: title,
            detail: detail,
            requestID: requestID,
            errors: errors,
            index: index
        )
    }
}

extension Substring {
    fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}
