// SPDX-License-Identifier: Apache-2.0

/// Who may know whom. What the package's manifest cannot say stands here; what it says is held by the build.
extension TidyRule {
    private static let stores: Set = [
        "StintMemoryStore", "StintSQLiteStore", "StintPostgresStore", "StintRedisQueue",
    ]

    /// A C module belongs to the one target that wraps it.
    private static let driversOfCModules = [
        "CStintAssets": ["StintHTTP", "StintDashboard"], "CStintProcess": ["StintWorker"],
        "CPostgreSQL": ["PostgresDriver"], "CHiredis": ["RedisDriver"], "CTestServers": ["StintTestServers"],
    ]

    static let walls: [TidyRule] = [
        .imports(
            "the rules (StintModel, StintCore) know no logger, no store and no service",
            mend: "take what is needed as an argument; the services around the rules log and store",
            bad: SourceFile("Sources/StintCore/A.swift", "import Logging"),
            good: SourceFile("Sources/StintCore/A.swift", "package import StintModel")
        ) { file, module in
            guard file.isIn("Sources/StintModel", "Sources/StintCore") else { return false }
            return ["Logging", "Metrics", "ServiceLifecycle", "Foundation", "FoundationEssentials", "Dispatch"]
                .contains(module) || module.hasPrefix("NIO") || (module.hasPrefix("Stint") && module != "StintModel")
        },
        .imports(
            "a store knows no other store, and neither StintCore nor StintCoordinator",
            mend: "have StintServer hand it in, as EndingRules are",
            bad: SourceFile("Sources/StintSQLiteStore/A.swift", "import StintCore"),
            good: SourceFile("Sources/StintSQLiteStore/A.swift", "import StintStorage")
        ) { file, module in
            guard file.isIn("Sources"), stores.contains(file.target) else { return false }
            return ["StintCore", "StintCoordinator"].contains(module) || stores.contains(module)
        },
        .imports(
            "only StintServer names a store",
            mend: "use the ports of StintStorage",
            bad: SourceFile("Sources/StintHTTP/A.swift", "import StintMemoryStore"),
            good: SourceFile("Sources/StintServer/A.swift", "import StintMemoryStore")
        ) { file, module in
            file.isIn("Sources") && file.target != "StintServer" && !stores.contains(file.target)
                && stores.contains(module)
        },
        .imports(
            "only StintCLI knows ArgumentParser",
            mend: "take plain values; the command reads the arguments",
            bad: SourceFile("Sources/StintServer/A.swift", "import ArgumentParser"),
            good: SourceFile("Sources/StintCLI/A.swift", "import ArgumentParser")
        ) { file, module in
            file.isIn("Sources") && file.target != "StintCLI" && module == "ArgumentParser"
        },
        .imports(
            "a C module is imported by its driver only",
            mend: "use the driver's Swift interface; a new C module gets a line in TidyRule+Walls.swift",
            bad: SourceFile("Sources/StintServer/A.swift", "import CStintProcess"),
            good: SourceFile("Sources/StintWorker/A.swift", "import CStintProcess")
        ) { file, module in
            let isC = module.first == "C" && module.dropFirst().first?.isUppercase == true
            return file.isIn("Sources") && isC && driversOfCModules[module]?.contains(file.target) != true
        },
        .imports(
            "tests use Swift Testing",
            mend: "import Testing; @Test and #expect instead of XCTest",
            bad: SourceFile("Tests/ATests/A.swift", "import XCTest"),
            good: SourceFile("Tests/ATests/A.swift", "import Testing")
        ) { _, module in module == "XCTest" },
        .lines(
            "configuration keys are read in StintServer and StintCLI only",
            mend: "make it a field of a configuration struct; the composition root fills it in",
            bad: SourceFile("Sources/StintHTTP/A.swift", "let port = getenv(\"STINT_API_PORT\")"),
            good: SourceFile("Sources/StintCLI/A.swift", "let port = getenv(\"STINT_API_PORT\")")
        ) { file, index in
            // What `stint worker --exec` tells its children is no configuration.
            guard file.isIn("Sources"),
                !file.isIn("Sources/StintServer", "Sources/StintCLI", "Sources/StintWorker/Exec")
            else { return false }
            return file.isSwift && file.lines[index].contains("\"STINT_")
        },
    ]
}
