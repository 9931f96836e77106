// SPDX-License-Identifier: Apache-2.0

import StintModel

/// The checks of what a client submits.
extension JSONCursor {
    /// A number within `range`.
    mutating func double(in range: ClosedRange<Double>) throws(JSONProblem) -> Double {
        let value = try double()
        guard range.contains(value) else {
            throw JSONProblem("must be \(Self.plainText(range.lowerBound)) to \(Self.plainText(range.upperBound))")
        }
        return value
    }

    private static func plainText(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? String(number)
    }

    mutating func payload() throws(JSONProblem) -> [UInt8] {
        let range = try skipValue()
        guard range.count <= SubmitLimits.payloadBytesMax else {
            throw JSONProblem(
                "the payload has \(range.count) bytes, allowed are \(SubmitLimits.payloadBytesMax)",
                isTooLarge: true
            )
        }
        return slice(range)
    }

    mutating func runAt() throws(JSONProblem) -> Timestamp {
        let instant = try time()
        // An offset can carry a time over the end of the year 9999, where the text form ends.
        guard instant <= SubmitLimits.runAtMax else { throw JSONProblem("must be before the year 10000 UTC") }
        return instant
    }

    mutating func jitter() throws(JSONProblem) -> RetryPolicy.Jitter {
        guard let jitter = RetryPolicy.Jitter(rawValue: try string()) else {
            let names = RetryPolicy.Jitter.allCases.map(\.rawValue).joined(separator: ", ")
            throw JSONProblem("must be one of \(names)")
        }
        return jitter
    }

    mutating func tags() throws(JSONProblem) -> [String] {
        var tags: [String] = []
        try array { json, index throws(JSONProblem) in
            guard index < SubmitLimits.tagsMax else {
                throw JSONProblem("more than \(SubmitLimits.tagsMax) tags")
            }
            let tag = try json.string()
            let scalars = tag.unicodeScalars
            guard SubmitLimits.tagCharacters.contains(scalars.count), scalars.allSatisfy(Self.isPrintable) else {
                throw JSONProblem("must have 1 to \(SubmitLimits.tagCharacters.upperBound) printable characters")
            }
            guard !tags.contains(where: { $0.utf8.elementsEqual(tag.utf8) }) else {
                throw JSONProblem("the tag is given twice")
            }
            tags.append(tag)
        }
        return tags
    }

    /// Everything but controls and line breaks.
    private static func isPrintable(_ scalar: UnicodeScalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value != 0x7F }
        return switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    /// The bytes of a JSON object of strings; empty where it has no member.
    mutating func metadata() throws(JSONProblem) -> [UInt8] {
        guard peek() == UInt8(ascii: "{") else { throw unexpected("an object") }
        let start = position
        // Compared as bytes: to Swift, two spellings of one accented letter are the same string.
        var names: [[UInt8]] = []
        try anyObject { json, name throws(JSONProblem) in
            guard names.count < SubmitLimits.metadataPairsMax else {
                throw JSONProblem("more than \(SubmitLimits.metadataPairsMax) pairs")
            }
            guard SubmitLimits.metadataNameCharacters.contains(name.unicodeScalars.count) else {
                throw JSONProblem("a name must have 1 to \(SubmitLimits.metadataNameCharacters.upperBound) characters")
            }
            let utf8 = Array(name.utf8)
            guard !names.contains(utf8) else { throw JSONProblem("the name is given twice") }
            names.append(utf8)
            let value = try json.string()
            guard SubmitLimits.metadataValueCharacters.contains(value.unicodeScalars.count) else {
                throw JSONProblem("must have at most \(SubmitLimits.metadataValueCharacters.upperBound) characters")
            }
        }
        guard position - start <= SubmitLimits.metadataBytesMax else {
            throw JSONProblem("must have at most \(SubmitLimits.metadataBytesMax) bytes")
        }
        return names.isEmpty ? [] : slice(start..<position)
    }

    /// A W3C trace context: version, trace id, parent id and flags in lower-case digits; versions to come may add more.
    mutating func traceparent() throws(JSONProblem) -> String {
        let text = try string()
        guard Self.isTraceparent(Array(text.utf8)) else {
            throw JSONProblem("must be a W3C traceparent such as 00-<32 digits>-<16 digits>-01, in lower case")
        }
        return text
    }

    private static func isTraceparent(_ text: [UInt8]) -> Bool {
        let zero = UInt8(ascii: "0")
        guard (55...SubmitLimits.traceparentBytesMax).contains(text.count) else { return false }
        let parts = [text[0..<2], text[3..<35], text[36..<52], text[53..<55]]
        guard [2, 35, 52].allSatisfy({ text[$0] == UInt8(ascii: "-") }), parts.joined().allSatisfy(isLowerDigit),
            parts[0] != [UInt8(ascii: "f"), UInt8(ascii: "f")], !parts[1].allSatisfy({ $0 == zero }),
            !parts[2].allSatisfy({ $0 == zero })
        else { return false }
        if text.count == 55 { return true }
        return !parts[0].allSatisfy { $0 == zero } && text[55] == UInt8(ascii: "-")
            && text[56...].allSatisfy { (0x21...0x7E).contains($0) }
    }

    private static func isLowerDigit(_ byte: UInt8) -> Bool {
        Hex.value(of: byte) != nil && !(UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
    }

    /// The pairs of a JSON object of strings, as far as they can be read.
    static func stringPairs(_ bytes: [UInt8]) -> [String: String] {
        var pairs: [String: String] = [:]
        guard !bytes.isEmpty else { return pairs }
        // What is no object of strings was not accepted by a server; the caller sees the pairs up to there.
        try? JSONCursor.read(bytes) { json throws(JSONProblem) in
            try json.anyObject { json, name throws(JSONProblem) in pairs[name] = try json.string() }
        }
        return pairs
    }
}

extension JSONWriter {
    /// A member with its value.
    mutating func member(_ name: StaticString, _ value: (inout JSONWriter) -> Void) {
        self.name(name)
        value(&self)
    }

    /// A JSON object of strings, sorted by name; nothing for no pair.
    static func stringPairs(_ pairs: [String: String]) -> [UInt8] {
        guard !pairs.isEmpty else { return [] }
        return write { json in
            json.object { json in
                for (name, value) in pairs.sorted(by: { $0.key < $1.key }) {
                    json.name(dynamic: name)
                    json.string(value)
                }
            }
        }
    }
}
