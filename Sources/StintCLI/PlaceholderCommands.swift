// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import ServiceLifecycle
import StintServer

// Each of these goes when the command itself comes.

struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", abstract: "Run a worker.")
}

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench", abstract: "Measure.")
}

extension ServeCommand {
    func sampleWorker(
        _ addresses: EmbeddedServer.Addresses,
        _ configuration: ServerConfiguration,
        _ logger: Logger
    ) -> any Service {
        preconditionFailure("not yet")
    }
}
