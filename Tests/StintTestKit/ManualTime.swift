// SPDX-License-Identifier: Apache-2.0

package import StintCoordinator
package import StintModel
import Synchronization

/// Time that stands still until a test moves it.
///
/// It also tells the record's time, so that both go together.
package final class ManualTime: TimeSource {
    private struct Sleeper {
        var deadline: Int64
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Int64 = 0
        var lastTicket: UInt64 = 0
        var sleepers: [UInt64: Sleeper] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// The record's time at the start: 2027-01-15T08:00:00.000Z.
    package static let epoch = Timestamp(milliseconds: 1_800_000_000_000)

    package func now() -> Int64 { state.withLock(\.now) }

    /// The record's clock.
    package var timestamp: Timestamp { Self.epoch + Milliseconds(now() / 1_000_000) }

    /// Until when others sleep.
    package var deadlines: Set<Int64> { Set(state.withLock { $0.sleepers.values.map(\.deadline) }) }

    package func advance(seconds: Double) {
        let due = state.withLock { state -> [Sleeper] in
            state.now += Int64(seconds * 1e9)
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for ticket in due.keys { state.sleepers[ticket] = nil }
            return due.values.sorted { $0.deadline < $1.deadline }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    package func sleep(until deadline: Int64) async throws {
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if deadline <= state.now { return .success(()) }
                    state.sleepers[ticket] = Sleeper(deadline: deadline, continuation: continuation)
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: ticket) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
