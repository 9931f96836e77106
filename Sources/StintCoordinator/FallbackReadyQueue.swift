// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintStorage
import Synchronization

/// A belt that goes on when the shared one is away: a belt in process takes its place until the shared one answers again.
///
/// Either may hold what the other does not know of, so a lane is used on neither before it was reset there: on the fallback when an
/// outage first touches it, on the primary for every lane that the outage touched. A reset lane is refilled from the record, which
/// has seen everything by then.
///
/// While the primary is away it is tried out by calls that come anyway, one at a time, the others do not wait.
package final class FallbackReadyQueue: ReadyQueue {
    private let primary: any ReadyQueue
    private let fallback: any ReadyQueue
    private let time: any TimeSource
    private let onSwitch: @Sendable (_ isPrimaryUp: Bool) -> Void
    private let state: Mutex<FallbackMachine>

    /// - Parameters:
    ///   - primary: The shared belt; it throws `unavailable` at once, or nearly, while it is away.
    ///   - fallback: A belt in process, for nobody else.
    ///   - probeInterval: The primary is tried out no more often than that.
    ///   - onSwitch: Called at each change, so that a reconciliation can follow at once.
    package init(
        primary: any ReadyQueue,
        fallback: any ReadyQueue,
        time: any TimeSource,
        probeInterval: Milliseconds = Milliseconds(500),
        onSwitch: @escaping @Sendable (_ isPrimaryUp: Bool) -> Void = { _ in }
    ) {
        self.primary = primary
        self.fallback = fallback
        self.time = time
        self.onSwitch = onSwitch
        state = Mutex(FallbackMachine(probeInterval: probeInterval.count * 1_000_000))
    }

    /// Whether the shared belt is in use.
    package var isPrimaryUp: Bool { state.withLock { $0.isPrimaryUp } }

    package func put(_ jobs: [ReadyJob]) async throws(StorageError) {
        let lanes = Set(jobs.map(\.lane))
        try await perform(touching: lanes) { belt throws(StorageError) in try await belt.put(jobs) }
    }

    package func take(_ demand: LaneDemand, limit: Int) async throws(StorageError) -> [ReadyJob] {
        try await perform { belt throws(StorageError) in try await belt.take(demand, limit: limit) }
    }

    package func refillRequests() async throws(StorageError) -> [RefillRequest] {
        let turn = try await nextTurn(touching: [])
        if case .primary = turn {
            do throws(StorageError) {
                return try await primary.refillRequests()
            } catch {
                try await fallBack(on: error, touching: [])
            }
        }
        let requests = try await fallback.refillRequests()
        state.withLock { $0.fallbackAsked(for: requests.map(\.lane)) }
        return requests
    }

    /// An answer goes to the belt that asked, if that is still in use.
    package func refill(_ refill: Refill) async throws(StorageError) {
        switch state.withLock({ $0.route(refill.request.lane) }) {
        case .fallback: try await fallback.refill(refill)
        case .nobody: break
        case .primary:
            do throws(StorageError) {
                try await primary.refill(refill)
            } catch {
                try await fallBack(on: error, touching: [refill.request.lane])
            }
        }
    }

    package func reset(_ lanes: [Lane]) async throws(StorageError) {
        let turn = try await nextTurn(touching: Set(lanes))
        if case .primary = turn {
            do throws(StorageError) {
                return try await primary.reset(lanes)
            } catch {
                try await fallBack(on: error, touching: Set(lanes))
            }
        }
        // Again where the turn has just reset them: it does no harm.
        try await fallback.reset(lanes)
    }

    package func missing(among lanes: [Lane]) async throws(StorageError) -> [Lane] {
        let turn = try await nextTurn(touching: [])
        if case .primary = turn {
            do throws(StorageError) {
                return try await primary.missing(among: lanes)
            } catch {
                try await fallBack(on: error, touching: [])
            }
        }
        let known = state.withLock { $0.known }
        let missing = Set(try await fallback.missing(among: lanes.filter { known.contains($0) }))
        return lanes.filter { !known.contains($0) || missing.contains($0) }
    }

    package func absent(among jobs: [ReadyJob]) async throws(StorageError) -> [ReadyJob] {
        try await perform { belt throws(StorageError) in try await belt.absent(among: jobs) }
    }

    package func depth() async throws(StorageError) -> Int {
        try await perform { belt throws(StorageError) in try await belt.depth() }
    }
}

extension FallbackReadyQueue {
    /// Calls the primary, or where it is away the fallback.
    private func perform<Answer>(
        touching lanes: Set<Lane> = [],
        _ call: (any ReadyQueue) async throws(StorageError) -> Answer
    ) async throws(StorageError) -> Answer {
        if case .primary = try await nextTurn(touching: lanes) {
            do throws(StorageError) {
                return try await call(primary)
            } catch {
                try await fallBack(on: error, touching: lanes)
            }
        }
        return try await call(fallback)
    }

    private enum Turn {
        case primary
        case fallback
    }

    /// Decides who is asked, after trying out the primary if that is due.
    private func nextTurn(touching lanes: Set<Lane>) async throws(StorageError) -> Turn {
        switch state.withLock({ $0.next(now: time.now(), touching: lanes) }) {
        case .primary:
            return .primary
        case .fallback(let unknown):
            if !unknown.isEmpty { try await fallback.reset(unknown) }
            return .fallback
        case .probe(let touched):
            if await comeBack(touched) { return .primary }
            return try await nextTurn(touching: lanes)
        }
    }

    /// Resets what the outage touched on the primary; when that works, it is in use again.
    private func comeBack(_ touched: [Lane]) async -> Bool {
        var lanes = touched
        while true {
            do throws(StorageError) {
                if lanes.isEmpty { _ = try await primary.depth() } else { try await primary.reset(lanes) }
            } catch {
                state.withLock { $0.probeFailed() }
                return false
            }
            switch state.withLock({ $0.probeSucceeded(afterResetting: lanes) }) {
            case .resetMore(let more):
                lanes = more
            case .isBack(let known):
                // What it holds is of no use any more. A failure leaves it as it is: it is reset before it is used again.
                try? await fallback.reset(known)
                onSwitch(true)
                return true
            }
        }
    }

    /// Goes over to the fallback when the primary is unavailable; throws anything else.
    private func fallBack(on error: StorageError, touching lanes: Set<Lane>) async throws(StorageError) {
        guard case .unavailable = error else { throw error }
        let (isNew, unknown) = state.withLock { $0.wentAway(now: time.now(), touching: lanes) }
        if !unknown.isEmpty { try await fallback.reset(unknown) }
        if isNew { onSwitch(false) }
    }
}
