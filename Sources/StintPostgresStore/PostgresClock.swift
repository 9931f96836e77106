// SPDX-License-Identifier: Apache-2.0

package import StintModel
import Synchronization

/// Whose time is the record's.
package enum PostgresClock: Sendable {
    /// The database server's: that of no coordinator.
    case server
    /// Given from outside, for tests.
    case manual(@Sendable () -> Timestamp)

    /// What a transaction is told of the time.
    struct Reading {
        /// Nil: the server's own.
        var given: Timestamp?
        /// The latest time this process was ever told: the record's time never runs backwards.
        var floor: Timestamp
    }
}

/// The latest time that was ever told, and how far this process may count on from what the database said.
final class LatestInstant: Sendable {
    /// How long this process counts by itself: its monotonic clock may run a little faster or slower than the database's.
    private static let estimateMax = Duration.seconds(5)

    private let milliseconds = Atomic<Int64>(0)
    private let word = Mutex<(instant: Timestamp, at: ContinuousClock.Instant)?>(nil)

    /// The database said that it is this time.
    func heard(_ instant: Timestamp) {
        word.withLock { $0 = (instant, .now) }
    }

    /// What the time must be now; nil when the database was not heard for too long.
    func estimate() -> Timestamp? {
        guard let (instant, at) = word.withLock({ $0 }) else { return nil }
        let passed = at.duration(to: .now)
        guard passed < Self.estimateMax else { return nil }
        return instant
            + Milliseconds(passed.components.seconds * 1000 + passed.components.attoseconds / 1_000_000_000_000_000)
    }

    var value: Timestamp { Timestamp(milliseconds: milliseconds.load(ordering: .relaxed)) }

    @discardableResult
    func raise(to instant: Timestamp) -> Timestamp {
        Timestamp(milliseconds: milliseconds.max(instant.milliseconds, ordering: .relaxed).newValue)
    }
}
