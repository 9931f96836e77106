// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint workers`.
struct WorkersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers",
        abstract: "Look at worker sessions and drain them.",
        subcommands: [List.self, Show.self, Drain.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the workers, newest first.")

        @Flag(help: "Show those that have ended, too.")
        var all = false

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let workers = try await connection.withClient { try await $0.workers() }
            let shown = all ? workers : workers.filter { $0.state != .unavailable }
            try output.show(.workers(shown, now: Console.current.now()))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a worker session.")

        @Argument(help: "The worker session.")
        var id: WorkerID

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let workers = try await connection.withClient { try await $0.workers() }
            guard let worker = workers.first(where: { $0.id == id }) else {
                throw CommandFailure(.notFound, "there is no worker session \(id)")
            }
            try output.show(.worker(worker, now: Console.current.now()))
        }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a worker take no more jobs.",
            discussion: "Its running jobs go on to their end."
        )

        @Argument(help: "The worker session.")
        var id: WorkerID

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = id
            let worker = try await connection.withClient { try await $0.drain(worker: id) }
            try output.show(.worker(worker, now: Console.current.now()))
        }
    }
}
