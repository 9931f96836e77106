// SPDX-License-Identifier: Apache-2.0

/// The arguments of a statement, written in the server's binary format as they are added.
///
/// One buffer holds all of them: a batch of thousands of rows is a handful of arrays, each encoded in one pass.
package struct PostgresParameters: Sendable {
    /// The server's numbers of the types used here.
    enum TypeID {
        static let bool: UInt32 = 16
        static let bytea: UInt32 = 17
        static let int8: UInt32 = 20
        static let int2: UInt32 = 21
        static let int4: UInt32 = 23
        static let text: UInt32 = 25
        static let float8: UInt32 = 701
        static let uuid: UInt32 = 2950
        static let boolArray: UInt32 = 1000
        static let byteaArray: UInt32 = 1001
        static let int2Array: UInt32 = 1005
        static let int4Array: UInt32 = 1007
        static let textArray: UInt32 = 1009
        static let int8Array: UInt32 = 1016
        static let float8Array: UInt32 = 1022
        static let uuidArray: UInt32 = 2951
    }

    private(set) var bytes: [UInt8] = []
    private(set) var types: [UInt32] = []
    /// Where each argument begins, -1 for NULL.
    private(set) var offsets: [Int] = []
    private(set) var lengths: [Int32] = []

    package init() {}

    package var count: Int { types.count }

    // MARK: One value

    package mutating func add(_ value: Int64?) {
        add(type: TypeID.int8, isNull: value == nil) { $0.appendInteger(value ?? 0) }
    }

    package mutating func add(_ value: Bool) {
        add(type: TypeID.bool, isNull: false) { $0.append(value ? 1 : 0) }
    }

    package mutating func add(_ value: String?) {
        add(type: TypeID.text, isNull: value == nil) { $0.append(contentsOf: (value ?? "").utf8) }
    }

    package mutating func add(_ value: [UInt8]?) {
        add(type: TypeID.bytea, isNull: value == nil) { $0.append(contentsOf: value ?? []) }
    }

    package mutating func add(_ value: PostgresUUID?) {
        add(type: TypeID.uuid, isNull: value == nil) { $0.appendUUID(value ?? PostgresUUID(high: 0, low: 0)) }
    }

    // MARK: Arrays

    package mutating func add(_ values: some Collection<Int64?>) {
        addArray(type: TypeID.int8Array, element: TypeID.int8, values) { $0.appendInteger($1) }
    }

    package mutating func add(_ values: some Collection<Int32?>) {
        addArray(type: TypeID.int4Array, element: TypeID.int4, values) { $0.appendInteger($1) }
    }

    package mutating func add(_ values: some Collection<Int16?>) {
        addArray(type: TypeID.int2Array, element: TypeID.int2, values) { $0.appendInteger($1) }
    }

    package mutating func add(_ values: some Collection<Double?>) {
        addArray(type: TypeID.float8Array, element: TypeID.float8, values) { $0.appendInteger($1.bitPattern) }
    }

    package mutating func add(_ values: some Collection<Bool?>) {
        addArray(type: TypeID.boolArray, element: TypeID.bool, values) { $0.append($1 ? 1 : 0) }
    }

    package mutating func add(_ values: some Collection<String?>) {
        addArray(type: TypeID.textArray, element: TypeID.text, values) { $0.append(contentsOf: $1.utf8) }
    }

    package mutating func add(_ values: some Collection<[UInt8]?>) {
        addArray(type: TypeID.byteaArray, element: TypeID.bytea, values) { $0.append(contentsOf: $1) }
    }

    package mutating func add(_ values: some Collection<PostgresUUID?>) {
        addArray(type: TypeID.uuidArray, element: TypeID.uuid, values) { $0.appendUUID($1) }
    }

    /// NULL in the place of an array of ids.
    package mutating func addNoIDs() {
        add(type: TypeID.uuidArray, isNull: true) { _ in }
    }

    // MARK: Encoding

    private mutating func add(type: UInt32, isNull: Bool, _ write: (inout [UInt8]) -> Void) {
        types.append(type)
        guard !isNull else {
            offsets.append(-1)
            lengths.append(0)
            return
        }
        let start = bytes.count
        write(&bytes)
        offsets.append(start)
        lengths.append(Int32(bytes.count - start))
    }

    /// One dimension: a header of dimensions, flags, element type, length and lower bound, then each element with its
    /// length.
    private mutating func addArray<Value>(
        type: UInt32,
        element: UInt32,
        _ values: some Collection<Value?>,
        _ write: (inout [UInt8], Value) -> Void
    ) {
        add(type: type, isNull: false) { bytes in
            bytes.appendInteger(Int32(values.isEmpty ? 0 : 1))
            bytes.appendInteger(Int32(1))
            bytes.appendInteger(element)
            guard !values.isEmpty else { return }
            bytes.appendInteger(Int32(values.count))
            bytes.appendInteger(Int32(1))
            for value in values {
                let start = bytes.count
                bytes.appendInteger(Int32(-1))
                guard let value else { continue }
                write(&bytes, value)
                bytes.replaceInteger(at: start, with: Int32(bytes.count - start - 4))
            }
        }
    }
}

/// Sixteen bytes, as two halves, most significant first.
package struct PostgresUUID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

extension [UInt8] {
    /// Big-endian, as everything on the wire.
    mutating func appendInteger(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func replaceInteger(at index: Int, with value: Int32) {
        let bits = UInt32(bitPattern: value)
        self[index] = UInt8(truncatingIfNeeded: bits >> 24)
        self[index + 1] = UInt8(truncatingIfNeeded: bits >> 16)
        self[index + 2] = UInt8(truncatingIfNeeded: bits >> 8)
        self[index + 3] = UInt8(truncatingIfNeeded: bits)
    }

    fileprivate mutating func appendUUID(_ value: PostgresUUID) {
        appendInteger(value.high)
        appendInteger(value.low)
    }
}
