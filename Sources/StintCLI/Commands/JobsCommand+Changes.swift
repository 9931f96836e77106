// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

extension JobsCommand {
    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Call jobs off.",
            discussion: "A running job ends as soon as its worker learns of it; if it completes first, it is completed."
        )

        @OptionGroup var targets: JobTargets

        func run() async throws {
            try await targets.change { try await $0.cancel($1) }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send dead, cancelled or expired jobs back, or start scheduled ones now."
        )

        @OptionGroup var targets: JobTargets

        func run() async throws {
            try await targets.change { try await $0.retry($1) }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete jobs that have come to their end.")

        @OptionGroup var targets: JobTargets

        func run() async throws {
            let deleted = try await targets.each { client, id in
                try await client.delete(id)
                return id
            }
            let json = IDsView(ids: deleted.results).encoded()
            let lines = deleted.results.map { "deleted \($0)" }
            try targets.output.show(Report([.lines(lines)], json: json, ids: deleted.results.map(\.description)))
            try deleted.check()
        }
    }
}

/// The jobs that a command is about.
struct JobTargets: ParsableArguments {
    @Argument(help: "The jobs.")
    var ids: [JobID]

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    /// What came of a command on several jobs.
    struct Outcome<Result> {
        var results: [Result] = []
        /// The status of the first failure, which has been told already.
        var failure: Int32?

        func check() throws {
            if let failure { throw ExitCode(failure) }
        }
    }

    /// Changes one job after the other.
    ///
    /// One that cannot be changed does not keep the others from it.
    func each<Result>(_ change: (StintClient, JobID) async throws -> Result) async throws -> Outcome<Result> {
        let ids = ids
        return try await connection.withClient { client in
            var outcome = Outcome<Result>()
            for id in ids {
                do {
                    outcome.results.append(try await change(client, id))
                } catch let error as ClientError where !error.isNotReachable {
                    var failure = CommandFailure(error)
                    failure.message = "\(id): \(failure.message)"
                    let status = Console.current.report(failure)
                    outcome.failure = outcome.failure ?? status
                }
            }
            return outcome
        }
    }

    func change(_ change: (StintClient, JobID) async throws -> JobView) async throws {
        let outcome = try await each(change)
        let jobs = outcome.results
        if !jobs.isEmpty || output.output != .table {
            // One job stands by itself; of several there is a list.
            if ids.count == 1, let job = jobs.first {
                let line = "\(job.id) is \(job.state.name)\(job.cancelRequested ? ", cancel requested" : "")"
                try output.show(Report([.line(line)], json: job.encoded(), ids: [job.id.description]))
            } else {
                try output.show(.jobs(jobs, nextCursor: nil, now: Console.current.now()))
            }
        }
        try outcome.check()
    }
}

/// How much of a list is wanted.
struct PagingOptions: ParsableArguments {
    @Option(help: "At most this many.")
    var limit = 50

    @Option(help: "Where the list before ended.")
    var cursor: String?

    /// What the server gives on one page at most.
    private static let pageMax = 200

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be at least 1") }
    }

    /// Asks for pages until there is enough.
    func collect<Item>(
        _ page: (_ cursor: String?, _ limit: Int) async throws -> PageView<Item>
    ) async throws -> (items: [Item], nextCursor: String?) {
        var items: [Item] = []
        var next = cursor
        repeat {
            let answer = try await page(next, min(Self.pageMax, limit - items.count))
            items += answer.items
            next = answer.nextCursor
        } while next != nil && items.count < limit
        return (items, next)
    }
}
