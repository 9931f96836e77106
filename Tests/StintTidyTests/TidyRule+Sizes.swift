// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How large things may be, and how files are named.
extension TidyRule {
    static let fileLinesMax = 600
    static let functionLinesMax = 70

    static let sizes: [TidyRule] = [
        TidyRule(
            fact: "files have at most \(fileLinesMax) lines",
            mend: "split it by topic, as Type+Topic.swift",
            bad: SourceFile("Sources/A/A.swift", String(repeating: "\n", count: fileLinesMax)),
            good: SourceFile("Sources/A/A.swift", String(repeating: "\n", count: fileLinesMax - 1))
        ) { file in
            let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
            let isTooLong = count > fileLinesMax || file.lines.count > fileLinesMax
            return isTooLong ? [Finding(line: 0, what: "\(count) lines")] : []
        },
        TidyRule(
            fact: "functions have at most \(functionLinesMax) lines",
            mend: "take steps out of it that have a name of their own",
            bad: SourceFile("Sources/A/A.swift", function(lines: functionLinesMax + 1)),
            good: SourceFile("Sources/A/A.swift", function(lines: functionLinesMax)),
            find: longFunctions
        ),
        TidyRule(
            fact: "every file names its licence at its top",
            mend: "begin it with the comment SPDX-License-Identifier: Apache-2.0",
            bad: SourceFile("Sources/A/A.swift", "import B\n"),
            good: SourceFile("Sources/A/A.swift", "// SPDX-License-Identifier: Apache-2.0\n")
        ) { file in
            let top = file.lines.prefix(3)
            let isNamed = top.contains { $0.contains("SPDX-License-Identifier: Apache-2.0") }
            return isNamed ? [] : [Finding(line: 0, what: "no licence")]
        },
        TidyRule(
            fact: "files are named after what is in them, not Utils, Helpers or Common",
            mend: "name it after its main type or topic",
            bad: SourceFile("Sources/A/StringHelpers.swift", ""),
            good: SourceFile("Sources/A/Quoting.swift", "")
        ) { file in
            let vague = ["util", "helper", "common", "misc"]
            let isVague = vague.contains { file.name.lowercased().contains($0) }
            return isVague ? [Finding(line: 0, what: file.name)] : []
        },
    ]

    private static func function(lines: Int) -> String {
        "struct A {\n    func a(\n        b: Int\n    ) {\n"
            + String(repeating: "        c()\n", count: lines - 4) + "    }\n\n    func d() {}\n}\n"
    }

    /// Relies on the formatter: a declaration's last brace stands alone, as far in as its first word.
    private static func longFunctions(_ file: SourceFile) -> [Finding] {
        guard file.isSwift else { return [] }
        return file.lines.indices.compactMap { start in
            guard isFunction(file.lines[start]), let end = end(of: start, file) else { return nil }
            let count = end - start + 1
            guard count > functionLinesMax else { return nil }
            let head = file.lines[start].trimmingCharacters(in: .whitespaces)
            return Finding(line: start, what: "\(count) lines: \(head)")
        }
    }

    private static func isFunction(_ line: String) -> Bool {
        let words = line.split(whereSeparator: { " (<?".contains($0) })
        guard let keyword = words.firstIndex(where: { ["func", "init", "subscript", "deinit"].contains($0) }) else {
            return false
        }
        return words[..<keyword].allSatisfy { word in
            word.hasPrefix("@") || word.hasSuffix(")") || modifiers.contains(String(word))
        }
    }

    private static let modifiers: Set = [
        "package", "public", "private", "fileprivate", "internal", "static", "class", "final", "override", "mutating",
        "nonmutating", "consuming", "borrowing", "nonisolated", "convenience", "required", "prefix", "postfix", "async",
    ]

    /// The line of the declaration's last brace; nil for one without a body.
    private static func end(of start: Int, _ file: SourceFile) -> Int? {
        let margin = String(file.lines[start].prefix { $0 == " " })
        if file.code(start).contains("{"), file.code(start).contains("}") { return start }
        for index in file.lines.indices[(start + 1)...] {
            let line = file.lines[index]
            if line == margin + "}" { return index }
            let isDeeper = line.isEmpty || line.hasPrefix("#") || line.hasPrefix(margin + " ")
            let isSignature = line.hasPrefix(margin + ")") || line.hasPrefix(margin + "where ") || line == margin + "{"
            if !isDeeper, !isSignature { return nil }
        }
        return nil
    }
}
