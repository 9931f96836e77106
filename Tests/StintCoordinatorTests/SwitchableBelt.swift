// SPDX-License-Identifier: Apache-2.0

import StintMemoryStore
import StintModel
import StintStorage
import Synchronization

/// A belt that a test can make unavailable, and that counts what it is asked.
final class SwitchableBelt: ReadyQueue {
    private struct State {
        var failure: StorageError?
        var calls = 0
        var resets: [[Lane]] = []
        var absent: [ReadyJob] = []
    }

    private let belt = MemoryReadyQueue(window: 8)
    private let state = Mutex(State())

    var calls: Int { state.withLock(\.calls) }
    var resets: [[Lane]] { state.withLock(\.resets) }

    func fail(_ failure: StorageError? = .unavailable("away")) {
        state.withLock { $0.failure = failure }
    }

    func work() {
        state.withLock { $0.failure = nil }
    }

    func setAbsent(_ jobs: [ReadyJob]) {
        state.withLock { $0.absent = jobs }
    }

    private func answer() throws(StorageError) -> MemoryReadyQueue {
        let failure = state.withLock { state in
            state.calls += 1
            return state.failure
        }
        if let failure { throw failure }
        return belt
    }

    func put(_ jobs: [ReadyJob]) async throws(StorageError) {
        try await answer().put(jobs)
    }

    func take(_ demand: LaneDemand, limit: Int) async throws(StorageError) -> [ReadyJob] {
        try await answer().take(demand, limit: limit)
    }

    func refillRequests() async throws(StorageError) -> [RefillRequest] {
        try await answer().refillRequests()
    }

    func refill(_ refill: Refill) async throws(StorageError) {
        try await answer().refill(refill)
    }

    func reset(_ lanes: [Lane]) async throws(StorageError) {
        let belt = try answer()
        state.withLock { $0.resets.append(lanes) }
        try await belt.reset(lanes)
    }

    func missing(among lanes: [Lane]) async throws(StorageError) -> [Lane] {
        try await answer().missing(among: lanes)
    }

    func absent(among jobs: [ReadyJob]) async throws(StorageError) -> [ReadyJob] {
        _ = try answer()
        let absent = Set(state.withLock(\.absent))
        return jobs.filter { absent.contains($0) }
    }

    func depth() async throws(StorageError) -> Int {
        try await answer().depth()
    }
}
