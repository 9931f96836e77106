// SPDX-License-Identifier: Apache-2.0

import StintModel
import Synchronization

/// Keeps the Sweeper from giving up live workers after an outage of the record: for min(lease, outage) they can renew
/// first.
///
/// Times are monotonic nanoseconds.
final class SweepGrace: Sendable {
    private struct State {
        var sweepingFrom: Int64?
        var failingSince: Int64?
    }

    private let lease: Int64
    private let sweep: Int64
    private let state = Mutex(State())

    init(settings: CoordinatorSettings, environment: ServiceEnvironment) {
        lease = settings.lease.count * 1_000_000
        sweep = settings.sweep.count * 1_000_000
    }

    /// Whether it is still unknown how long the record was away before this process came.
    var isUnset: Bool { state.withLock { $0.sweepingFrom == nil } }

    /// At start: `wasAwayFor` is the time since anything was last renewed, nil when there was nothing.
    func recordCameBack(at now: Int64, wasAwayFor away: Milliseconds?) {
        let outage = max(0, (away?.count ?? 0)) * 1_000_000
        state.withLock { $0.sweepingFrom = now + min(lease, outage) }
    }

    func recordFailed(at now: Int64) {
        state.withLock { $0.failingSince = $0.failingSince ?? now }
    }

    func recordAnswered(at now: Int64) {
        state.withLock { state in
            guard let since = state.failingSince else { return }
            state.failingSince = nil
            // It may have been away since the last pass that worked.
            state.sweepingFrom = now + min(lease, now - since + sweep)
        }
    }

    func allowsSweeping(at now: Int64) -> Bool {
        state.withLock { $0.failingSince == nil && ($0.sweepingFrom.map { $0 <= now } ?? false) }
    }
}
