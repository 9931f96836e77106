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

/// The latest time that was ever told.
final class LatestInstant: Sendable {
    private let milliseconds = Atomic<Int64>(0)

    var value: Timestamp { Timestamp(milliseconds: milliseconds.load(ordering: .relaxed)) }

    @discardableResult
    func raise(to instant: Timestamp) -> Timestamp {
        Timestamp(milliseconds: milliseconds.max(instant.milliseconds, ordering: .relaxed).newValue)
    }
}
