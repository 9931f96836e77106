// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle
import StintModel
import StintStorage
import Synchronization

/// Makes scheduled jobs available when their time comes.
///
/// It sleeps until the next one is due; with none it sleeps until told.
final class Timekeeper: Service {
    private static let limit = 1000
    /// A clock that was set forward or a wake-up that was missed is made good within this time.
    static let sleepMax = Milliseconds(30_000)

    private let sleepMax: Milliseconds
    private let recorder: Recorder
    private let store: any JobStore
    private let environment: ServiceEnvironment
    private let signal = Signal()
    /// The earliest instant told of since the record was last asked.
    private let told = Mutex<Timestamp?>(nil)
    /// What the loop sleeps towards: later instants need not wake it.
    private let sleepsUntil = Mutex<Timestamp?>(nil)

    /// - Parameter sleepMax: After which time it looks in any case; with none scheduled only where it is below the default,
    ///   because others may schedule on the same record.
    init(
        recorder: Recorder,
        store: any JobStore,
        sleepMax: Milliseconds = Timekeeper.sleepMax,
        environment: ServiceEnvironment
    ) {
        self.sleepMax = sleepMax
        self.recorder = recorder
        self.store = store
        self.environment = environment
    }

    func observe(_ batch: RecordBatch) {
        var earliest: Timestamp?
        for change in batch.changes where change.to == .scheduled {
            earliest = min(earliest ?? change.runAt, change.runAt)
        }
        if let earliest { hear(of: earliest) }
    }

    /// A job was scheduled, here or elsewhere.
    func hear(of earliest: Timestamp) {
        told.withLock { $0 = min($0 ?? earliest, earliest) }
        if sleepsUntil.withLock({ $0.map { earliest < $0 } ?? true }) { signal.raise() }
    }

    func run() async throws {
        let loop = HousekeepingLoop(name: "timekeeper", environment: environment)
        await loop.run(signal: signal) { try await self.runOnce() }
    }

    /// Promotes what is due and says how long until the next one is; nil when there is none.
    func runOnce() async throws -> Milliseconds? {
        sleepsUntil.withLock { $0 = nil }
        told.withLock { $0 = nil }
        while case .count(let count) = try await recorder.perform(.promoteDue(limit: Self.limit), .urgent),
            count == Self.limit
        {}
        let stored = try await store.nextDue()
        let now = try await store.now()
        let next = [stored, told.withLock { $0 }].compactMap { $0 }.min()
        sleepsUntil.withLock { $0 = next }
        // What was told between the two reads raised the signal, and the loop comes round at once.
        guard let next else { return sleepMax < Self.sleepMax ? sleepMax : nil }
        return min(sleepMax, max(Milliseconds(1), next.since(now)))
    }
}
