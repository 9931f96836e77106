// SPDX-License-Identifier: Apache-2.0

import StintWire

/// Writes a JSON document as YAML 1.2 in block style.
package enum YAMLWriter {
    package static func text(_ tree: JSONTree) -> String {
        var lines: [String] = []
        append(tree, indent: 0, lead: "", to: &lines)
        return lines.joined(separator: "\n")
    }

    /// - Parameter lead: What stands on the first line before the value, such as `name:` or `-`.
    private static func append(_ tree: JSONTree, indent: Int, lead: String, to lines: inout [String]) {
        switch tree {
        case .object(let members) where !members.isEmpty:
            block(members, indent: indent, lead: lead, to: &lines) { member, lead, indent, lines in
                append(member.value, indent: indent, lead: "\(lead)\(scalar(member.name)):", to: &lines)
            }
        case .array(let elements) where !elements.isEmpty:
            block(elements, indent: indent, lead: lead, to: &lines) { element, lead, indent, lines in
                append(element, indent: indent, lead: "\(lead)-", to: &lines)
            }
        default: lines.append(lead.isEmpty ? inline(tree) : "\(lead) \(inline(tree))")
        }
    }

    /// Members or elements below their lead; behind a dash the first of them begins on the same line.
    private static func block<Element>(
        _ elements: [Element],
        indent: Int,
        lead: String,
        to lines: inout [String],
        _ write: (Element, _ lead: String, _ indent: Int, _ lines: inout [String]) -> Void
    ) {
        let isRoot = lead.isEmpty
        let isBehindDash = lead.hasSuffix("-")
        if !isRoot, !isBehindDash { lines.append(lead) }
        let inner = isRoot ? indent : indent + 2
        let spaces = String(repeating: " ", count: inner)
        for (index, element) in elements.enumerated() {
            write(element, index == 0 && isBehindDash ? "\(lead) " : spaces, inner, &lines)
        }
    }

    private static func inline(_ tree: JSONTree) -> String {
        switch tree {
        case .object: "{}"
        case .array: "[]"
        case .string(let spelling): scalar(spelling)
        case .scalar(let spelling): spelling
        }
    }

    /// A JSON string as a plain word where that cannot be taken for anything else, else in quotes.
    private static func scalar(_ spelling: String) -> String {
        guard let text = try? JSONCursor.read(spelling.utf8, { json throws(JSONProblem) in try json.string() }) else {
            return spelling  // a lone surrogate: its JSON spelling is the nearest that YAML can hold
        }
        return isPlain(text) ? text : quoted(text)
    }

    private static let reserved: Set<String> = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]

    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first), !reserved.contains(text.lowercased()) else { return false }
        return text.utf8.allSatisfy { byte in
            isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            default: quoted += isPrintable(scalar) ? String(scalar) : escaped(scalar)
            }
        }
        return quoted + "\""
    }

    private static func isPrintable(_ scalar: UnicodeScalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x2029, 0xFEFF, 0xFFFE...0xFFFF: false
        default: true
        }
    }

    private static func escaped(_ scalar: UnicodeScalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
