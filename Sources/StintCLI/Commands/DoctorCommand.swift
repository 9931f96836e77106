// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint doctor`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this machine, the data directory and the server.",
        discussion: "The exit status is 1 when something needs attention."
    )

    @Option(help: ArgumentHelp("The embedded record. (default: $STINT_DATA_DIR, ./stint-data)", valueName: "path"))
    var dataDir: String?

    @Option(help: ArgumentHelp("The shared record. (default: $STINT_DATABASE_URL)", valueName: "url"))
    var databaseURL: String?

    @Option(help: ArgumentHelp("The shared queue. (default: $STINT_REDIS_URL)", valueName: "url"))
    var redisURL: String?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let console = Console.current
        var checks = MachineChecks.run()
        if let database = databaseURL ?? console.setting("STINT_DATABASE_URL") {
            let redis = redisURL ?? console.setting("STINT_REDIS_URL")
            checks += await FleetChecks.run(databaseURL: database, redisURL: redis)
        } else {
            checks += DataDirectoryChecks.run(dataDir ?? console.setting("STINT_DATA_DIR") ?? "./stint-data")
            checks += RecordChecks.run()
        }
        checks += await ServerChecks.run(connection)
        try output.show(Self.report(checks))
        if checks.contains(where: { $0.warning != nil }) { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private static func report(_ checks: [DoctorCheck]) -> Report {
        var table = Table([.init("CHECK", isWhole: true), .init("", isWhole: true), .init("VALUE", isWhole: true)])
        var blocks: [Report.Block] = []
        for check in checks {
            let verdict = check.warning == nil ? Table.Cell("ok", .green) : Table.Cell("!", .yellow)
            table.rows.append([.init(check.key), verdict, .init(check.value)])
        }
        blocks.append(.table(table))
        let warnings = checks.compactMap { check in check.warning.map { "\(check.key): \($0)" } }
        if !warnings.isEmpty { blocks += [.heading("Needs attention"), .lines(warnings)] }
        return Report(blocks, json: json(checks))
    }

    private static func json(_ checks: [DoctorCheck]) -> [UInt8] {
        JSONWriter.write { json in
            json.object { json in
                json.name("checks")
                json.array(checks) { json, check in
                    json.object { json in
                        json.name("key")
                        json.string(check.key)
                        json.name("value")
                        json.string(check.value)
                        json.name("warning")
                        json.string(check.warning)
                    }
                }
            }
        }
    }
}
