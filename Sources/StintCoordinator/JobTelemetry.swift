// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
package import StintTelemetry

/// Counts what the record's changes mean for jobs and attempts.
package struct JobTelemetry: Sendable {
    private let submitted: CounterFamily
    private let started: CounterFamily
    private let finished: CounterFamily
    private let attempts: CounterFamily
    private let retries: CounterFamily
    private let sessionsLost: CounterFamily
    private let timeouts: CounterFamily
    private let wait: HistogramFamily
    private let run: HistogramFamily
    private let endToEnd: HistogramFamily

    package init(_ registry: MetricRegistry) {
        let lane = ["queue", "name"]
        submitted = registry.counter("stint_jobs_submitted_total", help: "Jobs stored.", labels: lane)
        started = registry.counter("stint_jobs_started_total", help: "Attempts leased.", labels: lane)
        finished = registry.counter(
            "stint_jobs_finished_total",
            help: "Jobs that reached a terminal state.",
            labels: lane + ["outcome"]
        )
        attempts = registry.counter(
            "stint_attempts_finished_total",
            help: "Attempts that ended.",
            labels: lane + ["outcome"]
        )
        retries = registry.counter(
            "stint_job_retries_total",
            help: "Attempts that will be followed by another.",
            labels: lane + ["reason"]
        )
        sessionsLost = registry.counter(
            "stint_worker_sessions_lost_total",
            help: "Worker sessions whose lease ended without a goodbye."
        )
        timeouts = registry.counter(
            "stint_lease_timeouts_total",
            help: "Attempts ended by the server's timer.",
            labels: ["queue"]
        )
        let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600]
        wait = registry.histogram(
            "stint_job_wait_seconds",
            help: "From when a job could run to its start.",
            labels: lane,
            bounds: bounds
        )
        run = registry.histogram("stint_job_run_seconds", help: "Length of an attempt.", labels: lane, bounds: bounds)
        endToEnd = registry.histogram(
            "stint_job_end_to_end_seconds",
            help: "From submission to completion.",
            labels: lane,
            bounds: bounds
        )
    }

    /// The sums of one transaction, so that each family is locked once.
    private struct Sums {
        var submitted: [[String]: Int] = [:]
        var started: [[String]: Int] = [:]
        var finished: [[String]: Int] = [:]
        var attempts: [[String]: Int] = [:]
        var retries: [[String]: Int] = [:]
        var timeouts: [[String]: Int] = [:]
        var waits: [(labelValues: [String], value: Double)] = []
        var runs: [(labelValues: [String], value: Double)] = []
        var endToEnds: [(labelValues: [String], value: Double)] = []
    }

    func observe(_ batch: RecordBatch) {
        var sums = Sums()
        for change in batch.changes { Self.add(change, to: &sums) }
        submitted.add(sums.submitted)
        started.add(sums.started)
        finished.add(sums.finished)
        attempts.add(sums.attempts)
        retries.add(sums.retries)
        timeouts.add(sums.timeouts)
        wait.observe(sums.waits)
        run.observe(sums.runs)
        endToEnd.observe(sums.endToEnds)
        let lost = batch.notices.count { if case .sessionEnded(_, true) = $0 { true } else { false } }
        if lost > 0 { sessionsLost.add(lost, []) }
    }

    private static func add(_ change: JobChange, to sums: inout Sums) {
        let lane = [change.lane.queue, change.lane.name]
        if change.from == nil { sums.submitted[lane, default: 0] += 1 }
        if change.to == .running {
            sums.started[lane, default: 0] += 1
            sums.waits.append((lane, change.at.since(change.runAt).seconds))
        }
        if let to = change.to, to.isTerminal, change.from != to {
            sums.finished[lane + [to.name], default: 0] += 1
            if to == .completed { sums.endToEnds.append((lane, change.at.since(change.createdAt).seconds)) }
        }
        guard let outcome = change.outcome else { return }
        sums.attempts[lane + [outcome.name], default: 0] += 1
        if let start = change.startedAt { sums.runs.append((lane, change.at.since(start).seconds)) }
        if outcome == .timedOut { sums.timeouts[[change.lane.queue], default: 0] += 1 }
        let isRetried = change.to == .scheduled || change.to == .available
        if isRetried, outcome == .failed || outcome == .timedOut || outcome == .lost {
            sums.retries[lane + [outcome.name], default: 0] += 1
        }
    }
}
