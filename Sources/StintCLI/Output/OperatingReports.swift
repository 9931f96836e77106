// SPDX-License-Identifier: Apache-2.0

import StintClient

extension Report {
    /// Queues as rows.
    static func queues(_ queues: [QueueView]) -> Report {
        let states: [JobState] = [.scheduled, .available, .running, .completed, .dead]
        var table = Table(
            [.init("QUEUE"), .init("STATUS", isWhole: true)] + states.map { .init($0.name.uppercased(), isRight: true) }
                + [.init("OLDEST", isRight: true)]
        )
        for queue in queues {
            table.rows.append(
                [.init(queue.queue), queue.statusCell] + states.map { .count(queue.counts[$0] ?? 0, $0) }
                    + [.init(queue.oldestAvailableAgeSeconds.map { Span.text($0) } ?? "-")]
            )
        }
        return Report(
            [.table(table)],
            json: PageView(items: queues).encoded(),
            ids: queues.map(\.queue),
            note: queues.isEmpty ? "There are none." : nil
        )
    }

    /// One queue.
    static func queue(_ queue: QueueView) -> Report {
        let counts = JobState.allCases.map { state in
            (name: state.name, value: Table.Cell.count(queue.counts[state] ?? 0, state))
        }
        let oldest = queue.oldestAvailableAgeSeconds.map { Span.text($0) } ?? "-"
        return Report(
            [
                .pairs(
                    [("queue", .init(queue.queue)), ("status", queue.statusCell)] + counts + [("oldest", .init(oldest))]
                )
            ],
            json: queue.encoded(),
            ids: [queue.queue]
        )
    }

    /// Worker sessions as rows.
    static func workers(_ workers: [WorkerView], now: Timestamp) -> Report {
        var table = Table([
            .init("ID", isWhole: true), .init("NAME"), .init("STATE", isWhole: true),
            .init("RUNS", isRight: true, isWhole: true),
            .init("SLOTS", isRight: true, isWhole: true), .init("QUEUES"), .init("JOBS"),
            .init("SEEN", isRight: true, isWhole: true),
        ])
        for worker in workers {
            table.rows.append([
                "\(worker.id)", .init(worker.name), .init(worker.state.rawValue, worker.state.style),
                "\(worker.running)",
                "\(worker.concurrency)", .init(worker.queues.joined(separator: ",")),
                .init(worker.jobNames.joined(separator: ",")), .age(of: worker.lastHeartbeatAt, now),
            ])
        }
        return Report(
            [.table(table)],
            json: PageView(items: workers).encoded(),
            ids: workers.map(\.id.description),
            note: workers.isEmpty ? "There are none." : nil
        )
    }

    /// One worker session.
    static func worker(_ worker: WorkerView, now: Timestamp) -> Report {
        Report(
            [
                .pairs([
                    ("id", "\(worker.id)"), ("name", .init(worker.name)), ("host", .init(worker.host)),
                    ("process", .init(worker.pid.map(String.init) ?? "-")), ("library", .init(worker.sdk)),
                    ("state", .init(worker.state.rawValue, worker.state.style)),
                    ("queues", .init(worker.queues.joined(separator: ", "))),
                    ("jobs", .init(worker.jobNames.joined(separator: ", "))),
                    ("running", "\(worker.running) of \(worker.concurrency)"),
                    ("started", .init(Span.relative(worker.startedAt, to: now))),
                    ("heard of", .init(Span.relative(worker.lastHeartbeatAt, to: now))),
                    ("lease ends", .init(Span.relative(worker.expiresAt, to: now))),
                ])
            ],
            json: worker.encoded(),
            ids: [worker.id.description]
        )
    }

    /// Dead letters by what they died of.
    static func groups(_ groups: [DeadLetterGroupView], now: Timestamp) -> Report {
        var table = Table([
            .init("FINGERPRINT", isWhole: true), .init("COUNT", isRight: true, isWhole: true), .init("NAME"),
            .init("QUEUES"),
            .init("LAST", isRight: true, isWhole: true), .init("ERROR"),
        ])
        for group in groups {
            let error = JobError(type: group.errorType, message: group.message).text
            table.rows.append([
                .init(group.fingerprint), "\(group.count)", .init(group.name),
                .init(group.queues.joined(separator: ",")),
                .age(of: group.lastSeen, now), .init(error),
            ])
        }
        return Report(
            [.table(table)],
            json: PageView(items: groups).encoded(),
            ids: groups.map(\.fingerprint),
            note: groups.isEmpty ? "There are none." : nil
        )
    }

    /// Totals and rates.
    static func stats(_ stats: StatsView) -> Report {
        var rates = Table([
            .init("PER SECOND"), .init("1 MIN", isRight: true), .init("5 MIN", isRight: true),
            .init("15 MIN", isRight: true),
        ])
        for (name, rate) in [("submitted", stats.submitted), ("completed", stats.completed), ("failed", stats.failed)] {
            rates.rows.append([
                .init(name), .rate(rate.oneMinute), .rate(rate.fiveMinutes), .rate(rate.fifteenMinutes),
            ])
        }
        var counts = Table([.init("STATE"), .init("JOBS", isRight: true)])
        for state in JobState.allCases {
            counts.rows.append([.init(state.name, state.style), .count(stats.counts[state] ?? 0, state)])
        }
        return Report([.table(counts), .line(""), .table(rates)], json: stats.encoded())
    }
}

extension QueueView {
    fileprivate var statusCell: Table.Cell {
        guard isPaused else { return .init("open", .green) }
        return .init(pausedBy.map { "paused by \($0)" } ?? "paused", .yellow)
    }
}

extension Table.Cell {
    /// How long ago an instant is.
    static func age(of instant: Timestamp, _ now: Timestamp) -> Table.Cell {
        .init(Span.text(max(0, now.since(instant).seconds)))
    }

    fileprivate static func count(_ count: Int, _ state: JobState) -> Table.Cell {
        .init("\(count)", count == 0 ? .dim : state == .dead ? .red : .plain)
    }

    /// Three digits are enough for a rate.
    fileprivate static func rate(_ rate: Double) -> Table.Cell {
        guard rate < 100 else { return "\(Int(min(rate, 1e15).rounded()))" }
        let hundredths = Int((max(0, rate) * 100).rounded())
        let fraction = hundredths % 100
        return .init("\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)", rate == 0 ? .dim : .plain)
    }
}
