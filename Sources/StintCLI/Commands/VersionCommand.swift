// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintWire

/// The command `stint version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup var output: OutputOptions

    func run() throws {
        let json = JSONWriter.write { json in
            json.object { json in
                json.name("version")
                json.string(StintVersion.current)
            }
        }
        try output.show(
            Report([.line("stint \(StintVersion.current)")], json: json, ids: [StintVersion.current])
        )
    }
}
