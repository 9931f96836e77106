// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintBench
import StintServer
import StintWire

/// The command `stint bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast this machine's server is.",
        discussion: """
            Starts a server, and where needed a worker, of its own for every run, on a data directory of its own, and sends \
            no-op jobs with payloads of 100 bytes. Every acknowledged job is flushed. See docs/performance.md.

            With --database-url a submitter and a coordinator are started on that database, which must hold no jobs of \
            anybody else: what is measured stays in it.
            """
    )

    @Option(help: "Runs of each scenario; the median is the result.")
    var runs = 3

    @Option(help: "Jobs of the batch, drain and end to end scenarios.")
    var jobs = 100_000

    @Option(help: "Slots of the worker.")
    var slots = 100

    @Option(help: ArgumentHelp("Where the servers' data goes.", valueName: "path"))
    var directory = "/tmp"

    @Option(help: ArgumentHelp("Measure the distributed mode on this database.", valueName: "url"))
    var databaseURL: String?

    @Option(help: ArgumentHelp("Its Redis; without one the database is all.", valueName: "url"))
    var redisURL: String?

    @Option(help: ArgumentHelp("Only this scenario; can be repeated.", valueName: "name"))
    var scenario: [String] = []

    @Option(help: ArgumentHelp("Also write the figures as JSON to this file.", valueName: "path"))
    var jsonFile: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard runs >= 1, jobs >= 1000, slots >= 1 else {
            throw ValidationError("--runs and --slots must be at least 1, --jobs at least 1000")
        }
        guard redisURL == nil || databaseURL != nil else {
            throw ValidationError("--redis-url needs --database-url: Redis alone is no record")
        }
        let known = Benchmark.Scenario.allCases.map(\.rawValue)
        for name in scenario where !known.contains(name) {
            throw ValidationError("unknown scenario '\(name)'; known are: \(known.joined(separator: ", "))")
        }
    }

    func run() async throws {
        var settings = Benchmark.Settings()
        settings.runs = runs
        settings.jobs = jobs
        settings.slots = slots
        settings.record =
            databaseURL.map { .shared(databaseURL: $0, redisURL: redisURL) } ?? .embedded(directory: directory)
        if !scenario.isEmpty { settings.scenarios = scenario.compactMap(Benchmark.Scenario.init(rawValue:)) }
        let console = Console.current
        let outcomes: [Benchmark.Outcome]
        do {
            outcomes = try Benchmark(settings) { console.errorLine($0) }.run()
        } catch let error as BenchError {
            throw CommandFailure(.failed, error.description)
        }
        let json = json(outcomes)
        if let jsonFile { try Machine.write(json, to: jsonFile) }
        try output.show(report(outcomes, json))
    }

    private func report(_ outcomes: [Benchmark.Outcome], _ json: [UInt8]) -> Report {
        var table = Table([
            .init("SCENARIO", isWhole: true), .init("MEDIAN"), .init("MIN"), .init("MAX"), .init("UNIT"),
            .init("CPU S/1000 JOBS"), .init("SERVER MB"),
        ])
        for outcome in outcomes {
            let sorted = outcome.runs.sorted()
            let figures = [outcome.median, sorted.first ?? 0, sorted.last ?? 0].map { figure($0, outcome.unit) }
            table.rows.append(
                ([outcome.name] + figures + [
                    outcome.unit, Self.rounded(outcome.cpuSecondsPer1000Jobs, 4), Self.rounded(outcome.serverMB, 0),
                ]).map { Table.Cell($0) }
            )
        }
        return Report([.table(table)], json: json)
    }

    private func figure(_ value: Double, _ unit: String) -> String {
        Self.rounded(value, unit == "ms" ? 2 : 0)
    }

    private static func rounded(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        return digits == 0 ? String(Int(rounded)) : String(rounded)
    }

    private func json(_ outcomes: [Benchmark.Outcome]) -> [UInt8] {
        JSONWriter.write(capacity: 4096) { json in
            json.object { json in
                json.name("machine")
                json.object { json in
                    json.name("cores")
                    json.int(Machine.cores)
                }
                json.name("settings")
                json.object { json in
                    json.name("runs")
                    json.int(runs)
                    json.name("jobs")
                    json.int(jobs)
                    json.name("slots")
                    json.int(slots)
                }
                json.name("scenarios")
                json.array(outcomes) { $0.outcome($1) }
            }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func outcome(_ outcome: Benchmark.Outcome) {
        object { json in
            json.name("name")
            json.string(outcome.name)
            json.name("unit")
            json.string(outcome.unit)
            json.name("median")
            json.double(outcome.median)
            json.name("min")
            json.double(outcome.runs.min() ?? 0)
            json.name("max")
            json.double(outcome.runs.max() ?? 0)
            json.name("runs")
            json.array(outcome.runs) { $0.double($1) }
            json.name("cpu_seconds_per_1000_jobs")
            json.double(outcome.cpuSecondsPer1000Jobs)
            json.name("server_rss_mb")
            json.double(outcome.serverMB)
        }
    }
}
