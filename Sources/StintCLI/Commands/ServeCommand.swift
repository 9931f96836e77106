// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import StintCoordinator
import StintModel
import StintServer

/// The command `stint serve`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run everything in one process, on one SQLite file.",
        discussion: """
            With --database-url the record is PostgreSQL, which other submitters and coordinators may share.

            Every setting can be given as a flag, in the environment (STINT_DATA_DIR for --data-dir) or in a file \
            (--config stint.yaml), in this order of precedence. The token is read from STINT_TOKEN only.
            """
    )

    @OptionGroup var settings: ServerOptions

    @Flag(help: "Also run a sample worker in this process.")
    var worker = false

    @Option(help: "Shortens the sample workloads: 0.01 runs them in a hundredth of their time.")
    var sampleTimeScale = 1.0

    @Option(help: "Jobs the sample worker runs at once.")
    var sampleConcurrency = 10

    func validate() throws {
        guard sampleTimeScale > 0, sampleTimeScale <= 100 else {
            throw ValidationError("--sample-time-scale must be more than 0 and at most 100")
        }
        guard (1...10_000).contains(sampleConcurrency) else {
            throw ValidationError("--sample-concurrency must be from 1 to 10000")
        }
    }

    func run() async throws {
        let configuration = try settings.configuration()
        let logger = settings.logger(configuration)
        let (runsWorker, command) = (worker, self)
        try await ServerRun(configuration, roles: [.submitter, .coordinator], logger).run(
            onReady: { addresses in command.greet(addresses, Console.current) },
            companions: { addresses in
                guard runsWorker, let address = addresses.coordinator else { return [] }
                return [command.sampleWorker(address, configuration, logger)]
            }
        )
    }

    private func greet(_ addresses: Server.Addresses, _ console: Console) {
        guard let api = addresses.api, console.isOutputTerminal || worker else { return }
        console.line(
            """

            Try it:
              curl -X POST \(api)/submit_job -H "Content-Type: application/json" \
            -d '{"name": "cpu_intensive", "payload": "test task"}'
              stint stats --api-url \(api)
            Ctrl-C stops the server; what was accepted is kept.

            """
        )
    }
}
