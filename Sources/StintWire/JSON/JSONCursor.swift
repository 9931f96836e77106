// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a JSON document, and where.
public struct JSONProblem: Error, Hashable, Sendable {
    /// RFC 6901 pointer to the offending value; empty for the whole document.
    public var pointer: String
    /// One sentence a person understands.
    public var detail: String
    /// Whether a payload or result was over its limit, which is answered 413 rather than 400.
    public var isTooLarge = false

    /// Creates a problem at the current place; callers further out prefix the pointer.
    public init(_ detail: String, pointer: String = "", isTooLarge: Bool = false) {
        self.pointer = pointer
        self.detail = detail
        self.isTooLarge = isTooLarge
    }

    func inside(_ component: String) -> JSONProblem {
        let escaped =
            component.utf8.contains { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }
            ? component.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
                .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
            : component
        return JSONProblem(detail, pointer: "/\(escaped)\(pointer)", isTooLarge: isTooLarge)
    }
}

/// A strict reader of JSON (RFC 8259) that moves over the bytes once and builds nothing it is not asked for: a payload
/// is checked and handed on as the very bytes that came in.
///
/// It is valid inside ``read(_:_:)`` only. Nesting is limited to ``depthMax``.
package struct JSONCursor {
    /// Deeper documents are refused.
    package static let depthMax = 128

    let bytes: UnsafeBufferPointer<UInt8>
    package private(set) var position = 0
    private var depth = 0

    /// Reads one document that fills `bytes` but for white space.
    package static func read<Value>(
        _ bytes: some Sequence<UInt8>,
        _ body: (inout JSONCursor) throws(JSONProblem) -> Value
    ) throws(JSONProblem) -> Value {
        func run(_ buffer: UnsafeBufferPointer<UInt8>) -> Result<Value, JSONProblem> {
            var cursor = JSONCursor(bytes: buffer)
            do throws(JSONProblem) {
                let value = try body(&cursor)
                cursor.skipWhitespace()
                guard cursor.position == buffer.count else {
                    throw JSONProblem("there is something behind the end of the JSON value at byte \(cursor.position)")
                }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        return try (bytes.withContiguousStorageIfAvailable(run) ?? Array(bytes).withUnsafeBufferPointer(run)).get()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    /// The bytes of a range that was read before.
    package func slice(_ range: Range<Int>) -> [UInt8] {
        Array(UnsafeBufferPointer(rebasing: bytes[range]))
    }

    // MARK: Peeking

    package mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not white space, nil at the end.
    package mutating func peek() -> UInt8? {
        skipWhitespace()
        return position < bytes.count ? bytes[position] : nil
    }

    /// Moves over `null` if it is next.
    package mutating func takeNull() throws(JSONProblem) -> Bool {
        guard peek() == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    // MARK: Containers

    /// Reads an object whose members are all in `fields`; `member` is called with the index of each field present and
    /// must read its value.
    ///
    /// Unknown and repeated names are refused.
    package mutating func object(
        _ fields: JSONFields,
        _ member: (inout JSONCursor, _ field: Int) throws(JSONProblem) -> Void
    ) throws(JSONProblem) {
        var seen: UInt64 = 0
        try open(UInt8(ascii: "{"), "an object")
        while try next(before: UInt8(ascii: "}"), isFirst: seen == 0) {
            let name = try memberName()
            guard let field = fields.index(of: name, in: self) else {
                throw JSONProblem("unknown field; known are \(fields.list)").inside(text(of: name))
            }
            guard seen & (1 << UInt64(field)) == 0 else {
                throw JSONProblem("the field is given twice").inside(fields.names[field])
            }
            seen |= 1 << UInt64(field)
            do throws(JSONProblem) {
                try member(&self, field)
            } catch {
                throw error.inside(fields.names[field])
            }
        }
        depth -= 1
    }

    /// Reads an object from a peer that may be newer: members not in `fields` are skipped.
    package mutating func tolerantObject(
        _ fields: JSONFields,
        _ member: (inout JSONCursor, _ field: Int) throws(JSONProblem) -> Void
    ) throws(JSONProblem) {
        var isFirst = true
        try open(UInt8(ascii: "{"), "an object")
        while try next(before: UInt8(ascii: "}"), isFirst: isFirst) {
            isFirst = false
            guard let field = fields.index(of: try memberName(), in: self) else {
                _ = try skipValue()
                continue
            }
            do throws(JSONProblem) {
                try member(&self, field)
            } catch {
                throw error.inside(fields.names[field])
            }
        }
        depth -= 1
    }

    /// Reads an object with any names, in order.
    package mutating func anyObject(
        _ member: (inout JSONCursor, _ name: String) throws(JSONProblem) -> Void
    ) throws(JSONProblem) {
        var isFirst = true
        try open(UInt8(ascii: "{"), "an object")
        while try next(before: UInt8(ascii: "}"), isFirst: isFirst) {
            isFirst = false
            let range = try memberName()
            let name = try decodeString(range)
            do throws(JSONProblem) {
                try member(&self, name)
            } catch {
                throw error.inside(name)
            }
        }
        depth -= 1
    }

    /// Reads an array; `element` must read one value per call.
    package mutating func array(
        _ element: (inout JSONCursor, _ index: Int) throws(JSONProblem) -> Void
    ) throws(JSONProblem) {
        var index = 0
        try open(UInt8(ascii: "["), "an array")
        while try next(before: UInt8(ascii: "]"), isFirst: index == 0) {
            do throws(JSONProblem) {
                try element(&self, index)
            } catch {
                throw error.inside(String(index))
            }
            index += 1
        }
        depth -= 1
    }

    private mutating func open(_ bracket: UInt8, _ what: String) throws(JSONProblem) {
        guard peek() == bracket else { throw unexpected(what) }
        guard depth < Self.depthMax else { throw JSONProblem("nested deeper than \(Self.depthMax) levels") }
        depth += 1
        position += 1
    }

    /// Moves to the next member or element; false when the container has been closed.
    private mutating func next(before close: UInt8, isFirst: Bool) throws(JSONProblem) -> Bool {
        let byte = peek()
        if byte == close {
            position += 1
            return false
        }
        if isFirst { return true }
        guard byte == UInt8(ascii: ",") else {
            throw unexpected("a comma or \(close == UInt8(ascii: "}") ? "a closing brace" : "a closing bracket")")
        }
        position += 1
        return true
    }

    private mutating func memberName() throws(JSONProblem) -> Range<Int> {
        guard peek() == UInt8(ascii: "\"") else { throw unexpected("a member name in quotes") }
        let range = try skipString()
        guard peek() == UInt8(ascii: ":") else { throw unexpected("a colon") }
        position += 1
        return range
    }

    // MARK: Values

    /// Checks one value of any kind and gives the range of its bytes, without surrounding white space.
    package mutating func skipValue() throws(JSONProblem) -> Range<Int> {
        guard let byte = peek() else { throw unexpected("a value") }
        let start = position
        switch byte {
        case UInt8(ascii: "{"): try skipContainer(close: UInt8(ascii: "}"))
        case UInt8(ascii: "["): try skipContainer(close: UInt8(ascii: "]"))
        case UInt8(ascii: "\""): _ = try skipString()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: _ = try skipNumber()
        }
        return start..<position
    }

    private mutating func skipContainer(close: UInt8) throws(JSONProblem) {
        let isObject = close == UInt8(ascii: "}")
        try open(isObject ? UInt8(ascii: "{") : UInt8(ascii: "["), "a container")
        var isFirst = true
        while try next(before: close, isFirst: isFirst) {
            isFirst = false
            if isObject { _ = try memberName() }
            _ = try skipValue()
        }
        depth -= 1
    }

    package mutating func bool() throws(JSONProblem) -> Bool {
        switch peek() {
        case UInt8(ascii: "t"):
            try literal("true")
            return true
        case UInt8(ascii: "f"):
            try literal("false")
            return false
        default:
            throw unexpected("true or false")
        }
    }

    private mutating func literal(_ word: StaticString) throws(JSONProblem) {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count,
            (0..<count).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
        else { throw unexpected("a value") }
        position += count
    }

    /// A whole number; `1.0` and `1e3` are refused so that nothing is rounded silently.
    package mutating func int() throws(JSONProblem) -> Int {
        let range = try numberRange("a whole number")
        if let value = shortWhole(range) { return value }
        guard let value = Int(text(of: range)) else { throw JSONProblem("must be a whole number within 64 bits") }
        return value
    }

    /// A finite number.
    package mutating func double() throws(JSONProblem) -> Double {
        let range = try numberRange("a number")
        if let whole = shortWhole(range) { return Double(whole) }
        guard let value = Double(text(of: range)), value.isFinite else {
            throw JSONProblem("must be a number that fits a double")
        }
        return value
    }

    /// The value of a checked number that is nothing but up to 15 digits: nearly every number there is.
    private func shortWhole(_ range: Range<Int>) -> Int? {
        guard range.count <= 15 else { return nil }
        var value = 0
        for byte in bytes[range] {
            guard Self.isDigit(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    private mutating func numberRange(_ what: String) throws(JSONProblem) -> Range<Int> {
        guard let byte = peek(), byte == UInt8(ascii: "-") || Self.isDigit(byte) else { throw unexpected(what) }
        return try skipNumber()
    }

    private mutating func skipNumber() throws(JSONProblem) -> Range<Int> {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        if current == UInt8(ascii: "0") {
            position += 1
        } else {
            try skipDigits()
        }
        if current == UInt8(ascii: ".") {
            position += 1
            try skipDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try skipDigits()
        }
        return start..<position
    }

    private mutating func skipDigits() throws(JSONProblem) {
        let start = position
        while let byte = current, Self.isDigit(byte) { position += 1 }
        guard position > start else { throw unexpected("a value") }
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    func unexpected(_ wanted: String) -> JSONProblem {
        guard position < bytes.count else { return JSONProblem("the JSON ends where \(wanted) was expected") }
        let byte = bytes[position]
        let found = (0x21...0x7E).contains(byte) ? "'\(Character(UnicodeScalar(byte)))'" : "byte \(byte)"
        return JSONProblem("expected \(wanted) at byte \(position), found \(found)")
    }

    func text(of range: Range<Int>) -> String {
        String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }

    mutating func advance(to position: Int) {
        self.position = position
    }
}
