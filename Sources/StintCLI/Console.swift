// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Where the commands read and write.
///
/// Tests put another one in its place.
package struct Console: Sendable {
    /// The console of the running command.
    @TaskLocal package static var current = Console.system

    package var write: @Sendable (String) -> Void
    package var writeError: @Sendable (String) -> Void
    /// All of the standard input.
    package var readInput: @Sendable () throws -> [UInt8]
    /// One line of the standard input without its end.
    package var readLine: @Sendable () -> String?
    package var environment: @Sendable (String) -> String?
    package var isInputTerminal: Bool
    package var isOutputTerminal: Bool
    package var isErrorTerminal: Bool
    /// Columns of the output's terminal, nil where it is none: then nothing is cut.
    package var width: @Sendable () -> Int?
    package var now: @Sendable () -> Timestamp

    package init(
        write: @escaping @Sendable (String) -> Void,
        writeError: @escaping @Sendable (String) -> Void,
        readInput: @escaping @Sendable () throws -> [UInt8] = { [] },
        readLine: @escaping @Sendable () -> String? = { nil },
        environment: @escaping @Sendable (String) -> String? = { _ in nil },
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.write = write
        self.writeError = writeError
        self.readInput = readInput
        self.readLine = readLine
        self.environment = environment
        isInputTerminal = false
        isOutputTerminal = false
        isErrorTerminal = false
        width = { nil }
        self.now = now
    }
}

extension Console {
    /// Whether colours are wanted: on a terminal that has them, unless `NO_COLOR` is set (no-color.org).
    package var hasColors: Bool {
        isOutputTerminal && environment("NO_COLOR").map(\.isEmpty) ?? true && environment("TERM") != "dumb"
    }

    package func line(_ text: String) {
        write(text + "\n")
    }

    package func errorLine(_ text: String) {
        writeError(text + "\n")
    }

    /// The process's own.
    package static let system: Console = {
        var console = Console(
            write: { Descriptor.output.write($0) },
            writeError: { Descriptor.error.write($0) },
            readInput: { try Descriptor.input.readAll() },
            readLine: { Swift.readLine() },
            environment: { Machine.environment($0) },
            now: { Machine.now() }
        )
        console.isInputTerminal = Descriptor.input.isTerminal
        console.isOutputTerminal = Descriptor.output.isTerminal
        console.isErrorTerminal = Descriptor.error.isTerminal
        if console.isOutputTerminal { console.width = { Descriptor.output.terminalWidth } }
        return console
    }()
}
