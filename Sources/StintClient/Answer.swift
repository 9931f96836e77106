// SPDX-License-Identifier: Apache-2.0

import StintWire

/// What stands at the end of a call and its repetitions.
struct Answer {
    enum Kind {
        case reply(HTTPReply)
        case failure(any Error)
    }

    var kind: Kind
    /// Whether an earlier try may have taken effect although its answer did not come.
    var mayRepeatEffect: Bool

    init(reply: HTTPReply, mayRepeatEffect: Bool) {
        kind = .reply(reply)
        self.mayRepeatEffect = mayRepeatEffect
    }

    init(failure: HTTPFailure, at address: ServerAddress, timeout: Duration) {
        kind = .failure(Self.error(failure, address.text, timeout))
        mayRepeatEffect = false
    }

    /// The status that was answered.
    var status: Int? {
        guard case .reply(let reply) = kind else { return nil }
        return reply.status
    }

    /// The reply if it is a success.
    func get() throws -> HTTPReply {
        switch kind {
        case .failure(let error): throw error
        case .reply(let reply) where reply.isSuccess: return reply
        case .reply(let reply): throw Self.error(reply)
        }
    }

    private static func error(_ reply: HTTPReply) -> ClientError {
        let problem = reply.problem
        let message = problem.detail.isEmpty ? problem.title : problem.detail
        let isRedirect = (300...399).contains(reply.status)
        return ClientError(
            isRedirect ? .answerNotUnderstood : .problem,
            isRedirect ? "the server sent the call elsewhere, which is not followed; check the address" : message,
            problem: problem,
            retryAfterSeconds: reply.retryAfterSeconds
        )
    }

    private static func error(_ failure: HTTPFailure, _ address: String, _ timeout: Duration) -> any Error {
        switch failure {
        case .notSent(let reason): ClientError(.notReachable, "no connection to \(address): \(reason)")
        case .connectionBroken(let reason):
            ClientError(.connectionBroken, "the connection to \(address) broke: \(reason)")
        case .timedOut: ClientError(.timedOut, "no answer from \(address) within \(timeout.components.seconds) s")
        case .answerTooLong: ClientError(.answerNotUnderstood, "the answer from \(address) is too long")
        case .callInvalid(let reason): ClientError(.callInvalid, "the call cannot be made: \(reason)")
        case .closed: ClientError(.closed, "the client has been shut down")
        case .cancelled: CancellationError()
        }
    }
}

/// The parameters of a list; what is nil is left out.
struct Query {
    private(set) var pairs: [(name: String, value: String)] = []

    mutating func add(_ name: String, _ value: String?) {
        if let value { pairs.append((name, value)) }
    }
}
