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
            case .unknownOutcome: .unknownOutcome(words)
            case .unexpected: .corrupt(words)
            case .refused: Self.refused(error.sqlState ?? "", words)
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
