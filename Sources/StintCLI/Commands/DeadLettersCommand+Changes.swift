// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

extension DeadLettersCommand {
    struct Redrive: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send dead letters back, oldest death first.",
            discussion: "Without ids and filters all of them are meant. Asks before it does anything; --yes answers."
        )

        @OptionGroup var targets: DeadLetterTargets

        @Option(help: "Let this many become due per second, not all at once.")
        var perSecond: Double?

        func validate() throws {
            if let perSecond, !(0.001...100_000).contains(perSecond) {
                throw ValidationError("--per-second must be 0.001 to 100000")
            }
        }

        func run() async throws {
            let perSecond = perSecond
            try await targets.change(asking: "Send back", saying: "sent back") { client, selection, limit in
                try await client.redrive(selection, limit: limit, perSecond: perSecond)
            }
        }
    }

    struct Purge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete dead letters for good, oldest death first.",
            discussion: "Without ids and filters all of them are meant. Asks before it does anything; --yes answers."
        )

        @OptionGroup var targets: DeadLetterTargets

        func run() async throws {
            try await targets.change(asking: "Delete for good", saying: "deleted") { client, selection, limit in
                try await client.purge(selection, limit: limit)
            }
        }
    }
}

/// The dead letters that a mass action is about, and the question before it.
struct DeadLetterTargets: ParsableArguments {
    @Argument(help: "These jobs only.")
    var ids: [JobID] = []

    @OptionGroup var filter: DeadLetterOptions

    @Option(help: "At most this many, up to 10000.")
    var limit = 1000

    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit must be 1 to 10000") }
        guard ids.count <= limit else { throw ValidationError("there are more ids than --limit allows") }
    }

    func change(
        asking question: String,
        saying verb: String,
        _ change: (StintClient, DeadLetterSelection, _ limit: Int) async throws -> Int
    ) async throws {
        var selection = filter.selection
        if !ids.isEmpty { selection.ids = ids }
        let (wanted, limit) = (selection, limit)
        let count = try await connection.withClient { client -> Int in
            if !yes {
                let found = try await Self.count(wanted, limit: limit, client)
                if found == 0 { return 0 }
                try Self.confirm(
                    "\(question) \(found == limit && wanted.ids == nil ? "up to " : "")\(found) dead letters?"
                )
            }
            return try await change(client, wanted, limit)
        }
        let noun = count == 1 ? "dead letter" : "dead letters"
        try output.show(Report([.line("\(verb) \(count) \(noun)")], json: CountView(count: count).encoded()))
    }

    /// How many the action will concern, as far as that can be told beforehand.
    private static func count(_ selection: DeadLetterSelection, limit: Int, _ client: StintClient) async throws -> Int {
        if let ids = selection.ids { return ids.count }
        let groups = try await client.deadLetterGroups(selection, limit: 200)
        return min(limit, groups.reduce(0) { $0 + $1.count })
    }

    private static func confirm(_ question: String) throws {
        let console = Console.current
        guard console.isInputTerminal else {
            throw CommandFailure(
                .wrongUsage,
                "\(question) There is nobody to ask: the standard input is no terminal",
                advice: "Say --yes to do it without a question."
            )
        }
        console.writeError("\(question) [y/N] ")
        let answer = console.readLine()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw CommandFailure(.failed, "nothing was done") }
    }
}
