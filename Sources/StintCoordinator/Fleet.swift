// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import StintModel
package import StintStorage

/// What a server process shares with the others of its fleet, besides the record and the belt.
///
/// All of it only saves time or memory: each part may be missing or away.
package struct FleetLinks: Sendable {
    package var news: (any NewsChannel)?
    package var shelf: (any ReportShelf)?
    package var board: (any DeadLetterBoard)?
    /// Whether the shared belt answers.
    package var isQueueUp: @Sendable () -> Bool

    package init(
        news: (any NewsChannel)? = nil,
        shelf: (any ReportShelf)? = nil,
        board: (any DeadLetterBoard)? = nil,
        isQueueUp: @escaping @Sendable () -> Bool = { true }
    ) {
        self.isQueueUp = isQueueUp
        self.news = news
        self.shelf = shelf
        self.board = board
    }
}

extension Coordinator {
    /// Whether the belt can be reached; one in process always can.
    package var isQueueUp: Bool { fleet?.isQueueUp() ?? true }

    /// Tells the other processes what a transaction of this one changed.
    func publish(_ batch: RecordBatch, _ counts: JobCounts) async {
        guard let fleet else { return }
        if let board = fleet.board {
            let dead = batch.changes.filter { $0.to == .dead && $0.from != .dead }
            if !dead.isEmpty { await board.announce(dead) }
        }
        if let news = fleet.news {
            let told = Self.news(of: batch) + (counts.isEmpty ? [] : [.counted(counts)])
            if !told.isEmpty { await news.publish(told) }
        }
    }

    private static func news(of batch: RecordBatch) -> [News] {
        var lanes: Set<Lane> = []
        var earliest: Timestamp?
        var ended: [JobID] = []
        for change in batch.changes {
            switch change.to {
            case .available: lanes.insert(change.lane)
            case .scheduled: earliest = min(earliest ?? change.runAt, change.runAt)
            case .blocked, .running: break
            case .completed, .dead, .cancelled, .expired, nil: ended.append(change.id)
            }
        }
        var news: [News] = []
        if !lanes.isEmpty { news.append(.available(lanes.sorted())) }
        if let earliest { news.append(.scheduled(earliest)) }
        if !ended.isEmpty { news.append(.ended(ended)) }
        if !batch.notices.isEmpty { news.append(.notices(batch.notices)) }
        return news
    }

    /// What another process did.
    func hear(_ news: [News]) {
        for item in news {
            switch item {
            case .available: dispatcher.wake()
            case .scheduled(let instant): timekeeper.hear(of: instant)
            case .ended(let ids): waiters.wake(ids)
            case .counted(let counts): rates.add(counts)
            case .notices(let notices):
                dispatcher.observe(notices)
                forgetEndedSessions(notices)
            }
        }
    }

    /// Puts reports that the record cannot take now where they outlive their worker.
    func shelve(_ request: ReportRequest) async {
        guard let shelf = fleet?.shelf, !request.reports.isEmpty else { return }
        do {
            let isKept = try await shelf.keep(request)
            if !isKept { environment.logger.warning("the shelf for reports is full") }
        } catch {
            environment.logger.debug("reports could not be shelved", metadata: ["error": "\(error)"])
        }
    }
}

/// Listens to the other processes of a fleet.
struct NewsListener: Service {
    let channel: any NewsChannel
    let onGap: @Sendable () async -> Void
    let onNews: @Sendable ([News]) async -> Void

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await channel.listen(onGap: onGap, onNews: onNews)
        }
    }
}

/// Looks into the record for what other processes did and no news told of: at the fallback interval in a fleet, alone only
/// while a queue is known to be paused by somebody else.
final class Refresher: Service {
    private let interval: Milliseconds
    private let isShared: Bool
    private let environment: ServiceEnvironment
    private let dispatcher: Dispatcher
    private let store: any JobStore
    private let onRefresh: @Sendable () async throws -> Void
    private let signal = Signal()

    init(
        isShared: Bool,
        interval: Milliseconds,
        store: any JobStore,
        dispatcher: Dispatcher,
        environment: ServiceEnvironment,
        onRefresh: @escaping @Sendable () async throws -> Void
    ) {
        self.isShared = isShared
        self.interval = interval
        self.store = store
        self.dispatcher = dispatcher
        self.environment = environment
        self.onRefresh = onRefresh
    }

    /// News may have been missed, or a pause was met: look now, and again after the interval.
    func look() {
        signal.raise()
    }

    func run() async throws {
        let loop = HousekeepingLoop(name: "refresher", environment: environment)
        await loop.run(signal: signal) { try await self.runOnce() }
    }

    /// - Returns: When to look again, nil when only ``look()`` is a reason to.
    func runOnce() async throws -> Milliseconds? {
        guard isShared || dispatcher.pausesAreHearsay else { return nil }
        let paused = try await store.queues().filter { $0.pausedBy != nil }
        dispatcher.setPausedQueues(Set(paused.map(\.queue)))
        if isShared { try await onRefresh() }
        return isShared || dispatcher.pausesAreHearsay ? interval : nil
    }
}
