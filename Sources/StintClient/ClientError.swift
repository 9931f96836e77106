// SPDX-License-Identifier: Apache-2.0

public import StintWire

/// Why a call did not give what was asked for.
public struct ClientError: Error, Sendable {
    /// What kind of failure it is.
    ///
    /// More may be added: always have a default case.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The word for it.
        public let rawValue: String

        /// Creates a code from its word.
        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// No connection could be made, so nothing was sent.
        public static let notReachable = Code(rawValue: "not_reachable")
        /// The connection broke: whether the call took effect is not known.
        public static let connectionBroken = Code(rawValue: "connection_broken")
        /// No answer came in time: whether the call took effect is not known.
        public static let timedOut = Code(rawValue: "timed_out")
        /// The server refused the call or failed; see ``ClientError/problem``.
        public static let problem = Code(rawValue: "problem")
        /// The answer makes no sense: perhaps the address is not that of a Stint server.
        public static let answerNotUnderstood = Code(rawValue: "answer_not_understood")
        /// The call cannot be made as it is: nothing was sent.
        public static let callInvalid = Code(rawValue: "call_invalid")
        /// The client has been shut down: nothing was sent.
        public static let closed = Code(rawValue: "closed")
    }

    /// What kind of failure it is.
    public var code: Code
    /// One sentence on what went wrong, without payloads or credentials.
    public var message: String
    /// What the server said, where it answered.
    public var problem: ProblemView?
    /// How long the server asked to wait before the call is made again.
    public var retryAfterSeconds: Double?

    package init(_ code: Code, _ message: String, problem: ProblemView? = nil, retryAfterSeconds: Double? = nil) {
        self.code = code
        self.message = message
        self.problem = problem
        self.retryAfterSeconds = retryAfterSeconds
    }
}

extension ClientError {
    /// The HTTP status, where the server answered.
    public var status: Int? { problem?.status }

    /// Whether the server knows no such job, worker or queue.
    public var isNotFound: Bool { status == 404 || status == 410 }

    /// Whether no sensible answer came from the server at all.
    public var isNotReachable: Bool {
        code == .notReachable || code == .connectionBroken || code == .timedOut
    }
}

extension ClientError: CustomStringConvertible {
    /// Safe to show to anyone.
    public var description: String {
        guard let problem else { return message }
        var text = "\(message) (\(problem.code), status \(problem.status)"
        if !problem.requestID.isEmpty { text += ", request \(problem.requestID)" }
        text += ")"
        for error in problem.errors { text += "\n  \(error.pointer.isEmpty ? "body" : error.pointer): \(error.detail)" }
        return text
    }
}
