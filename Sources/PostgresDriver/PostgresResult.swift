// SPDX-License-Identifier: Apache-2.0

import CPostgreSQL

/// What a statement gave: rows in the server's binary format, read where libpq holds them.
///
/// It stays on the thread of its connection: what is wanted is copied out there.
package final class PostgresResult {
    private let handle: OpaquePointer
    package let count: Int

    /// Takes the result over.
    init(_ handle: OpaquePointer) {
        self.handle = handle
        count = Int(PQntuples(handle))
    }

    deinit {
        PQclear(handle)
    }

    /// How many rows the statement inserted, updated, deleted or selected.
    package var affected: Int { Int(String(cString: PQcmdTuples(handle))) ?? 0 }

    /// All rows in order.
    package var rows: some Sequence<PostgresRow> {
        (0..<count).lazy.map { PostgresRow(result: self, index: Int32($0)) }
    }

    package var first: PostgresRow? { count > 0 ? PostgresRow(result: self, index: 0) : nil }

    fileprivate func value(_ row: Int32, _ column: Int32) -> UnsafeRawBufferPointer? {
        guard PQgetisnull(handle, row, column) == 0, let start = PQgetvalue(handle, row, column) else { return nil }
        return UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(handle, row, column)))
    }
}

/// One row; columns are numbered from 0.
///
/// NULL reads as zero or empty by the plain words, as nil by those that end in `OrNil`.
package struct PostgresRow {
    fileprivate let result: PostgresResult
    fileprivate let index: Int32

    /// An integer of any width.
    package func integer(_ column: Int) -> Int64 { integerOrNil(column) ?? 0 }

    package func integerOrNil(_ column: Int) -> Int64? {
        guard let bytes = result.value(index, Int32(column)) else { return nil }
        return switch bytes.count {
        case 8: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case 4: Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case 2: Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        default: nil
        }
    }

    package func int(_ column: Int) -> Int { Int(integer(column)) }

    package func bool(_ column: Int) -> Bool { result.value(index, Int32(column))?.first == 1 }

    package func doubleOrNil(_ column: Int) -> Double? {
        guard let bytes = result.value(index, Int32(column)), bytes.count == 8 else { return nil }
        return Double(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)))
    }

    package func text(_ column: Int) -> String { textOrNil(column) ?? "" }

    package func textOrNil(_ column: Int) -> String? {
        result.value(index, Int32(column)).map { String(decoding: $0, as: UTF8.self) }
    }

    package func bytes(_ column: Int) -> [UInt8] { bytesOrNil(column) ?? [] }

    package func bytesOrNil(_ column: Int) -> [UInt8]? {
        result.value(index, Int32(column)).map { [UInt8]($0) }
    }

    package func uuid(_ column: Int) -> PostgresUUID { uuidOrNil(column) ?? PostgresUUID(high: 0, low: 0) }

    package func uuidOrNil(_ column: Int) -> PostgresUUID? {
        guard let bytes = result.value(index, Int32(column)), bytes.count == 16 else { return nil }
        return Self.uuid(bytes, at: 0)
    }

    package func isNull(_ column: Int) -> Bool { result.value(index, Int32(column)) == nil }

    /// The elements of an array of text.
    package func texts(_ column: Int) -> [String] {
        elements(column).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The elements of an array of uuid.
    package func uuids(_ column: Int) -> [PostgresUUID] {
        elements(column).compactMap { $0.count == 16 ? Self.uuid($0, at: 0) : nil }
    }

    /// One dimension, without NULLs.
    private func elements(_ column: Int) -> [UnsafeRawBufferPointer] {
        guard let bytes = result.value(index, Int32(column)), bytes.count >= 20 else { return [] }
        func number(_ offset: Int) -> Int {
            Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
        var elements: [UnsafeRawBufferPointer] = []
        var offset = 20
        for _ in 0..<number(12) where offset + 4 <= bytes.count {
            let length = number(offset)
            offset += 4
            guard length >= 0, offset + length <= bytes.count else { continue }
            elements.append(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
            offset += length
        }
        return elements
    }

    private static func uuid(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> PostgresUUID {
        PostgresUUID(
            high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
        )
    }
}
