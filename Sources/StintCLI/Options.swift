// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// Which server a command talks to.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where the server is. (default: $STINT_API_URL, http://127.0.0.1:8000)", valueName: "url")
    )
    var apiURL: String?

    /// The address, in effect.
    var address: String {
        apiURL ?? Console.current.setting("STINT_API_URL") ?? StintClient.Configuration().url
    }

    /// Calls `body` with a client that lives as long as the call.
    func withClient<Result>(
        retriesMax: Int = 3,
        _ body: (StintClient) async throws -> Result
    ) async throws -> Result {
        // Never a flag: every user of the machine can read the arguments of every process.
        var configuration = StintClient.Configuration(url: address, token: Console.current.setting("STINT_TOKEN"))
        configuration.retriesMax = retriesMax
        let client = try StintClient(configuration)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }
}

/// How a command says what it has to say.
struct OutputOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "How to print: as a table, JSON, YAML, or ids only.")
    var output: OutputFormat = .table

    func show(_ report: Report) throws {
        try Console.current.show(report, as: output)
    }
}

extension Console {
    /// A variable of the environment; one that is empty counts as not set.
    func setting(_ name: String) -> String? {
        environment(name).flatMap { $0.isEmpty ? nil : $0 }
    }
}
