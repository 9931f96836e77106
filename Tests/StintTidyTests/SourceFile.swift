// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A file of the project as a rule sees it.
struct SourceFile: Sendable {
    /// From the project's folder, such as `Sources/StintModel/Job.swift`.
    let path: String
    let lines: [String]

    init(_ path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The folder below `Sources` or `Tests`: for Swift, the target.
    var target: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    var isSwift: Bool { name.hasSuffix(".swift") }

    func isIn(_ folders: String...) -> Bool {
        folders.contains { path.hasPrefix($0 + "/") }
    }

    /// The line without its comment.
    ///
    /// A `//` inside a literal ends the code too early, which can hide something but never invent it.
    func code(_ index: Int) -> Substring {
        let line = lines[index]
        return line.range(of: isSwift ? "//" : "#").map { line[..<$0.lowerBound] } ?? line[...]
    }

    /// Whether a person explained the line: in it, or in the line before or after.
    func isExplained(_ index: Int) -> Bool {
        let mark = isSwift ? "//" : "#"
        let around = [index - 1, index + 1].filter(lines.indices.contains)
        return lines[index].contains(mark)
            || around.contains { lines[$0].trimmingCharacters(in: .whitespaces).hasPrefix(mark) }
    }

    /// The module that the line imports, nil for all other lines.
    func imported(_ index: Int) -> String? {
        let words = lines[index].split(separator: " ")
        guard let position = words.firstIndex(of: "import"), position <= 2, words.count > position + 1,
            words[..<position].allSatisfy({ $0.hasPrefix("@") || ["package", "public", "internal"].contains($0) })
        else { return nil }
        return words[position + 1].split(separator: ".").first.map(String.init)
    }
}

/// The files that people write.
enum SourceTree {
    static func root(file: String = #filePath) -> URL {
        URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("../..").standardizedFileURL
    }

    private static let extensions: Set = ["swift", "c", "h", "py", "sh", "lua", "sql"]

    /// Everything under `Sources`, `Tests` and what stands beside them, but for generated and hidden folders.
    static func files() throws -> [SourceFile] {
        let root = root()
        let folders = ["Sources", "Tests", "scripts", "clients", "examples", "benchmarks", "deploy"]
        return try folders.flatMap { folder in
            let base = root.appendingPathComponent(folder).resolvingSymlinksInPath()
            let paths = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String } ?? []
            return try paths.sorted().filter(isWritten).map { path in
                let text = try String(contentsOf: base.appendingPathComponent(path), encoding: .utf8)
                return SourceFile("\(folder)/\(path)", text)
            }
        }
    }

    private static func isWritten(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        guard parts.allSatisfy({ !$0.hasPrefix(".") && $0 != "node_modules" }), let name = parts.last else {
            return false
        }
        return name.split(separator: ".").last.map { extensions.contains(String($0)) } ?? false
    }
}
