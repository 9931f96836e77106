// SPDX-License-Identifier: Apache-2.0

import StintClient

extension Report {
    /// Jobs as rows.
    static func jobs(_ jobs: [JobView], nextCursor: String?, now: Timestamp) -> Report {
        var table = Table([
            .init("ID", isWhole: true), .init("STATE", isWhole: true), .init("NAME"), .init("QUEUE"),
            .init("ATT", isRight: true, isWhole: true), .init("AGE", isRight: true, isWhole: true), .init("NOTE"),
        ])
        for job in jobs {
            table.rows.append([
                "\(job.id)", .init(job.state.name, job.state.style), .init(job.name), .init(job.queue),
                "\(job.attempt)", .age(of: job.createdAt, now), .init(job.note(now)),
            ])
        }
        let more = nextCursor.map { "There are more: --cursor \($0)" }
        return Report(
            [.table(table)],
            json: PageView(items: jobs, nextCursor: nextCursor).encoded(capacity: 512 * (jobs.count + 1)),
            ids: jobs.map(\.id.description),
            note: more ?? (jobs.isEmpty ? "There are none." : nil)
        )
    }

    /// One job with everything that is known of it.
    static func job(_ job: JobView, now: Timestamp) -> Report {
        var blocks: [Block] = [.pairs(job.pairs(now))]
        if !job.metadataBytes.isEmpty {
            let pairs = job.metadata.sorted { $0.key < $1.key }
            blocks += [.heading("Metadata"), .pairs(pairs.map { (DisplayText.safe($0.key), .init($0.value)) })]
        }
        if !job.isSummary { blocks += value("Payload", job.payload) }
        if let result = job.result { blocks += value("Result", result) }
        if !job.attempts.isEmpty { blocks += [.heading("Attempts"), .table(job.attemptTable(now))] }
        if let error = job.lastError, !error.stack.isEmpty {
            blocks += [.heading("Last error"), .lines([error.stack])]
        }
        return Report(blocks, json: job.encoded(capacity: 2048), ids: [job.id.description])
    }

    private static func value(_ title: String, _ bytes: [UInt8]) -> [Block] {
        [.heading(title), .lines([JSONTree(bytes)?.indented ?? String(decoding: bytes, as: UTF8.self)])]
    }
}

extension JobView {
    /// What matters most of it besides its state.
    func note(_ now: Timestamp) -> String {
        switch state {
        case .scheduled: "due \(Span.relative(runAt, to: now))"
        case .running where cancelRequested: "cancel requested"
        case .running: progress.map(\.text) ?? startedAt.map { "started \(Span.relative($0, to: now))" } ?? ""
        case .dead: [cause?.name, lastError?.text].compactMap(\.self).joined(separator: ": ")
        case .blocked, .available, .completed, .cancelled, .expired:
            finishedAt.map { "ended \(Span.relative($0, to: now))" } ?? ""
        }
    }

    fileprivate func pairs(_ now: Timestamp) -> [(name: String, value: Table.Cell)] {
        var pairs: [(name: String, value: Table.Cell)] = [
            ("id", "\(id)"), ("name", .init(name)), ("queue", .init(queue)), ("state", .init(state.name, state.style)),
            ("priority", "\(priority)"), ("attempt", "\(attempt)"), ("failures", "\(failures) of \(maxAttempts)"),
            ("losses", "\(losses) of \(maxLosses)"), ("submitted", Self.time(createdAt, now)),
            ("due", Self.time(runAt, now)),
        ]
        if let startedAt { pairs.append(("started", Self.time(startedAt, now))) }
        if let finishedAt { pairs.append(("ended", Self.time(finishedAt, now))) }
        pairs.append(("time-out", .init(Span.text(timeoutSeconds))))
        if cancelRequested { pairs.append(("cancel", .init("requested", .yellow))) }
        if let progress { pairs.append(("progress", .init(progress.text))) }
        if let lease { pairs.append(("lease", "\(lease.worker), ends \(Span.relative(lease.expiresAt, to: now))")) }
        if let cause { pairs.append(("cause", .init(cause.name, .red))) }
        if let fingerprint { pairs.append(("fingerprint", .init(fingerprint))) }
        if !tags.isEmpty { pairs.append(("tags", .init(tags.joined(separator: ", ")))) }
        return pairs
    }

    private static func time(_ instant: Timestamp, _ now: Timestamp) -> Table.Cell {
        "\(RFC3339.format(instant)) (\(Span.relative(instant, to: now)))"
    }

    fileprivate func attemptTable(_ now: Timestamp) -> Table {
        var table = Table([
            .init("NO", isRight: true), .init("OUTCOME", isWhole: true), .init("WORKER"),
            .init("STARTED", isRight: true, isWhole: true),
            .init("TOOK", isRight: true, isWhole: true), .init("ERROR"),
        ])
        for attempt in attempts {
            let end = attempt.endedAt ?? now
            table.rows.append([
                "\(attempt.attempt)", .init(attempt.outcome?.name ?? "running", attempt.outcome.style),
                .init(attempt.workerName), .init(Span.relative(attempt.startedAt, to: now)),
                .init(Span.text(max(0, end.since(attempt.startedAt).seconds))), .init(attempt.error?.text ?? ""),
            ])
        }
        return table
    }
}

extension JobView.Progress {
    /// Both parts, as far as they are there.
    var text: String {
        [percent.map { "\(Int(min(max($0, 0), 100)))%" }, message].compactMap(\.self).joined(separator: " ")
    }
}

extension JobError {
    var text: String {
        type.isEmpty ? message : message.isEmpty ? type : "\(type): \(message)"
    }
}

extension AttemptOutcome? {
    fileprivate var style: Style {
        switch self {
        case nil: .blue
        case .completed: .green
        case .failed, .timedOut, .lost: .red
        case .released, .snoozed, .cancelled: .dim
        }
    }
}
