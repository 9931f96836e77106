// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint jobs`.
struct JobsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "Look at jobs and change them.",
        subcommands: [
            List.self, Show.self, Wait.self, Cancel.self, Retry.self, Explain.self, Delete.self,
        ]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List jobs, newest first.")

        @Option(help: "Jobs of this queue only.")
        var queue: String?

        @Option(help: "Jobs in this state only.")
        var state: JobState?

        @Option(help: "Jobs of this name only.")
        var name: String?

        @Option(help: "Jobs with this tag only.")
        var tag: String?

        @Option(help: ArgumentHelp("Jobs submitted then or later.", valueName: "RFC 3339"))
        var createdAfter: Timestamp?

        @Option(help: ArgumentHelp("Jobs submitted before then.", valueName: "RFC 3339"))
        var createdBefore: Timestamp?

        @OptionGroup var paging: PagingOptions
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            var filter = JobFilter()
            filter.queue = queue
            filter.state = state
            filter.name = name
            filter.tag = tag
            filter.createdAfter = createdAfter
            filter.createdBefore = createdBefore
            let wanted = filter
            let (jobs, cursor) = try await connection.withClient { client in
                try await paging.collect { try await client.jobs(wanted, cursor: $0, limit: $1) }
            }
            try output.show(.jobs(jobs, nextCursor: cursor, now: Console.current.now()))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a job with its attempts.")

        @Argument(help: "The job.")
        var id: JobID

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = id
            let job = try await connection.withClient { try await $0.job(id) }
            try output.show(.job(job, now: Console.current.now()))
        }
    }

    struct Wait: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait until a job has come to its end.",
            discussion: "The exit status is 0 when the job completed and 1 when it ended otherwise, or not in time."
        )

        @Argument(help: "The job.")
        var id: JobID

        @Flag(help: "Show how far it is.")
        var watch = false

        @Option(help: ArgumentHelp("Wait no longer than this: 90, 30s, 5m, 2h.", valueName: "time"))
        var timeout: Span?

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let (id, watch, timeout) = (id, watch, timeout)
            let job = try await connection.withClient { client in
                let job = try await client.job(id)
                return try await JobWaiting(client: client, isWatched: watch, limit: timeout).end(of: job)
            }
            try output.show(.job(job, now: Console.current.now()))
            try JobWaiting.check(job)
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say why a job is not running.")

        @Argument(help: "The job.")
        var id: JobID

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = id
            let explanation = try await connection.withClient { try await $0.explain(id) }
            let now = Console.current.now()
            var table = Table([.init("REASON", isWhole: true), .init("UNTIL"), .init("MEANING")])
            for reason in explanation.reasons {
                let until = reason.until.map { Span.relative($0, to: now) } ?? "-"
                table.rows.append([.init(reason.code), .init(until), .init(reason.message)])
            }
            let verdict = explanation.isRunnable ? "It can start at any moment." : "It cannot start now."
            try output.show(Report([.line(verdict), .table(table)], json: explanation.encoded()))
        }
    }
}
