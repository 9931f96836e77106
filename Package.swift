// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "stint",
    products: [
        .executable(name: "stint", targets: ["stint"]),
        .library(name: "StintWorker", targets: ["StintWorker"]),
        .library(name: "StintClient", targets: ["StintClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // The rules: values and decisions, no clock, no input or output.
        .target(name: "StintModel"),
        .target(
            name: "StintCore",
            dependencies: ["StintModel", .product(name: "DequeModule", package: "swift-collections")]
        ),

        // The ports and their adapters.
        .target(name: "StintStorage", dependencies: ["StintModel"]),
        .target(
            name: "StintMemoryStore",
            dependencies: [
                "StintModel", "StintStorage",
                .product(name: "HeapModule", package: "swift-collections"),
            ]
        ),
        .target(
            name: "StintSQLiteStore",
            dependencies: [
                "StintModel", "StintStorage",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ]
        ),

        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .target(
            name: "RedisDriver",
            dependencies: ["CHiredis", .product(name: "Logging", package: "swift-log")]
        ),
        .target(
            name: "StintRedisQueue",
            dependencies: [
                "StintModel", "StintStorage", "RedisDriver",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),

        .systemLibrary(name: "CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(
            name: "PostgresDriver",
            dependencies: ["CPostgreSQL", .product(name: "Logging", package: "swift-log")]
        ),
        .target(
            name: "StintPostgresStore",
            dependencies: [
                "StintModel", "StintStorage", "PostgresDriver", .product(name: "Logging", package: "swift-log"),
            ]
        ),

        // The services that run the rules against the ports.
        .target(
            name: "StintTelemetry",
            dependencies: [.product(name: "Logging", package: "swift-log")]
        ),
        .target(
            name: "StintCoordinator",
            dependencies: [
                "StintModel", "StintCore", "StintStorage", "StintTelemetry",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),

        // What is spoken over HTTP, by servers and by clients.
        .target(name: "StintWire", dependencies: ["StintModel"]),
        .target(name: "CStintAssets", exclude: ["openapi.json"]),
        .target(
            name: "StintHTTP",
            dependencies: [
                "CStintAssets", "StintModel", "StintCore", "StintStorage", "StintTelemetry", "StintWire",
                "StintCoordinator",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        .target(
            name: "StintClient",
            dependencies: [
                "StintModel", "StintWire",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .target(name: "CStintProcess"),
        .target(
            name: "StintWorker",
            dependencies: [
                "CStintProcess", "StintModel", "StintWire", "StintClient",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),

        // Measures servers from outside, over HTTP.
        .target(name: "StintBench", dependencies: ["StintModel", "StintWire"]),

        // The composition root, and the one binary.
        .target(
            name: "StintServer",
            dependencies: [
                "StintModel", "StintCore", "StintStorage", "StintMemoryStore", "StintSQLiteStore", "PostgresDriver",
                "StintPostgresStore", "RedisDriver", "StintRedisQueue", "StintTelemetry", "StintCoordinator",
                "StintHTTP",
                "StintWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ]
        ),
        .target(
            name: "StintCLI",
            dependencies: [
                "StintModel", "StintStorage", "StintCoordinator", "StintWire", "StintClient", "StintWorker",
                "StintServer",
                "StintBench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]
        ),
        .executableTarget(name: "stint", dependencies: ["StintCLI"]),

        // What every record must do, and the records that must do it.
        .target(
            name: "StintStoreContract",
            dependencies: ["StintModel", "StintCore", "StintStorage"],
            path: "Tests/StintStoreContract"
        ),
        .target(
            name: "StintQueueContract",
            dependencies: ["StintModel", "StintStorage"],
            path: "Tests/StintQueueContract"
        ),
        .testTarget(
            name: "StintMemoryStoreTests",
            dependencies: ["StintMemoryStore", "StintQueueContract", "StintStoreContract"]
        ),
        // Real servers of a test's own.
        .target(name: "CTestServers", path: "Tests/CTestServers"),
        .target(name: "StintTestServers", dependencies: ["CTestServers"], path: "Tests/StintTestServers"),
        .testTarget(
            name: "RedisDriverTests",
            dependencies: [
                "RedisDriver", "StintTestServers",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(
            name: "StintRedisQueueTests",
            dependencies: [
                "RedisDriver", "StintCoordinator", "StintMemoryStore", "StintModel", "StintQueueContract",
                "StintRedisQueue", "StintStorage",
                "StintTestServers",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(
            name: "StintSQLiteStoreTests",
            dependencies: [
                "StintModel", "StintStorage", "StintSQLiteStore", "StintStoreContract",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]
        ),
        // The house rules, held on the source tree.
        .testTarget(name: "StintTidyTests"),
        .testTarget(
            name: "PostgresDriverTests",
            dependencies: ["PostgresDriver", "StintTestServers", .product(name: "Logging", package: "swift-log")]
        ),
        .testTarget(
            name: "StintPostgresStoreTests",
            dependencies: [
                "PostgresDriver", "StintModel", "StintCore", "StintStorage", "StintPostgresStore", "StintStoreContract",
                "StintTestServers", .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(name: "StintWireTests", dependencies: ["StintModel", "StintWire"]),
        .target(
            name: "StintStubServer",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/StintStubServer"
        ),
        .testTarget(
            name: "StintWorkerTests",
            dependencies: [
                "StintClient", "StintModel", "StintStubServer", "StintWire", "StintWorker",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(
            name: "StintServerTests",
            dependencies: [
                "StintModel", "StintCoordinator", "StintServer", .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(name: "StintClientTests", dependencies: ["StintClient", "StintStubServer"]),
        .testTarget(name: "StintCLITests", dependencies: ["StintModel", "StintCLI", "StintStubServer"]),
        // What tests are made with, and the tests of the rules.
        .target(
            name: "StintTestKit",
            dependencies: [
                "StintModel", "StintStorage", "StintCoordinator",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Tests/StintTestKit"
        ),
        .testTarget(
            name: "StintHTTPTests",
            dependencies: [
                "StintModel", "StintCore", "StintStorage", "StintMemoryStore", "StintTelemetry", "StintCoordinator",
                "StintWire", "StintHTTP", "StintTestKit",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            exclude: ["Golden"]
        ),
        .testTarget(name: "StintModelTests", dependencies: ["StintModel", "StintTestKit"]),
        .testTarget(name: "StintCoreTests", dependencies: ["StintModel", "StintCore", "StintTestKit"]),
        .testTarget(
            name: "StintCoordinatorTests",
            dependencies: [
                "StintModel", "StintCore", "StintStorage", "StintMemoryStore", "StintTelemetry", "StintCoordinator",
                "StintTestKit",
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system && !target.name.hasPrefix("C") {
    target.swiftSettings = swiftSettings
}
