// SPDX-License-Identifier: Apache-2.0

/// A JSON document taken apart, its scalars kept as they are spelled.
///
/// Numbers that no type can hold and lone surrogates stay what they are. It is for showing documents that were checked
/// before.
package indirect enum JSONTree: Equatable, Sendable {
    package struct Member: Equatable, Sendable {
        /// With its quotes.
        var name: String
        var value: JSONTree
    }

    case object([Member])
    case array([JSONTree])
    /// With its quotes and escapes.
    case string(String)
    /// A number, `true`, `false` or `null`.
    case scalar(String)

    /// Nil where the bytes are not one JSON document.
    package init?(_ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard let tree = reader.value(depth: 0), reader.peek() == nil else { return nil }
        self = tree
    }

    /// The document with one member or element per line.
    package var indented: String {
        var text = ""
        write(to: &text, indent: "")
        return text
    }

    private func write(to text: inout String, indent: String) {
        switch self {
        case .string(let spelling), .scalar(let spelling): text += spelling
        case .object(let members) where members.isEmpty: text += "{}"
        case .array(let elements) where elements.isEmpty: text += "[]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                text += "\(index == 0 ? "" : ",")\n\(indent)  \(member.name): "
                member.value.write(to: &text, indent: indent + "  ")
            }
            text += "\n\(indent)}"
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                text += "\(index == 0 ? "" : ",")\n\(indent)  "
                element.write(to: &text, indent: indent + "  ")
            }
            text += "\n\(indent)]"
        }
    }
}

extension JSONTree {
    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        /// More than a checked document can have around a payload.
        static let depthMax = 256

        mutating func peek() -> UInt8? {
            while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
            return position < bytes.count ? bytes[position] : nil
        }

        mutating func value(depth: Int) -> JSONTree? {
            guard depth < Self.depthMax, let byte = peek() else { return nil }
            switch byte {
            case UInt8(ascii: "{"): return object(depth: depth)
            case UInt8(ascii: "["): return array(depth: depth)
            case UInt8(ascii: "\""): return string().map(JSONTree.string)
            default: return scalar()
            }
        }

        private mutating func object(depth: Int) -> JSONTree? {
            var members: [Member] = []
            position += 1
            if take("}") { return .object([]) }
            repeat {
                guard peek() == UInt8(ascii: "\""), let name = string(), take(":"), let value = value(depth: depth + 1)
                else { return nil }
                members.append(Member(name: name, value: value))
            } while take(",")
            return take("}") ? .object(members) : nil
        }

        private mutating func array(depth: Int) -> JSONTree? {
            var elements: [JSONTree] = []
            position += 1
            if take("]") { return .array([]) }
            repeat {
                guard let value = value(depth: depth + 1) else { return nil }
                elements.append(value)
            } while take(",")
            return take("]") ? .array(elements) : nil
        }

        private mutating func string() -> String? {
            let start = position
            position += 1
            while position < bytes.count {
                switch bytes[position] {
                case UInt8(ascii: "\""):
                    position += 1
                    return String(decoding: bytes[start..<position], as: UTF8.self)
                case UInt8(ascii: "\\"): position += 2
                default: position += 1
                }
            }
            return nil
        }

        private mutating func scalar() -> JSONTree? {
            let start = position
            while position < bytes.count, !Array(" \n\r\t,]}:".utf8).contains(bytes[position]) { position += 1 }
            return position > start ? .scalar(String(decoding: bytes[start..<position], as: UTF8.self)) : nil
        }

        private mutating func take(_ character: UnicodeScalar) -> Bool {
            guard peek() == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }
    }
}
