// SPDX-License-Identifier: Apache-2.0

import StintModel

extension JSONCursor {
    /// A span given as a number of seconds within `range`.
    mutating func seconds(in range: ClosedRange<Double>) throws(JSONProblem) -> Milliseconds {
        let seconds = try double()
        guard range.contains(seconds) else {
            throw JSONProblem("must be \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound)) seconds")
        }
        return .seconds(seconds)
    }

    /// A whole number within `range`.
    mutating func int(in range: ClosedRange<Int>) throws(JSONProblem) -> Int {
        let value = try int()
        guard range.contains(value) else {
            throw JSONProblem("must be \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// One line of text such as a worker's name.
    mutating func line(lengthMax: Int, minimum: Int = 0) throws(JSONProblem) -> String {
        let text = try string()
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw JSONProblem("must not contain control characters")
        }
        guard (minimum...lengthMax).contains(text.unicodeScalars.count) else {
            throw JSONProblem("must have \(minimum) to \(lengthMax) characters")
        }
        return text
    }

    /// The name of a queue or a job.
    mutating func laneName(allowingWildcard: Bool = false) throws(JSONProblem) -> String {
        let text = try string()
        if allowingWildcard, text == "*" { return text }
        let limit = WorkerProtocolLimits.laneCharactersMax
        guard (1...limit).contains(text.utf8.count), text.utf8.allSatisfy(Self.isLaneByte) else {
            throw JSONProblem("must be 1 to \(limit) characters of A-Z a-z 0-9 . _ : -")
        }
        return text
    }

    private static func isLaneByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// A string for people, such as an error's message: what cannot be stored (a lone surrogate, the character zero) is
    /// replaced rather than refused, for a report must not fail because of what an error says.
    mutating func prose() throws(JSONProblem) -> String {
        guard peek() == UInt8(ascii: "\"") else { throw unexpected("a string") }
        let range = try skipString()
        guard bytes[range].contains(UInt8(ascii: "\\")) else { return text(of: range) }
        // This fails for a lone surrogate only: the rest has been checked.
        let decoded = (try? decodeString(range)) ?? decodeInPieces(range)
        guard decoded.utf8.contains(0) else { return decoded }
        return String(decoding: decoded.utf8.map { $0 == 0 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }

    /// Decodes each escape by itself, so that a lone surrogate costs one character; pairs are kept together.
    private func decodeInPieces(_ range: Range<Int>) -> String {
        var decoded = ""
        var start = range.lowerBound
        while start < range.upperBound {
            let end = pieceEnd(at: start, limit: range.upperBound)
            if let piece = try? decodeString(start..<end) {
                decoded += piece
                start = end
            } else {
                // Two escapes that are no pair, or one that is a lone surrogate.
                decoded += (try? decodeString(start..<start + 6)) ?? "\u{FFFD}"
                start += 6
            }
        }
        return decoded
    }

    /// The end of the run of plain bytes, or of the one escape or pair of `\u` escapes, that starts at `index`.
    private func pieceEnd(at index: Int, limit: Int) -> Int {
        let backslash = UInt8(ascii: "\\")
        guard bytes[index] == backslash else {
            return bytes[index..<limit].firstIndex(of: backslash) ?? limit
        }
        guard bytes[index + 1] == UInt8(ascii: "u") else { return index + 2 }
        let isPair = index + 8 <= limit && bytes[index + 6] == backslash && bytes[index + 7] == UInt8(ascii: "u")
        return isPair ? index + 12 : index + 6
    }

    private static func plain(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? String(number)
    }
}

extension String {
    /// The longest beginning that has at most `bytesMax` bytes of UTF-8 and cuts no Unicode scalar.
    package func truncated(bytesMax: Int) -> String {
        guard utf8.count > bytesMax else { return self }
        var end = utf8.index(startIndex, offsetBy: bytesMax)
        while end > startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
