// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import Synchronization

/// The scheduler's own rules, and what a store asked of them.
final class RulingLog: Sendable {
    struct Ruling: Hashable, Sendable {
        var job: RunningJob
        var ending: Ending
        var now: Timestamp
        var random: UInt64
    }

    private let log = Mutex<[Ruling]>([])

    var all: [Ruling] { log.withLock { $0 } }

    var rules: EndingRules {
        { job, ending, now, random in
            self.log.withLock { $0.append(Ruling(job: job, ending: ending, now: now, random: random)) }
            return EndingDecision.rules(job, ending, now, random)
        }
    }
}
