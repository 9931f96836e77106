// SPDX-License-Identifier: Apache-2.0

import StintModel

/// Writes values one after the other: numbers big-endian, byte strings after their length.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ byte: UInt8) {
        bytes.append(byte)
    }

    mutating func write<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ flag: Bool) {
        bytes.append(flag ? 1 : 0)
    }

    mutating func write(_ string: [UInt8]) {
        write(UInt32(clamping: string.count))
        bytes.append(contentsOf: string)
    }

    mutating func write(_ text: String) {
        write(UInt32(clamping: text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func write(_ id: UUIDv7) {
        write(id.high)
        write(id.low)
    }

    mutating func write(_ token: LeaseToken) {
        write(token.jobID)
        write(Int64(token.attempt))
        write(token.nonce)
    }

    mutating func write(_ lane: Lane) {
        write(lane.queue)
        write(lane.name)
    }

    /// Writes what `body` writes, after its length, so that a reader who does not know it can pass over it.
    mutating func writeFramed(_ body: (inout ByteWriter) -> Void) {
        var inner = ByteWriter()
        body(&inner)
        write(inner.bytes)
    }
}

/// What was read is not what ``ByteWriter`` writes.
struct UnreadableBytes: Error {}

/// Reads what ``ByteWriter`` wrote, and trusts nothing: the bytes may come from anywhere.
struct ByteReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    private mutating func take(_ count: Int) throws(UnreadableBytes) -> ArraySlice<UInt8> {
        guard count >= 0, rest.count >= count else { throw UnreadableBytes() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(UnreadableBytes) -> Number {
        var number: Number = 0
        for byte in try take(Number.bitWidth / 8) {
            number = (Number.bitWidth > 8 ? number << 8 : 0) | Number(truncatingIfNeeded: byte)
        }
        return number
    }

    mutating func flag() throws(UnreadableBytes) -> Bool {
        let byte = try number(UInt8.self)
        guard byte <= 1 else { throw UnreadableBytes() }
        return byte == 1
    }

    mutating func string() throws(UnreadableBytes) -> [UInt8] {
        Array(try take(Int(try number(UInt32.self))))
    }

    mutating func text() throws(UnreadableBytes) -> String {
        guard let text = String(validating: try string(), as: UTF8.self) else { throw UnreadableBytes() }
        return text
    }

    mutating func id() throws(UnreadableBytes) -> UUIDv7 {
        UUIDv7(high: try number(), low: try number())
    }

    mutating func token() throws(UnreadableBytes) -> LeaseToken {
        let job = try id()
        let attempt = Int(try number(Int64.self))
        guard attempt > 0 else { throw UnreadableBytes() }
        return LeaseToken(jobID: job, attempt: attempt, nonce: try number())
    }

    mutating func lane() throws(UnreadableBytes) -> Lane {
        Lane(queue: try text(), name: try text())
    }

    /// How many elements follow; never more than there are bytes for them.
    mutating func count(bytesEach: Int) throws(UnreadableBytes) -> Int {
        let count = Int(try number(UInt32.self))
        guard count <= rest.count / bytesEach else { throw UnreadableBytes() }
        return count
    }

    mutating func expectEnd() throws(UnreadableBytes) {
        guard isAtEnd else { throw UnreadableBytes() }
    }
}
