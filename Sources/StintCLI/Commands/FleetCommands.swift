// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintCoordinator
import StintServer

/// The command `stint submitter`.
struct SubmitterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submitter",
        abstract: "Take jobs and answer questions about them, on a shared PostgreSQL record.",
        discussion: """
            Any number of submitters may run on one database. Jobs are run by workers of the coordinators on the same \
            database; with the same --redis-url they start at once, without within the fallback interval.
            """
    )

    @OptionGroup var settings: ServerOptions

    func run() async throws { try await settings.runFleetServer([.submitter], as: "submitter") }
}

/// The command `stint coordinator`.
struct CoordinatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator",
        abstract: "Serve workers and keep house, on a shared PostgreSQL record.",
        discussion: """
            Any number of coordinators may run on one database; none is the master, and any of them serves any worker.
            """
    )

    @OptionGroup var settings: ServerOptions

    func run() async throws { try await settings.runFleetServer([.coordinator], as: "coordinator") }
}

extension ServerOptions {
    fileprivate func runFleetServer(_ roles: Set<Coordinator.Role>, as command: String) async throws {
        let configuration = try configuration()
        do {
            try configuration.requireDatabase(for: command)
        } catch let error as ConfigurationError {
            throw CommandFailure(.wrongUsage, error.description)
        }
        try await ServerRun(configuration, roles: roles, logger(configuration)).run()
    }
}
