// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The house rules, held by a machine; each message says what to do.
@Suite struct TidyTests {
    /// The samples of bad style stand here.
    private static let ownFolder = "Tests/StintTidyTests"

    @Test(arguments: TidyRule.all)
    func theTreeKeeps(_ rule: TidyRule) throws {
        for file in try SourceTree.files() where !file.isIn(Self.ownFolder) {
            for finding in rule.find(file) {
                Issue.record(Comment(rawValue: rule.message(file, finding)))
            }
        }
    }

    @Test(arguments: TidyRule.sizes)
    func theRulesThemselvesKeep(_ rule: TidyRule) throws {
        for file in try SourceTree.files() where file.isIn(Self.ownFolder) {
            #expect(rule.find(file) == [], "\(file.path)")
        }
    }

    @Test(arguments: TidyRule.all)
    func aBrokenRuleIsFoundOnceWithWhatToDo(_ rule: TidyRule) throws {
        let findings = rule.find(rule.bad)
        try #require(findings.count == 1)
        let message = rule.message(rule.bad, findings[0])
        #expect(message.hasPrefix("\(rule.bad.path):"))
        #expect(message.contains(rule.mend))
    }

    @Test(arguments: TidyRule.all)
    func theSameDoneRightIsNotFound(_ rule: TidyRule) {
        #expect(rule.find(rule.good) == [])
    }

    @Test func theTreeIsSeen() throws {
        let paths = try SourceTree.files().map(\.path)
        #expect(paths.contains("Sources/StintModel/Job.swift"))
        #expect(paths.contains("Tests/Process/conftest.py"))
        #expect(paths.contains("scripts/demo.sh"))
        #expect(paths.count > 200)
    }

    @Test func aProtocolsRequirementHasNoLength() throws {
        let function = try #require(TidyRule.sizes.first { $0.fact.hasPrefix("functions") })
        let requirements = "protocol A {\n    func a()\n" + String(repeating: "\n", count: 80) + "    func b()\n}\n"
        #expect(function.find(SourceFile("Sources/A/A.swift", requirements)) == [])
    }

    @Test func theDocumentsNameTargetsThatMakeHelpLists() throws {
        let known = try Makefile.helped()
        #expect(known.isSuperset(of: ["run", "test", "build", "ci"]))
        for document in ["README.md", "CONTRIBUTING.md"] {
            for target in try Makefile.named(in: document) {
                #expect(known.contains(target), "\(document) names `make \(target)`, which `make help` does not list")
            }
        }
    }
}

/// What the Makefile offers and what the documents say of it.
private enum Makefile {
    /// The targets with a `##` comment.
    static func helped() throws -> Set<String> {
        let targets = try lines("Makefile").filter { $0.contains(": ") && $0.contains("## ") && !$0.hasPrefix("#") }
        return Set(targets.compactMap { $0.split(separator: ":").first.map(String.init) })
    }

    /// The targets of every `make …` command in a document.
    static func named(in document: String) throws -> [String] {
        try lines(document).flatMap { line in
            commands(in: line).flatMap { command in
                command.split(separator: " ").dropFirst().prefix { word in
                    !word.hasPrefix("#") && word.allSatisfy { $0.isLowercase || $0 == "-" }
                }.map(String.init)
            }
        }
    }

    private static func commands(in line: String) -> [Substring] {
        if line.hasPrefix("$ make ") { return [line.dropFirst(2)] }
        return line.split(separator: "`", omittingEmptySubsequences: false).filter { $0.hasPrefix("make ") }
    }

    private static func lines(_ path: String) throws -> [String] {
        let text = try String(contentsOf: SourceTree.root().appendingPathComponent(path), encoding: .utf8)
        return text.split(separator: "\n").map(String.init)
    }
}
