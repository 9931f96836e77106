// SPDX-License-Identifier: Apache-2.0

/// A command on its way to Redis: its name and arguments, byte strings all, kept as they will be sent.
package struct RedisCommand: Hashable, Sendable {
    private var arguments: [UInt8] = []
    package private(set) var argumentCount = 0

    /// An empty command, to which at least a name must be added.
    package init(reservingBytes: Int = 64) {
        arguments.reserveCapacity(reservingBytes)
    }

    package init(_ words: String...) {
        self.init()
        for word in words { append(word) }
    }

    package init(_ words: [[UInt8]]) {
        self.init()
        for word in words { append(word) }
    }

    package mutating func append(_ text: String) {
        begin(text.utf8.count)
        arguments.append(contentsOf: text.utf8)
        end()
    }

    package mutating func append(_ bytes: [UInt8]) {
        begin(bytes.count)
        arguments.append(contentsOf: bytes)
        end()
    }

    package mutating func append(_ number: Int64) {
        append(String(number))
    }

    package mutating func append(_ number: Int) {
        append(String(number))
    }

    /// Adds the 16 bytes of two big-endian halves, without an array in between.
    package mutating func append(high: UInt64, low: UInt64) {
        begin(16)
        withUnsafeBytes(of: high.bigEndian) { arguments.append(contentsOf: $0) }
        withUnsafeBytes(of: low.bigEndian) { arguments.append(contentsOf: $0) }
        end()
    }

    /// Adds all arguments of another command.
    package mutating func append(contentsOf other: RedisCommand) {
        arguments.append(contentsOf: other.arguments)
        argumentCount += other.argumentCount
    }

    private mutating func begin(_ count: Int) {
        arguments.append(UInt8(ascii: "$"))
        arguments.append(contentsOf: String(count).utf8)
        end()
        argumentCount += 1
    }

    private mutating func end() {
        arguments.append(UInt8(ascii: "\r"))
        arguments.append(UInt8(ascii: "\n"))
    }

    var byteCount: Int { arguments.count + 16 }

    /// Appends the command as the protocol wants it.
    func encode(into buffer: inout [UInt8]) {
        buffer.append(UInt8(ascii: "*"))
        buffer.append(contentsOf: String(argumentCount).utf8)
        buffer.append(UInt8(ascii: "\r"))
        buffer.append(UInt8(ascii: "\n"))
        buffer.append(contentsOf: arguments)
    }
}
