// SPDX-License-Identifier: Apache-2.0

import Logging
import StintClient
import StintServer
import StintStorage
import StintWire

/// One thing that `stint doctor` looked at.
package struct DoctorCheck: Hashable, Sendable {
    package var key: String
    package var value: String
    /// What is wrong and what to do, nil when all is well.
    package var warning: String?

    package init(_ key: String, _ value: String, warning: String? = nil) {
        self.key = key
        self.value = value
        self.warning = warning
    }
}

/// This program and the machine it runs on.
enum MachineChecks {
    /// A server with fewer runs out of connections early.
    private static let openFilesMin = 1024

    static func run() -> [DoctorCheck] {
        var checks = [DoctorCheck("version", StintVersion.current)]
        if let limit = Machine.openFilesMax() {
            let isLow = limit < openFilesMin
            checks.append(
                DoctorCheck(
                    "open files",
                    "\(limit)",
                    warning: isLow ? "allow at least \(openFilesMin) (ulimit -n) before you start a server" : nil
                )
            )
        }
        return checks
    }
}

/// The record's library.
///
/// The file itself is the running server's alone.
enum RecordChecks {
    static func run() -> [DoctorCheck] {
        RecordLibrary.diagnostics().map { DoctorCheck($0.key, $0.value, warning: $0.warning) }
    }
}

/// The database and the Redis of a fleet, where they are named.
enum FleetChecks {
    static func run(databaseURL: String?, redisURL: String?) async -> [DoctorCheck] {
        let logger = Logger(label: "stint") { LogOutput(label: $0, level: .critical, isJSON: false) }
        var checks: [DoctorCheck] = []
        if let url = databaseURL {
            checks += await all("database") { try await SharedRecord(url, logger: logger).diagnostics() }
        }
        if let url = redisURL {
            checks += await all("redis") { try await SharedQueue.diagnostics(url, logger: logger) }
        }
        return checks
    }

    private static func all(_ key: String, _ read: () async throws -> [RecordDiagnostic]) async -> [DoctorCheck] {
        do {
            return try await read().map { DoctorCheck($0.key, $0.value, warning: $0.warning) }
        } catch {
            return [DoctorCheck(key, "not usable", warning: "\(error)")]
        }
    }
}

/// The server at the other end.
enum ServerChecks {
    static func run(_ connection: ConnectionOptions) async -> [DoctorCheck] {
        let address = DoctorCheck("server", connection.address)
        do {
            // The doctor tells how it is now: nothing is repeated.
            return try await connection.withClient(retriesMax: 0) { [address] + (await checks($0)) }
        } catch {
            return [DoctorCheck("server", connection.address, warning: warning(error))]
        }
    }

    private static func checks(_ client: StintClient) async -> [DoctorCheck] {
        let health: HealthView
        do {
            health = try await client.health()
        } catch {
            return [DoctorCheck("health", "no answer", warning: warning(error))]
        }
        return [
            DoctorCheck("health", health.status),
            versionCheck(health),
            await check("ready") { try await readyCheck(client.readiness()) },
            await check("access") {
                let stats = try await client.stats()
                let open = stats.counts.filter { !$0.key.isTerminal }.reduce(0) { $0 + $1.value }
                return DoctorCheck("access", "granted, \(open) open jobs")
            },
        ]
    }

    private static func check(_ key: String, _ body: () async throws -> DoctorCheck) async -> DoctorCheck {
        do {
            return try await body()
        } catch {
            return DoctorCheck(key, "failed", warning: warning(error))
        }
    }

    private static func readyCheck(_ health: HealthView) -> DoctorCheck {
        let isReady = health.status == "ok"
        return DoctorCheck(
            "ready",
            health.status,
            warning: isReady ? nil : "the server takes no work: it is stopping, or cannot reach its record"
        )
    }

    private static func versionCheck(_ health: HealthView) -> DoctorCheck {
        let version = health.version ?? "unknown"
        return DoctorCheck(
            "server version",
            version,
            warning: version == StintVersion.current
                ? nil : "it differs from this program's, \(StintVersion.current): upgrade the older one"
        )
    }

    private static func warning(_ error: any Error) -> String {
        guard let error = error as? ClientError else { return "\(error)" }
        let failure = CommandFailure(error)
        return [failure.message, failure.advice].compactMap(\.self).joined(separator: ". ")
    }
}
