// SPDX-License-Identifier: Apache-2.0

import StintClient

extension CommandFailure {
    /// What a failed call means for the one who typed the command.
    init(_ error: ClientError) {
        switch error.code {
        case .notReachable:
            self.init(
                .notReachable,
                error.description,
                advice: "Start a server with `stint serve`, or name the right one with --api-url or STINT_API_URL."
            )
        case .connectionBroken, .timedOut:
            self.init(
                .notReachable,
                error.description,
                advice: "The command may have taken effect. Look before you repeat it."
            )
        case .problem: self.init(refusal: error)
        case .callInvalid: self.init(.wrongUsage, error.description)
        case .answerNotUnderstood:
            self.init(
                .failed,
                error.description,
                advice: "Check that --api-url or STINT_API_URL names the submitter of a Stint server (port 8000)."
            )
        default: self.init(.failed, error.description)
        }
    }

    private init(refusal error: ClientError) {
        if error.isNotFound {
            self.init(.notFound, error.description)
            return
        }
        let advice: String? =
            switch error.status ?? 0 {
            case 401: "Set STINT_TOKEN to the token of the server."
            case 429, 503: "Try again \(error.retryAfterSeconds.map { "in \(Span.text($0))" } ?? "later")."
            case 500...599: "Look for the request in the log of the server."
            default: nil
            }
        self.init(.refused, error.description, advice: advice)
    }
}
