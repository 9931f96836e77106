// SPDX-License-Identifier: Apache-2.0

import StintClient

/// Waits for a job to come to its end, and shows on the standard error how far it is.
struct JobWaiting {
    var client: StintClient
    var isWatched: Bool
    var limit: Span?

    func end(of job: JobView) async throws -> JobView {
        do {
            return try await isWatched ? watch(job) : client.wait(for: job.id, timeout: duration)
        } catch let error as ClientError where error.code == .timedOut && error.problem == nil && limit != nil {
            throw CommandFailure(.failed, "job \(job.id) has not ended within \(Span.text(limit?.seconds ?? 0))")
        }
    }

    private var duration: Duration? { limit.map { .seconds($0.seconds) } }

    /// The answer of `--wait` in the exit status.
    static func check(_ job: JobView) throws {
        guard job.state != .completed else { return }
        let cause = job.cause.map { " (\($0.name))" } ?? ""
        let error = job.lastError.map { ": \($0.text)" } ?? ""
        throw CommandFailure(
            .failed,
            "job \(job.id) is \(job.state.name)\(cause)\(error)",
            advice: job.state == .dead ? "Send it back with `stint jobs retry \(job.id)`." : nil
        )
    }

    private func watch(_ first: JobView) async throws -> JobView {
        let console = Console.current
        let clock = ContinuousClock()
        let began = clock.now
        var display = ProgressDisplay(console: console)
        var job = first
        while true {
            let elapsed = began.duration(to: clock.now) / .seconds(1)
            display.show(job, elapsedSeconds: elapsed)
            if job.state.isTerminal { break }
            if let limit, elapsed >= limit.seconds {
                display.end()
                throw ClientError(.timedOut, "the job is still \(job.state.name)")
            }
            // The end is answered at once; until then progress is looked at twice a second.
            job = try await client.result(of: job.id, waitSeconds: 0.5)
        }
        display.end()
        return job
    }
}

/// One line that is drawn over and over on a terminal; elsewhere a line for each change.
struct ProgressDisplay {
    var console: Console
    private var last = ""

    init(console: Console) {
        self.console = console
    }

    private static let barWidth = 30

    mutating func show(_ job: JobView, elapsedSeconds: Double) {
        guard console.isErrorTerminal else {
            let line = Self.line(job)
            if line != last { console.errorLine(line) }
            last = line
            return
        }
        let width = console.width() ?? 80
        let text = "\(Self.bar(job.percent)) \(Self.line(job))  \(Span.text(elapsedSeconds))"
        // Back to the first column, the text, and nothing of what stood behind it.
        console.writeError("\r\(DisplayText.cut(text, to: width - 1))\u{1B}[K")
    }

    func end() {
        if console.isErrorTerminal { console.errorLine("") }
    }

    static func line(_ job: JobView) -> String {
        var parts = [job.state.name]
        if job.state == .running { parts.append("attempt \(job.attempt)") }
        if job.failures > 0 { parts.append("\(job.failures) of \(job.maxAttempts) failed") }
        if let progress = job.progress, job.state == .running { parts.append(DisplayText.safe(progress.text)) }
        return parts.joined(separator: ", ")
    }

    static func bar(_ percent: Double) -> String {
        let filled = Int((percent / 100 * Double(barWidth)).rounded())
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: barWidth - filled) + "]"
    }
}

extension JobView {
    /// 0…100; a job that has ended is all done.
    fileprivate var percent: Double {
        state == .completed ? 100 : min(max(progress?.percent ?? 0, 0), 100)
    }
}
