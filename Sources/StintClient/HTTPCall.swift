// SPDX-License-Identifier: Apache-2.0

import StintWire

/// One HTTP request.
package struct HTTPCall: Sendable {
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"
    }

    package var method: Method
    /// Begins with a slash; components are escaped.
    package var path: String
    package var query: [(name: String, value: String)] = []
    package var headers: [(name: String, value: String)] = []
    /// JSON, or whatever the headers say.
    package var body: [UInt8]?
    /// Until the head of the answer has come.
    package var timeout: Duration = .seconds(30)
    package var answerBytesMax = 64 << 20

    package init(_ method: Method, _ path: String, body: [UInt8]? = nil) {
        self.method = method
        self.path = path
        self.body = body
    }
}

/// The answer to an ``HTTPCall``, whatever its status.
package struct HTTPReply: Sendable {
    package var status: Int
    package var body: [UInt8]
    /// From the `Retry-After` header.
    package var retryAfterSeconds: Double?

    package init(status: Int, body: [UInt8], retryAfterSeconds: Double? = nil) {
        self.status = status
        self.body = body
        self.retryAfterSeconds = retryAfterSeconds
    }

    package var isSuccess: Bool { (200...299).contains(status) }

    /// What the server said went wrong; made up from the status where the body is no problem document.
    package var problem: ProblemView {
        if var problem = try? ProblemView.read(body) {  // a proxy in between may answer what it likes
            problem.status = status
            return problem
        }
        return ProblemView(
            code: "http_\(status)",
            status: status,
            title: "HTTP status \(status)",
            detail: "the server answered with status \(status)",
            requestID: ""
        )
    }
}

/// Why there is no answer.
package enum HTTPFailure: Error, Hashable, Sendable {
    /// No connection could be made: the server has not seen the request.
    case notSent(String)
    /// The server may or may not have seen the request.
    case connectionBroken(String)
    /// The server may or may not have seen the request.
    case timedOut
    /// The answer is longer than the call allows.
    case answerTooLong
    /// The request cannot be sent as it is.
    case callInvalid(String)
    /// The calling task was cancelled.
    case cancelled
    /// The transport has been shut down.
    case closed
}
