// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Wakes the one task that waits; a signal that comes while none waits is kept.
final class WakeSignal: Sendable {
    private struct State {
        var isRaised = false
        var waiter: CheckedContinuation<Void, Never>?
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

    /// Returns when raised.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isRaised = state.withLock { state -> Bool in
                precondition(state.waiter == nil, "one task waits at a time")
                guard state.isRaised else {
                    state.waiter = continuation
                    return false
                }
                state.isRaised = false
                return true
            }
            if isRaised { continuation.resume() }
        }
    }
}
