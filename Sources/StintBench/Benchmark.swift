// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Measures a server with the workload of docs/performance.md: durable, no-op jobs with payloads of 100 bytes.
package struct Benchmark: Sendable {
    package struct Settings: Sendable {
        package var runs = 3
        package var jobs = 100_000
        package var singles = 30_000
        package var latencyJobs = 500
        package var latencyPerSecond = 100.0
        package var slots = 100
        /// Where the servers' data goes: what is measured.
        package var record = BenchRecord.embedded(directory: "/tmp")
        package var scenarios: [Scenario] = Scenario.allCases

        package init() {}
    }

    package enum Scenario: String, CaseIterable, Sendable {
        case submitBatch = "submit_batch"
        case submitSingle = "submit_single"
        case drain
        case endToEnd = "end_to_end"
        case latency
    }

    /// What came out of a scenario.
    package struct Outcome: Sendable {
        package var name: String
        package var unit: String
        package var runs: [Double]
        package var cpuSecondsPer1000Jobs: Double
        package var serverMB: Double

        package var median: Double { runs.sorted()[runs.count / 2] }
    }

    private let settings: Settings
    private let progress: @Sendable (String) -> Void

    package init(_ settings: Settings, progress: @escaping @Sendable (String) -> Void) {
        self.settings = settings
        self.progress = progress
    }

    package func run() throws -> [Outcome] {
        try settings.scenarios.flatMap { scenario -> [Outcome] in
            var samples: [[Sample]] = []
            for run in 1...settings.runs {
                progress("\(scenario.rawValue): run \(run) of \(settings.runs)")
                samples.append(try sample(scenario))
            }
            return (0..<(samples.first?.count ?? 0)).map { index in Self.outcome(samples.map { $0[index] }) }
        }
    }

    /// One figure of one run.
    struct Sample {
        var name: String
        var unit = "jobs/s"
        var value: Double
        var cpuSecondsPer1000Jobs: Double
        var serverMB: Double
    }

    private static func outcome(_ samples: [Sample]) -> Outcome {
        let middle = samples.count / 2
        return Outcome(
            name: samples[0].name,
            unit: samples[0].unit,
            runs: samples.map(\.value),
            cpuSecondsPer1000Jobs: samples.map(\.cpuSecondsPer1000Jobs).sorted()[middle],
            serverMB: samples.map(\.serverMB).max() ?? 0
        )
    }

    private func sample(_ scenario: Scenario) throws -> [Sample] {
        let bench = try BenchServer(settings.record)
        defer { bench.stop() }
        switch scenario {
        case .submitBatch: return [try measure(bench, "submit_batch", settings.jobs) { try submitBatches(bench, 1000) }]
        case .submitSingle: return [try measure(bench, "submit_single", settings.singles) { try submitSingles(bench) }]
        case .drain: return [try drain(bench)]
        case .endToEnd: return [try endToEnd(bench)]
        case .latency: return try latency(bench)
        }
    }

    private func measure(_ bench: BenchServer, _ name: String, _ jobs: Int, _ body: () throws -> Void) throws -> Sample
    {
        let cpu = bench.usage.cpuSeconds
        let start = monotonicSeconds()
        try body()
        let seconds = monotonicSeconds() - start
        let usage = bench.usage
        return Sample(
            name: name,
            value: Double(jobs) / seconds,
            cpuSecondsPer1000Jobs: (usage.cpuSeconds - cpu) / Double(jobs) * 1000,
            serverMB: usage.residentMB
        )
    }

    // MARK: Scenarios

    private func submitBatches(_ bench: BenchServer, _ size: Int) throws {
        let body = BenchJob.batch(size, bench.queue)
        let left = Atomic(settings.jobs)
        try onThreads(4) { _ in
            let connection = try BlockingConnection(bench.api)
            while left.subtract(size, ordering: .relaxed).newValue >= 0 {
                _ = try connection.send("POST", "/v1/jobs/batch", body)
            }
        }
    }

    private func submitSingles(_ bench: BenchServer) throws {
        let body = BenchJob.single(0, bench.queue)
        let left = Atomic(settings.singles)
        try onThreads(32) { _ in
            let connection = try BlockingConnection(bench.api)
            while left.subtract(1, ordering: .relaxed).newValue >= 0 {
                _ = try connection.send("POST", "/v1/jobs", body)
            }
        }
    }

    /// Counts from when the first job is done, so that the worker's start does not count.
    private func drain(_ bench: BenchServer) throws -> Sample {
        try submitBatches(bench, 1000)
        try bench.startWorker(slots: settings.slots)
        let first = try bench.waitForCompleted(1)
        return try measure(bench, "drain", settings.jobs - first) { _ = try bench.waitForCompleted(settings.jobs) }
    }

    private func endToEnd(_ bench: BenchServer) throws -> Sample {
        try bench.startWorker(slots: settings.slots)
        return try measure(bench, "end_to_end", settings.jobs) {
            try submitBatches(bench, 100)
            _ = try bench.waitForCompleted(settings.jobs)
        }
    }

    /// From just before a job is sent to when a parked worker holds it, at a fixed rate of arrivals.
    private func latency(_ bench: BenchServer) throws -> [Sample] {
        let probe = try LatencyProbe(bench, jobs: settings.latencyJobs, perSecond: settings.latencyPerSecond)
        let cpu = bench.usage.cpuSeconds
        let milliseconds = try probe.run().sorted()
        let usage = bench.usage
        return [(50, 0.5), (99, 0.99)].map { percent, share in
            Sample(
                name: "latency_p\(percent)",
                unit: "ms",
                value: milliseconds[min(milliseconds.count - 1, Int(Double(milliseconds.count) * share))],
                cpuSecondsPer1000Jobs: (usage.cpuSeconds - cpu) / Double(settings.latencyJobs) * 1000,
                serverMB: usage.residentMB
            )
        }
    }
}

/// The jobs of the workload.
enum BenchJob {
    /// A JSON string of 100 bytes that tells the job's number.
    static func single(_ number: Int, _ queue: String) -> [UInt8] {
        let digits = String(number)
        let padding = String(repeating: "x", count: 98 - digits.count - 1)
        return Array("{\"name\":\"noop\",\"queue\":\"\(queue)\",\"payload\":\"\(digits)-\(padding)\"}".utf8)
    }

    static func batch(_ size: Int, _ queue: String) -> [UInt8] {
        var body = Array("{\"jobs\":[".utf8)
        for number in 0..<size {
            if number > 0 { body.append(UInt8(ascii: ",")) }
            body += single(number, queue)
        }
        return body + Array("]}".utf8)
    }
}
