// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import StintServer
import StintWire

/// The command `stint migrate`.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Bring the PostgreSQL schema to this version's.",
        discussion: """
            Servers refuse to start on a schema that is older or newer than they know. Steps only add, so that servers of the \
            version before go on working: migrate first, then replace them. The embedded record migrates itself.
            """,
        subcommands: [Status.self, Up.self, SQL.self],
        defaultSubcommand: Status.self
    )

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell where the schema stands.",
            discussion: "The exit status is 1 when servers of this version would not start on it."
        )

        @OptionGroup var database: DatabaseOption
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let status = try await database.perform { try await $0.schemaStatus() }
            let json = JSONWriter.write { json in
                json.object { json in
                    json.name("version")
                    json.int(status.version)
                    json.name("newest")
                    json.int(status.newest)
                    json.name("problem")
                    json.string(status.problem)
                }
            }
            let line = status.problem ?? "the schema is at version \(status.version), which is this program's"
            try output.show(Report([.lines([line])], json: json))
            if status.problem != nil { throw ExitCode(ExitStatus.failed.rawValue) }
        }
    }

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Do the steps that are missing.",
            discussion: "Safe to interrupt, to repeat, and to start twice at once."
        )

        @OptionGroup var database: DatabaseOption

        func run() async throws {
            let done = try await database.perform { try await $0.migrate() }
            for step in done { Console.current.line("done: \(step)") }
            if done.isEmpty { Console.current.line("nothing to do") }
        }
    }

    struct SQL: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sql",
            abstract: "Print all steps as a script for psql.",
            discussion: "For databases on which only somebody else may change the schema."
        )

        func run() throws {
            Console.current.line(SharedRecord.migrationScript)
        }
    }
}

/// Which database.
struct DatabaseOption: ParsableArguments {
    @Option(
        help: ArgumentHelp("postgres://user:password@host:5432/db. (default: $STINT_DATABASE_URL)", valueName: "url")
    )
    var databaseURL: String?

    func perform<Value: Sendable>(_ body: (SharedRecord) async throws -> Value) async throws -> Value {
        guard let url = databaseURL ?? Console.current.setting("STINT_DATABASE_URL") else {
            throw CommandFailure(.wrongUsage, "which database? Give --database-url or set STINT_DATABASE_URL")
        }
        // What goes wrong is said by the command itself.
        let logger = Logger(label: "stint") { LogOutput(label: $0, level: .critical, isJSON: false) }
        do {
            return try await body(try SharedRecord(url, logger: logger))
        } catch let error as ConfigurationError {
            throw CommandFailure(.wrongUsage, error.description)
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }
}
