// SPDX-License-Identifier: Apache-2.0

import GRDB
import GRDBSQLite
package import StintStorage

/// What `doctor` shows of the embedded record.
package enum SQLiteDiagnostics {
    /// What can be told without a file: the library that is linked.
    package static func library() -> [RecordDiagnostic] {
        let version = String(cString: sqlite3_libversion())
        return [RecordDiagnostic(key: "sqlite_version", value: version + note(version))]
    }

    static func read(_ db: Database) throws -> [RecordDiagnostic] {
        let version = try String.fetchOne(db, sql: "SELECT sqlite_version()") ?? "unknown"
        let journal = try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "unknown"
        let schema = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        let pageSize = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0
        return [
            RecordDiagnostic(key: "record", value: "SQLite, embedded"),
            RecordDiagnostic(key: "sqlite_version", value: version + note(version)),
            RecordDiagnostic(
                key: "journal_mode",
                value: journal,
                warning: journal == "wal" ? nil : "should be wal: is the data directory on a network file system?"
            ),
            RecordDiagnostic(key: "schema", value: "\(schema) of \(SQLiteSchema.steps.count)"),
            RecordDiagnostic(key: "file_bytes", value: String(pages * pageSize)),
        ]
    }

    /// SQLite up to 3.51.2 can corrupt a WAL file when two connections write or checkpoint at once.
    ///
    /// Stint has only one that does.
    static func note(_ version: String) -> String {
        let numbers = version.split(separator: ".").compactMap { Int($0) }
        guard numbers.count >= 3, numbers.lexicographicallyPrecedes([3, 51, 3]),
            numbers.prefix(2) != [3, 44] || numbers[2] < 6, numbers.prefix(2) != [3, 50] || numbers[2] < 7
        else { return "" }
        return " (has the WAL-reset bug; harmless here: one connection writes and checkpoints)"
    }
}
