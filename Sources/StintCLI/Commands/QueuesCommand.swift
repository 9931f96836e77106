// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint queues`.
struct QueuesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues",
        abstract: "Look at queues, pause and resume them.",
        subcommands: [List.self, Show.self, Pause.self, Resume.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the queues.")

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try output.show(.queues(try await connection.withClient { try await $0.queues() }))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a queue.")

        @OptionGroup var target: QueueTarget

        func run() async throws {
            try await target.show { try await $0.queue($1) }
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Start no more jobs of a queue.",
            discussion: "Running jobs go on, and jobs can still be submitted. Others see who paused it."
        )

        @OptionGroup var target: QueueTarget

        func run() async throws {
            try await target.show { try await $0.pause(queue: $1, by: Machine.person) }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Start jobs of a queue again.")

        @OptionGroup var target: QueueTarget

        func run() async throws {
            try await target.show { try await $0.resume(queue: $1) }
        }
    }
}

/// The queue that a command is about.
struct QueueTarget: ParsableArguments {
    @Argument(help: "The name of the queue.")
    var name: String

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func show(_ call: (StintClient, String) async throws -> QueueView) async throws {
        let name = name
        try output.show(.queue(try await connection.withClient { try await call($0, name) }))
    }
}
