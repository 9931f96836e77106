// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// A lease as it stands on the wire: opaque to workers.
///
/// A text that is exactly what ``LeaseToken`` would write is kept as that token, which costs no allocation, and written
/// back as the same text; any other text is kept as it is.
package struct WireLease: Hashable, Sendable {
    private enum Form: Hashable, Sendable {
        case token(LeaseToken)
        case text(String)
    }

    private let form: Form

    package init(_ token: LeaseToken) {
        form = .token(token)
    }

    package init(_ text: String) {
        var text = text
        if let token = text.withUTF8(Self.canonicalToken) {
            form = .token(token)
        } else {
            form = .text(text)
        }
    }

    /// What the server knows it as; nil for a text that no server has given out.
    package var token: LeaseToken? {
        if case .token(let token) = form { token } else { nil }
    }
}

extension WireLease: CustomStringConvertible {
    package var description: String {
        switch form {
        case .token(let token):
            String(unsafeUninitializedCapacity: Self.tokenBytesMax) { Self.write(token, to: $0) }
        case .text(let text): text
        }
    }
}

extension WireLease: WireMessage {
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        guard cursor.peek() == UInt8(ascii: "\"") else { throw cursor.unexpected("a lease in quotes") }
        let range = try cursor.skipString()
        if let token = Self.canonicalToken(UnsafeBufferPointer(rebasing: cursor.bytes[range])) {
            self.init(token)
            return
        }
        let text = try cursor.decodeString(range)
        let limit = WorkerProtocolLimits.leaseCharactersMax
        guard (1...limit).contains(text.unicodeScalars.count) else {
            throw JSONProblem("a lease has 1 to \(limit) characters")
        }
        self.init(text)
    }

    package func write(to writer: inout JSONWriter) {
        switch form {
        case .token(let token): writer.ascii(capacity: Self.tokenBytesMax) { Self.write(token, to: $0) }
        case .text(let text): writer.string(text)
        }
    }
}

// MARK: The text of a token, both ways, without allocating

extension WireLease {
    /// 32 digits, a dash, at most 19 decimal digits, a dash, 16 digits.
    private static let tokenBytesMax = 69

    private static func canonicalToken(_ text: UnsafeBufferPointer<UInt8>) -> LeaseToken? {
        let count = text.count
        let dash = UInt8(ascii: "-")
        guard count >= 51, count <= 60, text[32] == dash, text[count - 17] == dash,
            let high = hexadecimal(text, at: 0), let low = hexadecimal(text, at: 16),
            let nonce = hexadecimal(text, at: count - 16),
            text[33] != UInt8(ascii: "0")
        else { return nil }
        var attempt = 0
        for index in 33..<count - 17 {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            attempt = attempt * 10 + Int(digit)
        }
        return LeaseToken(jobID: JobID(high: high, low: low), attempt: attempt, nonce: nonce)
    }

    /// Sixteen lower-case digits.
    private static func hexadecimal(_ text: UnsafeBufferPointer<UInt8>, at start: Int) -> UInt64? {
        guard let upper = eightDigits(text, at: start), let lower = eightDigits(text, at: start + 8) else { return nil }
        return upper << 32 | lower
    }

    /// Eight digits at once, each in its byte of a word; nil where one is no lower-case digit.
    private static func eightDigits(_ text: UnsafeBufferPointer<UInt8>, at start: Int) -> UInt64? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let word = UInt64(bigEndian: UnsafeRawBufferPointer(text).loadUnaligned(fromByteOffset: start, as: UInt64.self))
        // `0`…`9` have bit 4, `a`…`f` bit 6: the value is the low four bits, and nine more for a letter.
        let letters = word >> 6 & ones
        let nibbles = (word & (ones &* 0xF)) &+ letters &* 9
        guard nibbles & (ones &* 0xF0) == 0, spread(nibbles) == word else { return nil }
        var packed = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF
        packed = (packed | packed >> 8) & 0x0000_FFFF_0000_FFFF
        return (packed | packed >> 16) & 0xFFFF_FFFF
    }

    /// The digits of eight values 0…15, each in its byte.
    ///
    /// Values beyond, from what was no digit, come out as some other word.
    private static func spread(_ nibbles: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let letters = (nibbles &+ ones &* 6) >> 4 & ones
        return nibbles &+ ones &* UInt64(UInt8(ascii: "0")) &+ letters
            &* UInt64(UInt8(ascii: "a") - UInt8(ascii: "0") - 10)
    }

    private static func write(_ token: LeaseToken, to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        writeHexadecimal(token.jobID.high, to: buffer, at: 0)
        writeHexadecimal(token.jobID.low, to: buffer, at: 16)
        buffer[32] = UInt8(ascii: "-")
        var position = 33
        var scale = 1
        let attempt = max(0, token.attempt)
        while attempt / scale >= 10 { scale *= 10 }
        while scale > 0 {
            buffer[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: attempt / scale % 10)
            position += 1
            scale /= 10
        }
        buffer[position] = UInt8(ascii: "-")
        writeHexadecimal(token.nonce, to: buffer, at: position + 1)
        return position + 17
    }

    private static func writeHexadecimal(_ value: UInt64, to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int) {
        writeEight(UInt32(truncatingIfNeeded: value >> 32), to: buffer, at: start)
        writeEight(UInt32(truncatingIfNeeded: value), to: buffer, at: start + 8)
    }

    private static func writeEight(_ value: UInt32, to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int) {
        var nibbles = UInt64(value)
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
        UnsafeMutableRawBufferPointer(buffer).storeBytes(
            of: spread(nibbles).bigEndian,
            toByteOffset: start,
            as: UInt64.self
        )
    }
}
