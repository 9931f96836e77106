// SPDX-License-Identifier: Apache-2.0

/// Where a job stands.
///
/// The raw values are stored: they are never renumbered.
public enum JobState: Int, CaseIterable, Sendable {
    /// Waits for other jobs.
    case blocked = 0
    /// Waits for a time: delay, backoff or snooze. The Timekeeper moves it on.
    case scheduled = 1
    /// May be leased now. The Dispatcher moves it on.
    case available = 2
    /// Leased to one worker session. Reports, the Sweeper and time-outs move it on.
    case running = 3
    /// Done. Final.
    case completed = 4
    /// Set aside as a dead letter. Final unless redriven by a person.
    case dead = 5
    /// Called off. Final unless redriven by a person.
    case cancelled = 6
    /// Not started in time. Final unless redriven by a person.
    case expired = 7
}

extension JobState {
    /// The word used in the API, the command line and the metrics.
    public var name: String {
        switch self {
        case .blocked: "blocked"
        case .scheduled: "scheduled"
        case .available: "available"
        case .running: "running"
        case .completed: "completed"
        case .dead: "dead"
        case .cancelled: "cancelled"
        case .expired: "expired"
        }
    }

    /// The state with that name, nil for any other word.
    public init?(name: some StringProtocol) {
        guard let state = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = state
    }

    /// Whether nothing moves the job on by itself any more.
    public var isTerminal: Bool { rawValue >= JobState.completed.rawValue }

    /// Whether the job waits for its first or next attempt.
    public var isWaiting: Bool { rawValue <= JobState.available.rawValue }
}
