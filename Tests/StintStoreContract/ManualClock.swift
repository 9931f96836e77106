// SPDX-License-Identifier: Apache-2.0

import StintModel
import Synchronization

/// A clock that stands still until a case moves it.
final class ManualClock: Sendable {
    private let instant = Mutex(Timestamp(milliseconds: 1_800_000_000_000))

    var now: Timestamp { instant.withLock { $0 } }

    func advance(by milliseconds: Int64) {
        instant.withLock { $0 = $0 + Milliseconds(milliseconds) }
    }
}
