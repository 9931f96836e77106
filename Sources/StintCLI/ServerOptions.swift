// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import StintServer

/// The settings of a server as flags.
///
/// What they mean and allow stands in docs/configuration.md.
struct ServerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file with settings.", valueName: "stint.yaml"))
    var config: String?

    @Option(help: ArgumentHelp("Where the embedded record lies. (default: ./stint-data)", valueName: "path"))
    var dataDir: String?

    @Option(help: ArgumentHelp("The shared record: postgres://user:password@host:5432/db.", valueName: "url"))
    var databaseURL: String?

    @Option(help: ArgumentHelp("The shared queue: redis://:password@host:6379/0.", valueName: "url"))
    var redisURL: String?

    @Flag(help: "Bring the database to this version's schema before starting.")
    var migrate = false

    @Option(help: ArgumentHelp("Where the submitter's API listens. (default: 127.0.0.1)", valueName: "host"))
    var apiHost: String?

    @Option(help: ArgumentHelp("Its port; 0 for any that is free. (default: 8000)", valueName: "port"))
    var apiPort: String?

    @Option(help: ArgumentHelp("Where the coordinator listens. (default: 127.0.0.1)", valueName: "host"))
    var coordinatorHost: String?

    @Option(help: ArgumentHelp("Its port; 0 for any that is free. (default: 9000)", valueName: "port"))
    var coordinatorPort: String?

    @Option(help: ArgumentHelp("How long a worker session outlives its last heartbeat. (default: 30)", valueName: "s"))
    var leaseSeconds: String?

    @Option(
        help: ArgumentHelp(
            "How often workers send heartbeats. (default: a third of the lease, at most 10)",
            valueName: "s"
        )
    )
    var heartbeatSeconds: String?

    @Option(help: ArgumentHelp("How often lost sessions are looked for. (default: 1)", valueName: "s"))
    var sweepSeconds: String?

    @Option(
        help: ArgumentHelp(
            "How often the record is asked for what no other process told of. (default: 2)",
            valueName: "s"
        )
    )
    var fallbackPollSeconds: String?

    @Option(help: ArgumentHelp("How often the queue is compared with the record. (default: 10)", valueName: "s"))
    var reconcileSeconds: String?

    @Option(help: ArgumentHelp("How long stopping may take. (default: 25)", valueName: "s"))
    var drainSeconds: String?

    @Option(help: ArgumentHelp("How long idempotency keys are remembered. (default: 86400)", valueName: "s"))
    var idempotencySeconds: String?

    @Option(help: ArgumentHelp("How long ended jobs are kept. (default: 604800)", valueName: "s"))
    var retentionSeconds: String?

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning or error. (default: info)", valueName: "level"))
    var logLevel: String?

    @Option(help: ArgumentHelp("text or json. (default: text)", valueName: "format"))
    var logFormat: String?

    @Flag(help: "Listen beyond loopback without a token.")
    var allowInsecure = false

    private var flags: [String: String] {
        let values: [String: String?] = [
            "STINT_DATABASE_URL": databaseURL, "STINT_REDIS_URL": redisURL,
            "STINT_FALLBACK_POLL_SECONDS": fallbackPollSeconds, "STINT_RECONCILE_SECONDS": reconcileSeconds,
            "STINT_DATA_DIR": dataDir, "STINT_API_HOST": apiHost, "STINT_API_PORT": apiPort,
            "STINT_COORDINATOR_HOST": coordinatorHost, "STINT_COORDINATOR_PORT": coordinatorPort,
            "STINT_LEASE_SECONDS": leaseSeconds, "STINT_HEARTBEAT_SECONDS": heartbeatSeconds,
            "STINT_SWEEP_SECONDS": sweepSeconds, "STINT_DRAIN_SECONDS": drainSeconds,
            "STINT_IDEMPOTENCY_SECONDS": idempotencySeconds, "STINT_RETENTION_SECONDS": retentionSeconds,
            "STINT_LOG_LEVEL": logLevel, "STINT_LOG_FORMAT": logFormat,
            "STINT_ALLOW_INSECURE": allowInsecure ? "true" : nil,
        ]
        return values.compactMapValues { $0 }
    }

    /// - Throws: A ``CommandFailure`` of wrong usage, with the setting, its value and what is allowed.
    func configuration() throws -> ServerConfiguration {
        let console = Console.current
        let names = ServerConfiguration.names
        do {
            let path = config ?? console.setting("STINT_CONFIG")
            let source = SettingSource(
                flags: flags,
                environment: Dictionary(
                    uniqueKeysWithValues: names.compactMap { name in console.setting(name).map { (name, $0) } }
                ),
                file: try path.map { try ConfigurationFile.read($0, known: names) } ?? [:],
                filePath: path
            )
            var configuration = try ServerConfiguration(source)
            configuration.migrates = migrate
            return configuration
        } catch let error as ConfigurationError {
            throw CommandFailure(.wrongUsage, error.description)
        }
    }

    func logger(_ configuration: ServerConfiguration) -> Logger {
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        let isJSON = configuration.logFormat == .json
        return Logger(label: "stint") { LogOutput(label: $0, level: level, isJSON: isJSON) }
    }
}
