// SPDX-License-Identifier: Apache-2.0

/// What went wrong between this process and a PostgreSQL server.
package struct PostgresError: Error, Hashable, Sendable {
    /// What the caller can make of it.
    ///
    /// An open set: more may be added.
    package struct Kind: Hashable, Sendable {
        package let word: String

        /// The server does not take connections, or the connection broke before anything could have taken effect.
        package static let unreachable = Kind(word: "unreachable")
        /// The server refused a statement; ``PostgresError/sqlState`` says why.
        ///
        /// The transaction is rolled back.
        package static let refused = Kind(word: "refused")
        /// The connection broke after a commit was sent and before its answer came: it may have taken effect or not.
        package static let unknownOutcome = Kind(word: "unknown_outcome")
        /// Nothing came back in time, or no connection became free in time.
        ///
        /// Nothing took effect.
        package static let timedOut = Kind(word: "timed_out")
        /// The pool is closed.
        package static let closed = Kind(word: "closed")
        /// The URL or a setting cannot be used.
        package static let misconfigured = Kind(word: "misconfigured")
        /// The server answered something that the caller did not ask for.
        package static let unexpected = Kind(word: "unexpected")
    }

    package var kind: Kind
    /// Five characters that the server gave, where it did.
    package var sqlState: String?
    /// Safe to show to anyone: never data, a statement's arguments or a credential.
    package var message: String

    package init(_ kind: Kind, _ message: String, sqlState: String? = nil) {
        self.kind = kind
        // The client library's words come in several lines.
        self.message = message.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        self.sqlState = sqlState
    }
}

extension PostgresError: CustomStringConvertible {
    package var description: String {
        sqlState.map { "PostgreSQL: \(message) (SQLSTATE \($0))" } ?? "PostgreSQL: \(message)"
    }
}

extension PostgresError {
    /// Whether the same transaction may succeed when it is tried again: a deadlock or a serialization failure.
    package var isWorthRetrying: Bool { sqlState == "40P01" || sqlState == "40001" }

    /// Classes of errors whose words speak of the server, never of the data.
    private static let harmlessClasses: Set<String> = [
        "08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX",
    ]

    /// A refusal, told in the server's own words where those cannot hold data.
    static func refusal(sqlState: String, words: String?, constraint: String?) -> PostgresError {
        let text =
            if let words, harmlessClasses.contains(String(sqlState.prefix(2))) {
                words
            } else if let constraint {
                "the constraint \(constraint) does not hold"
            } else {
                "a statement was refused"
            }
        return PostgresError(.refused, text, sqlState: sqlState)
    }
}
