// SPDX-License-Identifier: Apache-2.0

/// What may not be written, or not without a reason beside it.
extension TidyRule {
    static let words: [TidyRule] = [
        .lines(
            "nothing is left to be done in comments",
            mend: "do it, or open an issue",
            bad: SourceFile("Sources/A/A.swift", "// TODO: later"),
            good: SourceFile("Sources/A/A.swift", "let template = \"stint-XXXXXX\"  // mkdtemp's")
        ) { file, index in
            let words = file.lines[index].split { !$0.isLetter && !$0.isNumber && $0 != "_" }
            return words.contains { ["TODO", "FIXME", "XXX", "HACK"].contains($0) }
        },
        .lines(
            "the rules (StintModel, StintCore) have no clock, no chance and no waiting",
            mend: "take instants, random bits and ids as arguments",
            bad: SourceFile("Sources/StintCore/A.swift", "let now = ContinuousClock.now"),
            good: SourceFile("Sources/StintCore/A.swift", "let schedule: JobSchedule = .now  // a case, not a clock")
        ) { file, index in
            guard file.isSwift, file.isIn("Sources/StintModel", "Sources/StintCore") else { return false }
            return isImpure(file.code(index))
        },
        .lines(
            "what the compiler does not check has its proof beside it",
            mend: "find another way, or say in a comment beside it why it cannot go wrong",
            bad: SourceFile("Sources/A/A.swift", "let a = 1\nfinal class A: @unchecked Sendable {}\nlet b = 1"),
            good: SourceFile(
                "Sources/A/A.swift",
                "// SAFETY: touched on one thread.\nfinal class A: @unchecked Sendable {}"
            )
        ) { file, index in
            let code = file.code(index)
            let isUnchecked = ["try!", "fatalError(", "@unchecked Sendable", "nonisolated(unsafe)"]
                .contains(where: code.contains)
            return file.isSwift && isUnchecked && !file.isExplained(index)
        },
        .lines(
            "tests do not sleep and hope",
            mend: "wait for an event, a condition or the manual clock; say in a comment why it must be time",
            bad: SourceFile("Tests/ATests/A.swift", "try await Task.sleep(for: .seconds(1))"),
            good: SourceFile("Tests/ATests/A.swift", "try await Task.sleep(for: .seconds(1))  // until it is cancelled")
        ) { file, index in
            guard file.isIn("Tests") else { return false }
            let code = file.code(index)
            let sleeps = ["Task.sleep(", "usleep(", "Thread.sleep(", "time.sleep("].contains(where: code.contains)
            return sleeps && !file.isExplained(index)
        },
    ]

    private static func isImpure(_ code: Substring) -> Bool {
        let words = code.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
        let impure = [
            "Date()", "Date.now", "Clock.now", "Clock().now", ".random(", "UUID()", "clock_gettime",
            "SystemRandomNumberGenerator", "getenv(", "print(",
        ]
        return words.contains { $0 == "async" || $0 == "await" || $0 == "Task" }
            || impure.contains(where: code.contains)
    }
}
