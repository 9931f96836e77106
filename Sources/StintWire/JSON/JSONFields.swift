// SPDX-License-Identifier: Apache-2.0

/// The member names an object may have, at most 64.
package struct JSONFields: Sendable {
    package let names: [String]
    private let utf8: [[UInt8]]

    package init(_ names: String...) {
        precondition(names.count <= 64, "a mask of 64 bits tells which fields were seen")
        self.names = names
        utf8 = names.map { Array($0.utf8) }
    }

    /// For error messages.
    package var list: String { names.joined(separator: ", ") }

    /// The field whose name stands, perhaps with escapes, in `range` of the cursor's bytes.
    func index(of range: Range<Int>, in cursor: JSONCursor) -> Int? {
        let name = UnsafeBufferPointer(rebasing: cursor.bytes[range])
        for (index, candidate) in utf8.enumerated()
        where candidate.count == name.count && candidate.elementsEqual(name) {
            return index
        }
        guard name.contains(UInt8(ascii: "\\")), let decoded = try? cursor.decodeString(range) else {
            return nil  // a name that cannot be decoded is no known name
        }
        return names.firstIndex(of: decoded)
    }
}
