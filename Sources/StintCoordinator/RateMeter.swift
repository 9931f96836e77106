// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
import Synchronization

/// How many jobs per second were submitted, completed and failed over the last 1, 5 and 15 minutes, as seen by this process and
/// told by the others of its fleet.
package final class RateMeter: Sendable {
    /// Jobs per second.
    package struct Rates: Hashable, Sendable {
        package var oneMinute: Double
        package var fiveMinutes: Double
        package var fifteenMinutes: Double
    }

    package enum Kind: Int, CaseIterable, Sendable {
        case submitted
        case completed
        case failed
    }

    private struct State {
        /// One bucket per second, by second modulo the length.
        var counts = [[Int]](repeating: [Int](repeating: 0, count: 900), count: Kind.allCases.count)
        var second: Int64

        mutating func advance(to now: Int64) {
            guard now > second else { return }
            for passed in (max(second + 1, now - 899))...now {
                for kind in counts.indices { counts[kind][Int(passed % 900)] = 0 }
            }
            second = now
        }
    }

    private let time: any TimeSource
    private let startSecond: Int64
    private let state: Mutex<State>

    init(time: any TimeSource) {
        self.time = time
        let second = time.now() / 1_000_000_000
        startSecond = second
        state = Mutex(State(second: second))
    }

    func add(_ counts: JobCounts) {
        guard !counts.isEmpty else { return }
        let second = time.now() / 1_000_000_000
        state.withLock { state in
            state.advance(to: second)
            let slot = Int(state.second % 900)
            state.counts[Kind.submitted.rawValue][slot] += counts.submitted
            state.counts[Kind.completed.rawValue][slot] += counts.completed
            state.counts[Kind.failed.rawValue][slot] += counts.failed
        }
    }

    /// The rates up to the last full second; of a younger process, over the time it has run.
    package func rates(_ kind: Kind) -> Rates {
        let second = time.now() / 1_000_000_000
        let age = max(1, second - startSecond)
        return state.withLock { state in
            state.advance(to: second)
            func rate(_ span: Int64) -> Double {
                let seconds = (max(0, second - span))..<second
                let sum = seconds.reduce(0) { $0 + state.counts[kind.rawValue][Int($1 % 900)] }
                return Double(sum) / Double(min(span, age))
            }
            return Rates(oneMinute: rate(60), fiveMinutes: rate(300), fifteenMinutes: rate(899))
        }
    }
}
