// SPDX-License-Identifier: Apache-2.0

/// How long to wait before connecting again: doubling up to a limit, half of it by chance, so that many clients of a server that
/// comes back do not all arrive at once.
struct ReconnectPause {
    private let first: Duration
    private let limit: Duration
    private var failures = 0

    init(_ configuration: RedisConfiguration) {
        first = configuration.reconnectPause
        limit = configuration.reconnectPauseMax
    }

    mutating func succeeded() {
        failures = 0
    }

    /// - Parameter random: Uniform in 0..<1.
    mutating func next(random: Double = .random(in: 0..<1)) -> Duration {
        let full = min(limit, first * (1 << min(failures, 20)))
        failures += 1
        return full * (0.5 + random / 2)
    }
}
