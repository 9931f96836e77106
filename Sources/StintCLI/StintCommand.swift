// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import StintClient
import StintWire

/// The root of the command line.
package struct StintCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "stint",
        abstract: "Runs jobs: durably, on one worker at a time, again when they fail.",
        discussion: """
            Commands that talk to a server find it at --api-url or STINT_API_URL (http://127.0.0.1:8000) and show it the \
            token in STINT_TOKEN.

            Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused by the server, 5 server not reachable.
            """,
        version: StintVersion.current,
        groupedSubcommands: [
            CommandGroup(
                name: "Run",
                subcommands: [
                    ServeCommand.self, SubmitterCommand.self, CoordinatorCommand.self, WorkerCommand.self,
                    MigrateCommand.self,
                ]
            ),
            CommandGroup(
                name: "Jobs",
                subcommands: [SubmitCommand.self, JobsCommand.self, DeadLettersCommand.self]
            ),
            CommandGroup(
                name: "Look",
                subcommands: [QueuesCommand.self, WorkersCommand.self, StatsCommand.self, DoctorCommand.self]
            ),
            CommandGroup(name: "More", subcommands: [BenchCommand.self, VersionCommand.self]),
        ]
    )

    package init() {}
}

extension StintCommand {
    /// Runs the command that the arguments name and gives the status to end with.
    package static func run(_ arguments: [String]) async -> Int32 {
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return ExitStatus.done.rawValue
        } catch {
            return report(error)
        }
    }

    /// Says on the standard error what went wrong, where and what to do about it.
    private static func report(_ error: any Error) -> Int32 {
        let console = Console.current
        switch error {
        case let error as ClientError: return console.report(CommandFailure(error))
        case let error as CommandFailure: return console.report(error)
        case is CancellationError: return console.report(CommandFailure(.failed, "interrupted"))
        default: break
        }
        let status = exitCode(for: error)
        let message = fullMessage(for: error)
        if status.isSuccess {
            // Help or a version was asked for.
            if !message.isEmpty { console.line(message) }
        } else if !message.isEmpty {
            console.errorLine(message)
        }
        return status == .validationFailure ? ExitStatus.wrongUsage.rawValue : status.rawValue
    }
}

extension Console {
    /// Says what went wrong and gives the status to end with.
    func report(_ failure: CommandFailure) -> Int32 {
        let lines = DisplayText.safeLines(failure.message)
        errorLine("stint: \(lines.joined(separator: "\n"))")
        if let advice = failure.advice { errorLine(advice) }
        return failure.status.rawValue
    }
}
