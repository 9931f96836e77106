// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintStorage

extension StorageError {
    /// What a caller of the record must make of an error of the database.
    init(_ error: PostgresError) {
        let words = error.sqlState.map { "\(error.message) (SQLSTATE \($0))" } ?? error.message
        self =
            switch error.kind {
            case .closed: .closed
            case .unknownOutcome: .unknownOutcome("the connection to PostgreSQL broke at the commit")
            case .unexpected: .corrupt(words)
            case .refused: Self.refused(error.sqlState ?? "", words)
            // The client library's words name host, user and database: they are for the log, where the pool puts them.
            case .unreachable: .unavailable("PostgreSQL is not reachable")
            default: .unavailable(words)
            }
    }

    /// By class of SQLSTATE: data and constraints are the command's fault, everything else is the server's state and
    /// may pass.
    private static func refused(_ sqlState: String, _ words: String) -> StorageError {
        switch sqlState.prefix(2) {
        case "22", "23": .rejected(words)
        case "XX": .corrupt(words)
        default: .unavailable(words)
        }
    }
}
