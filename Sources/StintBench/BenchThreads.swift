// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// When each job arrived.
final class Arrivals: Sendable {
    private let times: Mutex<[Double]>

    init(count: Int) {
        times = Mutex([Double](repeating: 0, count: count))
    }

    func set(_ index: Int, _ time: Double) {
        times.withLock { $0[index] = time }
    }

    var all: [Double] { times.withLock { $0 } }
}

/// Hands a value that one thread uses to that thread.
struct UncheckedBox<Value>: @unchecked Sendable {
    // SAFETY: the maker gives the value up when it boxes it; only the receiving thread uses it.
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}

/// A thread whose error is thrown where it is joined.
final class FailingThread {
    private let thread: BenchThread
    private let outcome: Outcome

    private final class Outcome: Sendable {
        let error = Mutex<(any Error)?>(nil)
    }

    init(_ body: @escaping @Sendable () throws -> Void) {
        let outcome = Outcome()
        self.outcome = outcome
        thread = BenchThread {
            do { try body() } catch { outcome.error.withLock { $0 = error } }
        }
    }

    func join() throws {
        thread.join()
        if let error = outcome.error.withLock({ $0 }) { throw error }
    }
}
