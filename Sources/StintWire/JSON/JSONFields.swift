// SPDX-License-Identifier: Apache-2.0

/// The member names an object may have, at most 64.
package struct JSONFields: Sendable {
    package let names: [String]
    private let utf8: [[UInt8]]
    /// The first eight bytes of each name, filled up with zeros: enough to tell nearly all names apart in one comparison.
    private let prefixes: [UInt64]

    package init(_ names: String...) {
        precondition(names.count <= 64, "a mask of 64 bits tells which fields were seen")
        self.names = names
        utf8 = names.map { Array($0.utf8) }
        prefixes = names.map { Array($0.utf8).withUnsafeBufferPointer(Self.prefix) }
    }

    private static func prefix(of name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        if name.count >= 8 { return UnsafeRawBufferPointer(name).loadUnaligned(as: UInt64.self) }
        var prefix: UInt64 = 0
        withUnsafeMutableBytes(of: &prefix) { $0.copyMemory(from: UnsafeRawBufferPointer(name)) }
        return prefix
    }

    /// Compares what comes behind the prefix of two names of the same length.
    private func rest(of index: Int, equals name: UnsafeBufferPointer<UInt8>) -> Bool {
        utf8[index].withUnsafeBufferPointer { candidate in
            var position = 8
            while position < name.count {
                if candidate[position] != name[position] { return false }
                position += 1
            }
            return true
        }
    }

    /// For error messages.
    package var list: String { names.joined(separator: ", ") }

    /// The field whose name stands, perhaps with escapes, in `range` of the cursor's bytes.
    func index(of range: Range<Int>, in cursor: JSONCursor) -> Int? {
        let name = UnsafeBufferPointer(rebasing: cursor.bytes[range])
        let prefix = Self.prefix(of: name)
        for index in prefixes.indices
        where prefixes[index] == prefix && utf8[index].count == name.count && rest(of: index, equals: name) {
            return index
        }
        guard name.contains(UInt8(ascii: "\\")), let decoded = try? cursor.decodeString(range) else {
            return nil  // a name that cannot be decoded is no known name
        }
        return names.firstIndex(of: decoded)
    }
}
