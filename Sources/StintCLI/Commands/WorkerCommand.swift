// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Logging
import ServiceLifecycle
import StintModel
import StintServer
import StintWorker
import UnixSignals

/// The command `stint worker`.
package struct WorkerCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Run jobs: with shell commands, or the sample workloads.",
        discussion: """
            A command gets the payload on its standard input and in STINT_PAYLOAD; {payload} in it is replaced by the payload \
            as one quoted word. Its exit code decides: 0 completes the job with its output as the result; 65 and 100 fail it \
            for good; every other code fails it, to be retried.

            Coordinators come from --coordinator-url or STINT_COORDINATOR_URLS (comma-separated), the token from STINT_TOKEN.
            The first SIGTERM or SIGINT drains the worker, a second one ends it at once.
            """
    )

    @Flag(help: "Run the sample workloads, for jobs of any name.")
    var sample = false

    @Option(
        name: .customLong("exec"),
        help: ArgumentHelp("A shell command for the jobs of a name, or of any (*).", valueName: "name=command")
    )
    var commands: [ShellCommand] = []

    @Flag(help: .hidden)
    var noOp = false

    @Option(name: .customLong("queue"), help: ArgumentHelp("A queue to serve. (default: default)", valueName: "queue"))
    var queues: [String] = []

    @Option(help: "Jobs to run at the same time.")
    var concurrency = 10

    @Option(help: "What to call this worker. (default: the host's name)")
    var name: String?

    @Option(
        name: .customLong("coordinator-url"),
        help: ArgumentHelp(
            "A coordinator; several are tried in turn. (default: http://127.0.0.1:9000)",
            valueName: "url"
        )
    )
    var coordinatorURLs: [String] = []

    @Option(help: "Shortens the sample workloads: 0.01 runs them in a hundredth of their time.")
    var timeScale = 1.0

    @Option(
        help: ArgumentHelp("What the sample network_task asks. (default: the coordinator's health)", valueName: "url")
    )
    var networkURL: String?

    @Option(
        help: ArgumentHelp("How long running jobs may go on when the worker is stopped. (default: 25)", valueName: "s")
    )
    var drainSeconds: String?

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning or error. (default: info)", valueName: "level"))
    var logLevel: String?

    @Option(help: ArgumentHelp("text or json. (default: text)", valueName: "format"))
    var logFormat: String?

    package init() {}

    package func validate() throws {
        guard [sample, !commands.isEmpty, noOp].filter(\.self).count == 1 else {
            throw ValidationError("give either --sample or one --exec for each job name")
        }
        guard Set(commands.map(\.name)).count == commands.count else {
            throw ValidationError("there is more than one --exec for a job name")
        }
        guard (1...10_000).contains(concurrency) else {
            throw ValidationError("--concurrency must be from 1 to 10000")
        }
        guard timeScale > 0, timeScale <= 100 else {
            throw ValidationError("--time-scale must be more than 0 and at most 100")
        }
    }

    package func run() async throws {
        let settings = try WorkerSettings(flags: flags)
        let logger = settings.logger()
        let worker = StintWorker(configuration: workerConfiguration(settings), logger: logger)
        addHandlers(to: worker, settings)
        var group = ServiceGroupConfiguration(
            services: [
                .init(service: SecondSignal()),
                // It ends by itself when the server has drained it.
                .init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: settings.quiet(logger)
        )
        group.maximumGracefulShutdownDuration = .seconds(settings.drainSeconds + 15)
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as WorkerError {
            let isUsage = error.code == .configurationInvalid
            throw CommandFailure(isUsage ? .wrongUsage : .refused, error.message)
        }
    }

    private var flags: [String: String] {
        let values: [String: String?] = [
            "STINT_COORDINATOR_URLS": coordinatorURLs.isEmpty ? nil : coordinatorURLs.joined(separator: ","),
            "STINT_DRAIN_SECONDS": drainSeconds, "STINT_LOG_LEVEL": logLevel, "STINT_LOG_FORMAT": logFormat,
        ]
        return values.compactMapValues { $0 }
    }

    private func workerConfiguration(_ settings: WorkerSettings) -> WorkerConfiguration {
        WorkerConfiguration(
            coordinatorURLs: settings.coordinatorURLs,
            token: settings.token,
            name: name,
            queues: queues.isEmpty ? ["default"] : queues,
            concurrency: concurrency,
            drainTimeout: .seconds(settings.drainSeconds)
        )
    }

    private func addHandlers(to worker: StintWorker, _ settings: WorkerSettings) {
        if sample {
            let health = "\(settings.coordinatorURLs.first ?? "")/healthz"
            worker.handleSamples(timeScale: timeScale, networkURL: networkURL ?? health)
        }
        if noOp { worker.handleRaw("*") { _, _ in nil } }
        for command in commands { worker.handle(command) }
    }
}

extension ShellCommand: ExpressibleByArgument {
    /// Parses `name=command`.
    package init?(argument: String) {
        self.init(argument)
    }
}

/// What a worker takes from flags and environment.
struct WorkerSettings: Sendable {
    var coordinatorURLs: [String]
    var token: String?
    var drainSeconds: Double
    private var logLevel: Logger.Level
    private var isJSON: Bool

    private static let names = [
        "STINT_COORDINATOR_URLS", "STINT_TOKEN", "STINT_DRAIN_SECONDS", "STINT_LOG_LEVEL", "STINT_LOG_FORMAT",
    ]

    private enum Level: String, CaseIterable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
    }

    private enum Format: String, CaseIterable {
        case text
        case json
    }

    /// - Throws: A ``CommandFailure`` of wrong usage, with the setting, its value and what is allowed.
    init(flags: [String: String]) throws {
        let console = Console.current
        let environment = Self.names.compactMap { name in console.setting(name).map { (name, $0) } }
        let source = SettingSource(flags: flags, environment: Dictionary(uniqueKeysWithValues: environment))
        do {
            coordinatorURLs = source.text("STINT_COORDINATOR_URLS", default: "http://127.0.0.1:9000")
                .split(separator: ",").map { $0.trimmingPrefix { $0 == " " } }.map { String($0.prefix { $0 != " " }) }
            token = source.text("STINT_TOKEN")
            drainSeconds = try source.number("STINT_DRAIN_SECONDS", 0...3600, default: 25)
            let level = try source.choice("STINT_LOG_LEVEL", default: Level.info)
            logLevel = Logger.Level(rawValue: level.rawValue) ?? .info
            isJSON = try source.choice("STINT_LOG_FORMAT", default: Format.text) == .json
        } catch let error as ConfigurationError {
            throw CommandFailure(.wrongUsage, error.description)
        }
    }

    func logger() -> Logger {
        Logger(label: "stint.worker") { [logLevel, isJSON] in LogOutput(label: $0, level: logLevel, isJSON: isJSON) }
    }

    /// For those whose every step is of no interest to the one who runs a worker.
    func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = max(logLevel, .warning)
        return quiet
    }
}

extension ServeCommand {
    /// The sample worker beside the server: it stops first, and leaves the server time to stop.
    func sampleWorker(
        _ coordinatorURL: String,
        _ configuration: ServerConfiguration,
        _ logger: Logger
    ) -> any Service {
        makeSampleWorker(
            coordinatorURL: coordinatorURL,
            token: configuration.token,
            concurrency: sampleConcurrency,
            timeScale: sampleTimeScale,
            drainTimeout: .milliseconds(configuration.drain.count / 2),
            logger: logger
        )
    }
}
