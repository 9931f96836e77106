// SPDX-License-Identifier: Apache-2.0

/// What went wrong between here and Redis.
///
/// The description is safe to show to anyone: it holds no password, no argument of a command and no value.
package struct RedisError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error; more may come.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        package let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The address is malformed.
        package static let invalidURL = Code("invalid_url")
        /// No connection: nothing was sent.
        package static let notConnected = Code("not_connected")
        /// The connection broke with the command under way: it may or may not have been carried out.
        package static let connectionLost = Code("connection_lost")
        /// No answer in time: the command may or may not have been carried out.
        package static let timedOut = Code("timed_out")
        /// The waiting room is full: nothing was sent.
        package static let overloaded = Code("overloaded")
        /// The server wants other credentials.
        package static let authentication = Code("authentication")
        /// The server answered with an error; ``RedisError/serverCode`` is its first word.
        package static let server = Code("server")
        /// The server's answer is not what was asked for.
        package static let unexpectedReply = Code("unexpected_reply")
        /// The client was closed.
        package static let closed = Code("closed")
    }

    package let code: Code
    package let description: String
    /// The first word of the server's error, such as `NOSCRIPT`.
    package let serverCode: String?

    package init(_ code: Code, _ description: String, serverCode: String? = nil) {
        self.code = code
        self.description = description
        self.serverCode = serverCode
    }

    /// An error that the server answered with.
    ///
    /// Only its first word is shown, because the rest may quote arguments.
    init(serverText text: String) {
        let word = String(text.prefix { $0.isASCII && $0 != " " && $0 != "\r" && $0 != "\n" }.prefix(32))
        let isRefusal = ["NOAUTH", "WRONGPASS", "NOPERM"].contains(word) || text.hasPrefix("ERR AUTH")
        self.init(
            isRefusal ? .authentication : .server,
            "Redis answered \(word.isEmpty ? "with an error" : word)\(Self.meaning(of: word))",
            serverCode: word
        )
    }

    private static func meaning(of word: String) -> String {
        switch word {
        case "NOAUTH", "WRONGPASS": ": the user or password is missing or wrong"
        case "NOPERM": ": the user may not run this command"
        case "LOADING": ": it is still loading its data"
        case "OOM": ": it is out of memory"
        case "READONLY": ": it is a replica"
        case "BUSY": ": a script runs too long"
        case "MISCONF": ": it cannot save its data and refuses writes"
        default: ""
        }
    }
}
