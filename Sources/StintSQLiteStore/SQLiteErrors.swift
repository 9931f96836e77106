// SPDX-License-Identifier: Apache-2.0

import GRDB
import StintStorage

extension StorageError {
    /// An error of a statement, before the commit: nothing was done.
    init(writing error: any Error) {
        switch (error as? DatabaseError)?.resultCode {
        case .some(.SQLITE_FULL): self = .unavailable("the disk is full")
        case .some(.SQLITE_CORRUPT), .some(.SQLITE_NOTADB): self = .corrupt(Self.words(error))
        case .some(.SQLITE_CONSTRAINT), .some(.SQLITE_MISMATCH), .some(.SQLITE_TOOBIG):
            self = .rejected(Self.words(error))
        case nil where error is CorruptRow: self = .corrupt(Self.words(error))
        default: self = .unavailable(Self.words(error))
        }
    }

    /// An error of the commit.
    ///
    /// A full disk is found before the commit record is written; after any other error the batch may be in the file.
    init(committing error: any Error) {
        switch (error as? DatabaseError)?.resultCode {
        case .some(.SQLITE_FULL), .some(.SQLITE_BUSY): self = .init(writing: error)
        default: self = .unknownOutcome(Self.words(error))
        }
    }

    init(reading error: any Error) {
        switch (error as? DatabaseError)?.resultCode {
        case .some(.SQLITE_CORRUPT), .some(.SQLITE_NOTADB): self = .corrupt(Self.words(error))
        case nil where error is CorruptRow: self = .corrupt(Self.words(error))
        default: self = .unavailable(Self.words(error))
        }
    }

    /// SQLite's own words, without the statement and its arguments.
    private static func words(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else {
            return (error as? CorruptRow)?.description ?? "\(type(of: error))"
        }
        return "\(error.message ?? "no message") (SQLite \(error.extendedResultCode.rawValue))"
    }
}
