// SPDX-License-Identifier: Apache-2.0

extension JSONCursor {
    /// A string, its escapes undone.
    ///
    /// Lone surrogates are refused here; in payloads they stay.
    package mutating func string() throws(JSONProblem) -> String {
        guard peek() == UInt8(ascii: "\"") else { throw unexpected("a string") }
        let range = try skipString()
        return try decodeString(range)
    }

    /// Checks a string and gives the range between its quotes.
    mutating func skipString() throws(JSONProblem) -> Range<Int> {
        var index = position + 1
        let start = index
        let end = bytes.count
        while true {
            index = plainEnd(from: index)
            guard index < end else { break }
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                advance(to: index + 1)
                return start..<index
            }
            if byte == UInt8(ascii: "\\") {
                index = try skipEscape(at: index)
            } else if byte < 0x20 {
                throw JSONProblem("a control character at byte \(index) must be escaped")
            } else if byte < 0x80 {
                index += 1
            } else {
                index = try skipMultibyte(at: index)
            }
        }
        throw JSONProblem("a string that starts at byte \(position) has no end")
    }

    /// The first byte from `start` on that is a quote, a backslash, a control character or no ASCII, looked for eight bytes at
    /// a time: most of every document is text that needs no second look.
    private func plainEnd(from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var index = start
        while index + 8 <= bytes.count {
            let loaded = UnsafeRawBufferPointer(bytes).loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let word = UInt64(littleEndian: loaded)
            let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            // A byte's high bit is set where it is zero, or less than 0x20. A borrow can set that of a later byte wrongly, never
            // that of an earlier one: the lowest is right.
            let marks = ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
            let flags = (marks | ((word &- (ones &* 0x20)) & ~word) | word) & highs
            if flags != 0 { return index + flags.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < bytes.count, Self.isPlain(bytes[index]) { index += 1 }
        return index
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20..<0x80).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private func skipEscape(at index: Int) throws(JSONProblem) -> Int {
        guard index + 1 < bytes.count else { throw JSONProblem("a string has no end") }
        switch bytes[index + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return index + 2
        case UInt8(ascii: "u"):
            guard hexadecimal(at: index + 2) != nil else { throw JSONProblem("a bad \\u escape at byte \(index)") }
            return index + 6
        default:
            throw JSONProblem("a bad escape at byte \(index)")
        }
    }

    private func hexadecimal(at index: Int) -> UInt16? {
        guard index + 4 <= bytes.count else { return nil }
        var value: UInt16 = 0
        for byte in bytes[index..<index + 4] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt16(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt16(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt16(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }

    /// Checks one character of two to four bytes (RFC 3629: shortest form, no surrogates, at most U+10FFFF).
    private func skipMultibyte(at index: Int) throws(JSONProblem) -> Int {
        let first = bytes[index]
        let (length, secondRange): (Int, ClosedRange<UInt8>)
        switch first {
        case 0xC2...0xDF: (length, secondRange) = (2, 0x80...0xBF)
        case 0xE0: (length, secondRange) = (3, 0xA0...0xBF)
        case 0xE1...0xEC, 0xEE...0xEF: (length, secondRange) = (3, 0x80...0xBF)
        case 0xED: (length, secondRange) = (3, 0x80...0x9F)
        case 0xF0: (length, secondRange) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, secondRange) = (4, 0x80...0xBF)
        case 0xF4: (length, secondRange) = (4, 0x80...0x8F)
        default: throw JSONProblem("invalid UTF-8 at byte \(index)")
        }
        guard index + length <= bytes.count, secondRange.contains(bytes[index + 1]),
            (2..<max(2, length)).allSatisfy({ (0x80...0xBF).contains(bytes[index + $0]) })
        else { throw JSONProblem("invalid UTF-8 at byte \(index)") }
        return index + length
    }

    /// The text of a checked range between quotes.
    func decodeString(_ range: Range<Int>) throws(JSONProblem) -> String {
        guard bytes[range].contains(UInt8(ascii: "\\")) else { return text(of: range) }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            if bytes[index] != UInt8(ascii: "\\") {
                decoded.append(bytes[index])
                index += 1
            } else if bytes[index + 1] == UInt8(ascii: "u") {
                let (scalar, length) = try unicodeEscape(at: index)
                decoded.append(contentsOf: String(Character(scalar)).utf8)
                index += length
            } else {
                decoded.append(Self.unescaped(bytes[index + 1]))
                index += 2
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private func unicodeEscape(at index: Int) throws(JSONProblem) -> (UnicodeScalar, length: Int) {
        guard let unit = hexadecimal(at: index + 2) else { throw JSONProblem("a bad \\u escape at byte \(index)") }
        if let scalar = UnicodeScalar(unit) { return (scalar, 6) }
        guard UTF16.isLeadSurrogate(unit), index + 7 < bytes.count, bytes[index + 6] == UInt8(ascii: "\\"),
            bytes[index + 7] == UInt8(ascii: "u"), let trail = hexadecimal(at: index + 8),
            UTF16.isTrailSurrogate(trail),
            let scalar = UnicodeScalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + UInt32(trail) - 0xDC00)
        else { throw JSONProblem("a lone surrogate at byte \(index)") }
        return (scalar, 12)
    }

    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: byte
        }
    }
}
