// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint stats`.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show how many jobs there are and how fast they come and go."
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try output.show(.stats(try await connection.withClient { try await $0.stats() }))
    }
}
