// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import StintModel
import StintStorage

/// A loop that outlives outages: it does its work, waits, and backs off while the record is away, with one log line per outage.
struct HousekeepingLoop: Sendable {
    var name: String
    var environment: ServiceEnvironment

    /// - Parameter work: Returns when to be called again at the latest (nil: only when `signal` is raised).
    func run(signal: Signal, _ work: @escaping @Sendable () async throws -> Milliseconds?) async {
        await cancelWhenGracefulShutdown {
            var failures = 0
            while !Task.isCancelled {
                let wait = await once(work, &failures)
                let deadline = wait.map { environment.time.now() + $0.count * 1_000_000 }
                await signal.wait(until: deadline, environment.time)
            }
        }
    }

    private func once(_ work: @Sendable () async throws -> Milliseconds?, _ failures: inout Int) async -> Milliseconds?
    {
        do {
            let wait = try await work()
            if failures > 0 { environment.logger.notice("\(name): works again", metadata: ["failures": "\(failures)"]) }
            failures = 0
            return wait
        } catch {
            if failures == 0, !Task.isCancelled {
                environment.logger.error("\(name): failed, will go on trying", metadata: ["error": "\(error)"])
            }
            failures += 1
            return Milliseconds(min(5_000, 100 << min(failures, 6)))
        }
    }
}

/// Recovers jobs whose worker session was lost or whose timeout has passed, and expires what was not started in time.
final class Sweeper: Service {
    private static let limit = 500

    private let recorder: Recorder
    private let store: any JobStore
    private let shelf: (any ReportShelf)?
    private let settings: CoordinatorSettings
    private let environment: ServiceEnvironment

    init(
        recorder: Recorder,
        store: any JobStore,
        shelf: (any ReportShelf)? = nil,
        settings: CoordinatorSettings,
        environment: ServiceEnvironment
    ) {
        self.shelf = shelf
        self.recorder = recorder
        self.store = store
        self.settings = settings
        self.environment = environment
    }

    func run() async throws {
        let loop = HousekeepingLoop(name: "sweeper", environment: environment)
        let grace = SweepGrace(settings: settings, environment: environment)
        await loop.run(signal: Signal()) {
            try await self.sweep(grace)
            return self.settings.sweep
        }
    }

    /// One pass.
    ///
    /// Live workers get time to renew before the first session is given up after an outage of the record.
    private func sweep(_ grace: SweepGrace) async throws {
        let now = environment.time.now()
        if grace.isUnset {
            let last = try await store.lastRenewal()
            let recordNow = try await store.now()
            grace.recordCameBack(at: now, wasAwayFor: last.map { recordNow.since($0) })
        }
        do {
            try await clearShelf()
            if grace.allowsSweeping(at: now) {
                try await repeatWhileFull { .sweepSessions(limit: 50, random: self.environment.random()) }
            }
            try await repeatWhileFull { .timeOutAttempts(limit: Self.limit, random: self.environment.random()) }
            try await repeatWhileFull { .expireWaiting(limit: Self.limit) }
            grace.recordAnswered(at: environment.time.now())
        } catch {
            grace.recordFailed(at: now)
            throw error
        }
    }

    /// Applies the reports that waited for the record before anything is given up: an attempt that ended during an outage has
    /// ended.
    private func clearShelf() async throws {
        guard let shelf else { return }
        while true {
            let shelved: [ShelvedReports]
            do {
                shelved = try await shelf.oldest(limit: Self.limit)
            } catch {
                return  // the shelf is away: its reports are late, like those that never got there
            }
            guard !shelved.isEmpty else { return }
            let requests = shelved.compactMap(\.request)
            if !requests.isEmpty { _ = try await recorder.perform(requests.map { .report($0) }, .urgent) }
            do {
                try await shelf.discard(shelved)
            } catch {
                return  // applied twice, later, without effect
            }
        }
    }

    private func repeatWhileFull(_ command: () -> RecordCommand) async throws {
        while case .count(let count) = try await recorder.perform(command(), .urgent), count > 0 {}
    }
}

/// Deletes what retention has passed, a little at a time.
final class Pruner: Service {
    private static let limit = 500
    private static let interval = Milliseconds(60_000)

    private let recorder: Recorder
    private let settings: CoordinatorSettings
    private let environment: ServiceEnvironment

    init(recorder: Recorder, settings: CoordinatorSettings, environment: ServiceEnvironment) {
        self.recorder = recorder
        self.settings = settings
        self.environment = environment
    }

    func run() async throws {
        let loop = HousekeepingLoop(name: "pruner", environment: environment)
        await loop.run(signal: Signal()) {
            let command = RecordCommand.prune(retention: self.settings.retention, limit: Self.limit)
            guard case .count(let count) = try await self.recorder.perform(command) else { return Self.interval }
            return count == Self.limit ? Milliseconds(20) : min(Self.interval, self.settings.retention)
        }
    }
}
