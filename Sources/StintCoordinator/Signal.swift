// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Wakes one waiting loop.
///
/// Signals that come while nobody waits are kept as one.
final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var waiter: CheckedContinuation<Void, Never>?
        var waiterID: UInt64 = 0
    }

    private let state = Mutex(State())

    func raise() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let waiter = state.waiter else {
                state.isRaised = true
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }

    /// Returns when raised, or when the task is cancelled.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state -> Bool in
                    if state.isRaised || Task.isCancelled {
                        state.isRaised = false
                        return true
                    }
                    precondition(state.waiter == nil, "a signal has one waiting loop")
                    state.waiter = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            raise()
        }
    }

    /// Returns when raised, at the deadline, or when the task is cancelled.
    func wait(until deadline: Int64?, _ time: any TimeSource) async {
        guard let deadline else { return await wait() }
        if state.withLock({ state in
            defer { state.isRaised = false }
            return state.isRaised
        }) {
            return
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask { try? await time.sleep(until: deadline) }  // only a cancelled sleep throws
            await group.next()
            group.cancelAll()
        }
    }
}
