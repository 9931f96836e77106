// SPDX-License-Identifier: Apache-2.0

import GRDB
import GRDBSQLite
import StintModel

/// A prepared statement stepped by hand: the group commit runs tens of thousands of them per second, and boxing every
/// argument and column costs as much as SQLite itself.
///
/// Used on the writer's queue only. Parameters are added in order, then the statement is run or stepped; it resets itself.
final class HotStatement {
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// Owns the pointer.
    private let statement: Statement
    private let pointer: OpaquePointer
    private var parameter: Int32 = 0

    init(_ db: Database, _ sql: String) throws {
        statement = try db.makeStatement(sql: sql)
        pointer = statement.sqliteStatement
    }

    // MARK: Parameters

    func add(_ value: Int64) {
        parameter += 1
        sqlite3_bind_int64(pointer, parameter, value)
    }

    func add(_ value: Int) {
        add(Int64(value))
    }

    func add(_ value: Int64?) {
        if let value { add(value) } else { addNull() }
    }

    func add(_ value: Double?) {
        guard let value else { return addNull() }
        parameter += 1
        sqlite3_bind_double(pointer, parameter, value)
    }

    func add(_ id: UUIDv7) {
        parameter += 1
        let halves = (id.high.bigEndian, id.low.bigEndian)
        withUnsafeBytes(of: halves) { bytes in
            _ = sqlite3_bind_blob(pointer, parameter, bytes.baseAddress, 16, Self.transient)
        }
    }

    func add(_ value: String?) {
        guard var value else { return addNull() }
        parameter += 1
        _ = value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                if let base = text.baseAddress {
                    sqlite3_bind_text(pointer, parameter, base, Int32(text.count), Self.transient)
                } else {
                    sqlite3_bind_text(pointer, parameter, "", 0, Self.transient)  // no address would mean NULL
                }
            }
        }
    }

    /// An empty array is an empty blob, nil is NULL.
    func add(_ value: [UInt8]?) {
        guard let value else { return addNull() }
        parameter += 1
        value.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress, bytes.count > 0 {
                _ = sqlite3_bind_blob(pointer, parameter, base, Int32(bytes.count), Self.transient)
            } else {
                _ = sqlite3_bind_zeroblob(pointer, parameter, 0)
            }
        }
    }

    func addNull() {
        parameter += 1
        sqlite3_bind_null(pointer, parameter)
    }

    // MARK: Running

    /// Runs to the end and gives the number of rows changed.
    @discardableResult
    func run() throws -> Int {
        while try step() {}
        return Int(sqlite3_changes(sqlite3_db_handle(pointer)))
    }

    /// Moves to the next row; at the end resets and gives false.
    func step() throws -> Bool {
        switch sqlite3_step(pointer) {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            reset()
            return false
        default:
            let handle = sqlite3_db_handle(pointer)
            let error = DatabaseError(
                resultCode: ResultCode(rawValue: sqlite3_extended_errcode(handle)),
                message: String(cString: sqlite3_errmsg(handle))
            )
            reset()
            throw error
        }
    }

    /// Runs for at most one row.
    func first<Value>(_ read: (HotStatement) throws -> Value) throws -> Value? {
        guard try step() else { return nil }
        defer { reset() }
        return try read(self)
    }

    /// Runs for all rows.
    func all<Value>(_ read: (HotStatement) throws -> Value) throws -> [Value] {
        var values: [Value] = []
        while try step() {
            do {
                values.append(try read(self))
            } catch {
                reset()
                throw error
            }
        }
        return values
    }

    func reset() {
        sqlite3_reset(pointer)
        parameter = 0
    }

    // MARK: Columns

    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(pointer, column) == SQLITE_NULL
    }

    func int(_ column: Int32) -> Int {
        Int(sqlite3_column_int64(pointer, column))
    }

    func int64(_ column: Int32) -> Int64 {
        sqlite3_column_int64(pointer, column)
    }

    func int64OrNil(_ column: Int32) -> Int64? {
        isNull(column) ? nil : int64(column)
    }

    func doubleOrNil(_ column: Int32) -> Double? {
        isNull(column) ? nil : sqlite3_column_double(pointer, column)
    }

    func time(_ column: Int32) -> Timestamp {
        Timestamp(milliseconds: int64(column))
    }

    func timeOrNil(_ column: Int32) -> Timestamp? {
        isNull(column) ? nil : time(column)
    }

    func text(_ column: Int32) -> String {
        textOrNil(column) ?? ""
    }

    func textOrNil(_ column: Int32) -> String? {
        guard let base = sqlite3_column_text(pointer, column) else { return nil }
        let count = Int(sqlite3_column_bytes(pointer, column))
        return String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let base = sqlite3_column_blob(pointer, column) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(pointer, column))))
    }

    func blobOrNil(_ column: Int32) -> [UInt8]? {
        isNull(column) ? nil : blob(column)
    }

    func id(_ column: Int32) throws -> UUIDv7 {
        guard let base = sqlite3_column_blob(pointer, column), sqlite3_column_bytes(pointer, column) == 16 else {
            throw CorruptRow(description: "an id of other than 16 bytes")
        }
        let halves = UnsafeRawBufferPointer(start: base, count: 16)
        return UUIDv7(
            high: UInt64(bigEndian: halves.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: halves.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }
}

/// A stored value that no version of Stint writes.
struct CorruptRow: Error, CustomStringConvertible {
    let description: String
}
