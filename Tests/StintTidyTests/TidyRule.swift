// SPDX-License-Identifier: Apache-2.0

import Testing

/// A house rule that a machine can hold.
struct TidyRule: Sendable, CustomTestStringConvertible {
    /// Where and how a file breaks a rule.
    struct Finding: Hashable, Sendable {
        /// Counted from 0.
        var line: Int
        var what: String
    }

    /// As a fact, such as "files have at most 600 lines".
    let fact: String
    /// What to do about a finding.
    let mend: String
    /// A file that breaks the rule once, so that a rule that finds nothing is noticed.
    let bad: SourceFile
    /// The same thing done right.
    let good: SourceFile
    let find: @Sendable (SourceFile) -> [Finding]

    var testDescription: String { fact }

    /// What stands in the test's report.
    func message(_ file: SourceFile, _ finding: Finding) -> String {
        "\(file.path):\(finding.line + 1): \(finding.what). The rule: \(fact). What to do: \(mend)."
    }

    static let all: [TidyRule] = sizes + walls + words
}

extension TidyRule {
    /// A rule about single lines: `isBroken` is asked with the file and the line's number, counted from 0.
    static func lines(
        _ fact: String,
        mend: String,
        bad: SourceFile,
        good: SourceFile,
        isBroken: @escaping @Sendable (SourceFile, Int) -> Bool
    ) -> TidyRule {
        TidyRule(fact: fact, mend: mend, bad: bad, good: good) { file in
            file.lines.indices.filter { isBroken(file, $0) }.map { index in
                Finding(line: index, what: file.lines[index].split(separator: " ").joined(separator: " "))
            }
        }
    }

    /// A rule about which files may import a module.
    static func imports(
        _ fact: String,
        mend: String,
        bad: SourceFile,
        good: SourceFile,
        isForbidden: @escaping @Sendable (SourceFile, _ module: String) -> Bool
    ) -> TidyRule {
        lines(fact, mend: mend, bad: bad, good: good) { file, index in
            guard file.isSwift, let module = file.imported(index) else { return false }
            return isForbidden(file, module)
        }
    }
}
