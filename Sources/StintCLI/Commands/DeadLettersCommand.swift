// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint dead-letters`.
struct DeadLettersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "Look at the jobs that died, send them back or delete them.",
        subcommands: [List.self, Groups.self, Show.self, Redrive.self, Purge.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List dead letters, newest first.")

        @OptionGroup var filter: DeadLetterOptions
        @OptionGroup var paging: PagingOptions
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let selection = filter.selection
            let (jobs, cursor) = try await connection.withClient { client in
                try await paging.collect { try await client.deadLetters(selection, cursor: $0, limit: $1) }
            }
            try output.show(.jobs(jobs, nextCursor: cursor, now: Console.current.now()))
        }
    }

    struct Groups: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Count dead letters by what they died of.")

        @Option(help: "At most this many groups, up to 200.")
        var limit = 50

        @OptionGroup var filter: DeadLetterOptions
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (1...200).contains(limit) else { throw ValidationError("--limit must be 1 to 200") }
        }

        func run() async throws {
            let (selection, limit) = (filter.selection, limit)
            let groups = try await connection.withClient { try await $0.deadLetterGroups(selection, limit: limit) }
            try output.show(.groups(groups, now: Console.current.now()))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a dead letter with all its attempts.")

        @Argument(help: "The job.")
        var id: JobID

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = id
            let job = try await connection.withClient { try await $0.job(id) }
            guard job.state == .dead else {
                throw CommandFailure(
                    .notFound,
                    "job \(id) is no dead letter: it is \(job.state.name)",
                    advice: "Look at it with `stint jobs show \(id)`."
                )
            }
            try output.show(.job(job, now: Console.current.now()))
        }
    }
}

/// Which dead letters are meant.
struct DeadLetterOptions: ParsableArguments {
    @Option(help: "Those of this queue.")
    var queue: String?

    @Option(help: "Those of this job name.")
    var name: String?

    @Option(help: "Those that died of this.")
    var cause: DeadCause?

    @Option(help: "Those of this group; see `stint dead-letters groups`.")
    var fingerprint: String?

    var selection: DeadLetterSelection {
        DeadLetterSelection(queue: queue, name: name, cause: cause, fingerprint: fingerprint)
    }
}
