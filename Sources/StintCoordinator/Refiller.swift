// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import StintModel
import StintStorage
import Synchronization

/// Fills the belt from the record: at start, where a lane runs low, and where the belt lost something.
final class Refiller: Service {
    private let store: any JobStore
    private let belt: any ReadyQueue
    private let settings: CoordinatorSettings
    private let environment: ServiceEnvironment
    private let signal = Signal()
    private let gaps = Mutex(GapFinder())
    private let wakeDispatcher: @Sendable () -> Void

    init(
        store: any JobStore,
        belt: any ReadyQueue,
        settings: CoordinatorSettings,
        environment: ServiceEnvironment,
        wakeDispatcher: @escaping @Sendable () -> Void
    ) {
        self.store = store
        self.belt = belt
        self.settings = settings
        self.environment = environment
        self.wakeDispatcher = wakeDispatcher
    }

    func beltRunsLow() {
        signal.raise()
    }

    func run() async throws {
        async let reconciling: Void = reconcile()
        let loop = HousekeepingLoop(name: "refiller", environment: environment)
        await loop.run(signal: signal) {
            try await self.refill()
            return nil
        }
        await reconciling
    }

    private func refill() async throws {
        while true {
            let requests = try await belt.refillRequests()
            guard !requests.isEmpty else { return }
            for (index, request) in requests.enumerated() {
                do {
                    let jobs = try await store.readyJobs(lane: request.lane, after: request.after, limit: request.limit)
                    try await belt.refill(Refill(request: request, jobs: jobs))
                } catch {
                    for unread in requests[index...] { try await belt.refill(Refill(request: unread, jobs: nil)) }
                    throw error
                }
            }
            wakeDispatcher()
        }
    }

    /// Looks, now and then, for lanes with available jobs of which the belt knows nothing, and for jobs that were taken from it
    /// by somebody who never leased them.
    private func reconcile() async {
        let loop = HousekeepingLoop(name: "reconciler", environment: environment)
        await loop.run(signal: Signal()) {
            try await self.lookForMissing()
            try await self.lookForGaps()
            return self.settings.reconcile
        }
    }

    /// Resets lanes of which the belt has lost jobs.
    func lookForGaps() async throws {
        // Only one loop looks: nothing is lost between the copy and its return.
        var finder = gaps.withLock { $0 }
        let lanes = try await finder.look(in: try await store.readyLanes(), of: store, belt: belt)
        gaps.withLock { $0 = finder }
        guard !lanes.isEmpty else { return }
        environment.logger.info("the belt had lost jobs", metadata: ["lanes": "\(lanes.count)"])
        try await belt.reset(lanes)
        signal.raise()
    }

    /// Asks anew for lanes with available jobs of which the belt knows nothing.
    func lookForMissing() async throws {
        let missing = try await belt.missing(among: try await store.readyLanes())
        if !missing.isEmpty { try await belt.reset(missing) }
        // Also where nothing is missing: what another process meant to refill, and did not live to, falls due without a word.
        signal.raise()
    }
}
