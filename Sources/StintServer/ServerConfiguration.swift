// SPDX-License-Identifier: Apache-2.0

package import StintCoordinator
package import StintModel

/// How a server process is set up.
///
/// See docs/configuration.md.
package struct ServerConfiguration: Sendable {
    package enum LogLevel: String, CaseIterable, Sendable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
    }

    package enum LogFormat: String, CaseIterable, Sendable {
        case text
        case json
    }

    /// The embedded record, where no database is named.
    package var dataDirectory = "./stint-data"
    /// The shared record, nil for the embedded one.
    ///
    /// Secret: it may hold a password.
    package var databaseURL: String?
    /// The shared belt, nil for one in process.
    ///
    /// Secret: it may hold a password.
    package var redisURL: String?
    /// Brings the database to this version's schema before anything else.
    package var migrates = false
    package var apiHost = "127.0.0.1"
    package var apiPort = 8000
    package var coordinatorHost = "127.0.0.1"
    package var coordinatorPort = 9000
    package var coordinator = CoordinatorSettings()
    package var drain = Milliseconds(25_000)
    /// Secret.
    package var token: String?
    package var allowsInsecure = false
    package var connectionsMax = 4096
    package var logLevel = LogLevel.info
    package var logFormat = LogFormat.text

    package init() {}

    /// The settings a server takes, by their environment names.
    package static let names = [
        "STINT_DATA_DIR", "STINT_API_HOST", "STINT_API_PORT", "STINT_COORDINATOR_HOST", "STINT_COORDINATOR_PORT",
        "STINT_LEASE_SECONDS", "STINT_HEARTBEAT_SECONDS", "STINT_SWEEP_SECONDS", "STINT_FALLBACK_POLL_SECONDS",
        "STINT_RECONCILE_SECONDS", "STINT_DRAIN_SECONDS", "STINT_IDEMPOTENCY_SECONDS", "STINT_RETENTION_SECONDS",
        "STINT_TOKEN", "STINT_ALLOW_INSECURE", "STINT_CONNECTIONS_MAX", "STINT_LOG_LEVEL", "STINT_LOG_FORMAT",
        "STINT_DATABASE_URL", "STINT_REDIS_URL",
    ]

    /// - Throws: ``ConfigurationError``, naming the setting, its value and what is allowed.
    package init(_ source: SettingSource) throws {
        self.init()
        databaseURL = source.text("STINT_DATABASE_URL")
        redisURL = source.text("STINT_REDIS_URL")
        if redisURL != nil, databaseURL == nil {
            throw ConfigurationError(
                "STINT_REDIS_URL is set, but STINT_DATABASE_URL is not: Redis carries jobs between the processes of the "
                    + "distributed mode; set both, or neither to run on SQLite"
            )
        }
        dataDirectory = source.text("STINT_DATA_DIR", default: dataDirectory)
        apiHost = source.text("STINT_API_HOST", default: apiHost)
        apiPort = try source.int("STINT_API_PORT", 0...65_535, default: apiPort)
        coordinatorHost = source.text("STINT_COORDINATOR_HOST", default: coordinatorHost)
        coordinatorPort = try source.int("STINT_COORDINATOR_PORT", 0...65_535, default: coordinatorPort)
        coordinator = try Self.coordinatorSettings(source)
        drain = try Self.span(source, "STINT_DRAIN_SECONDS", 0...3600, default: drain)
        token = source.text("STINT_TOKEN")
        allowsInsecure = try source.bool("STINT_ALLOW_INSECURE", default: false)
        connectionsMax = try source.int("STINT_CONNECTIONS_MAX", 16...1_000_000, default: connectionsMax)
        logLevel = try source.choice("STINT_LOG_LEVEL", default: logLevel)
        logFormat = try source.choice("STINT_LOG_FORMAT", default: logFormat)
        try checkExposure()
    }

    /// - Throws: ``ConfigurationError`` where only the embedded record is named.
    package func requireDatabase(for command: String) throws {
        guard databaseURL == nil else { return }
        throw ConfigurationError(
            "stint \(command) needs a PostgreSQL database that all its processes share: set STINT_DATABASE_URL, such as "
                + "postgres://user:password@host:5432/stint, or run 'stint serve' for everything in one process on SQLite"
        )
    }

    private static func coordinatorSettings(_ source: SettingSource) throws -> CoordinatorSettings {
        var settings = CoordinatorSettings()
        settings.lease = try span(source, "STINT_LEASE_SECONDS", 3...3600, default: settings.lease)
        let third = Milliseconds(settings.lease.count / 3)
        settings.heartbeat = min(settings.heartbeat, third)
        settings.heartbeat = try span(source, "STINT_HEARTBEAT_SECONDS", 0.1...1200, default: settings.heartbeat)
        guard settings.heartbeat <= third else {
            throw ConfigurationError(
                "STINT_HEARTBEAT_SECONDS is '\(settings.heartbeat.seconds)'; it must be at most a third of "
                    + "STINT_LEASE_SECONDS, which is \(settings.lease.seconds)"
            )
        }
        settings.sweep = try span(source, "STINT_SWEEP_SECONDS", 0.05...60, default: settings.sweep)
        settings.fallbackPoll = try span(
            source,
            "STINT_FALLBACK_POLL_SECONDS",
            0.1...60,
            default: settings.fallbackPoll
        )
        settings.reconcile = try span(source, "STINT_RECONCILE_SECONDS", 0.1...600, default: settings.reconcile)
        settings.idempotencyRetention = try span(
            source,
            "STINT_IDEMPOTENCY_SECONDS",
            1...2_592_000,
            default: settings.idempotencyRetention
        )
        settings.retention = try span(source, "STINT_RETENTION_SECONDS", 1...315_360_000, default: settings.retention)
        return settings
    }

    private static func span(
        _ source: SettingSource,
        _ name: String,
        _ range: ClosedRange<Double>,
        default fallback: Milliseconds
    ) throws -> Milliseconds {
        .seconds(try source.number(name, range, default: fallback.seconds))
    }

    /// Beyond loopback a token is needed.
    private func checkExposure() throws {
        guard token == nil, !allowsInsecure else { return }
        for (name, host) in [("STINT_API_HOST", apiHost), ("STINT_COORDINATOR_HOST", coordinatorHost)]
        where !Self.isLoopback(host) {
            throw ConfigurationError(
                "\(name) is '\(host)', which others can reach, and no token is set: set STINT_TOKEN to a secret that "
                    + "clients and workers must show, or STINT_ALLOW_INSECURE=true if something else keeps strangers out"
            )
        }
    }

    /// Whether only this machine can reach the address; a name that merely looks like one, such as `127.0.0.evil`, is
    /// not one.
    static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let isIPv4 = parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
        return host == "localhost" || host == "::1" || (isIPv4 && parts[0] == "127")
    }
}
