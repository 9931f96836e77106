// SPDX-License-Identifier: Apache-2.0

import StintCLI
import StintModel
import Synchronization

/// What a command wrote, and how it ended.
struct CommandOutcome {
    var status: Int32
    var output: String
    var errors: String
}

/// What a command finds around it.
struct Surroundings: Sendable {
    var environment: [String: String] = [:]
    var input = ""
    /// The columns of the terminal; nil where there is none.
    var terminalWidth: Int?
    /// What the person at the terminal types.
    var typed: String?
}

/// Runs a command as the process would.
func stint(_ arguments: String..., surroundings: Surroundings = Surroundings()) async -> CommandOutcome {
    await stint(arguments, surroundings: surroundings)
}

/// Runs a command as the process would.
func stint(_ arguments: [String], surroundings: Surroundings = Surroundings()) async -> CommandOutcome {
    let output = Captured()
    let errors = Captured()
    var console = Console(
        write: { output.append($0) },
        writeError: { errors.append($0) },
        readInput: { Array(surroundings.input.utf8) },
        readLine: { surroundings.typed },
        environment: { surroundings.environment[$0] },
        now: { Timestamp(milliseconds: 1_796_115_600_000) }
    )
    console.isInputTerminal = surroundings.typed != nil
    if let width = surroundings.terminalWidth {
        console.isOutputTerminal = true
        console.isErrorTerminal = true
        console.width = { width }
    }
    let status = await Console.$current.withValue(console) { await StintCommand.run(arguments) }
    return CommandOutcome(status: status, output: output.text, errors: errors.text)
}

private final class Captured: Sendable {
    private let parts = Mutex<[String]>([])

    var text: String { parts.withLock { $0.joined() } }

    func append(_ part: String) {
        parts.withLock { $0.append(part) }
    }
}
