// SPDX-License-Identifier: Apache-2.0

import Logging
package import ServiceLifecycle
import StintCore
package import StintModel
package import StintStorage
package import StintTelemetry
import Synchronization

/// The services of one process around one record, wired together.
///
/// Which of them run is the composition root's choice.
package final class Coordinator: ChangeObserver {
    /// In whose name this process leases.
    package let id: CoordinatorID
    package let store: any JobStore
    package let settings: CoordinatorSettings
    package let environment: ServiceEnvironment
    package let metrics: MetricRegistry
    package let rates: RateMeter
    let waiters = ResultWaiters()
    let ids = Mutex(UUIDv7Generator())
    /// What the live sessions that were seen here can run: a poll need not ask the record.
    let capabilities = Mutex<[WorkerID: Capabilities]>([:])
    let concurrencies = Mutex<[WorkerID: Int]>([:])

    /// Nil: this process is alone on its record.
    let fleet: FleetLinks?
    private let belt: any ReadyQueue
    private let jobTelemetry: JobTelemetry
    private let parts = Mutex<Parts?>(nil)

    private struct Parts: Sendable {
        var recorder: Recorder
        var dispatcher: Dispatcher
        var timekeeper: Timekeeper
        var refiller: Refiller
        var sweeper: Sweeper
        var pruner: Pruner
        var refresher: Refresher
    }

    /// What a process does.
    package enum Role: Hashable, Sendable {
        /// Takes jobs and answers questions about them.
        case submitter
        /// Serves workers and keeps house.
        case coordinator
    }

    package init(
        store: any JobStore,
        belt: any ReadyQueue,
        backend: String,
        settings: CoordinatorSettings,
        environment: ServiceEnvironment,
        metrics: MetricRegistry,
        fleet: FleetLinks? = nil
    ) {
        id = CoordinatorID(bits: environment.random())
        self.fleet = fleet
        self.store = store
        self.belt = belt
        self.settings = settings
        self.environment = environment
        self.metrics = metrics
        rates = RateMeter(time: environment.time)
        jobTelemetry = JobTelemetry(metrics)
        let made = makeParts(backend: backend)
        parts.withLock { $0 = made }
    }

    private func makeParts(backend: String) -> Parts {
        let recorder = Recorder(
            store: store,
            observer: self,
            settings: settings,
            environment: environment,
            telemetry: RecorderTelemetry(metrics, backend: backend)
        )
        let refiller = Refiller(
            store: store,
            belt: belt,
            settings: settings,
            environment: environment,
            wakeDispatcher: { [weak self] in self?.dispatcher.wake() }
        )
        let dispatcher = Dispatcher(
            id: id,
            recorder: recorder,
            belt: belt,
            environment: environment,
            beltRunsLow: { refiller.beltRunsLow() },
            pauseWasMet: { [weak self] in self?.made.refresher.look() }
        )
        return Parts(
            recorder: recorder,
            dispatcher: dispatcher,
            timekeeper: Timekeeper(
                recorder: recorder,
                store: store,
                sleepMax: fleet == nil ? Timekeeper.sleepMax : settings.fallbackPoll,
                environment: environment
            ),
            refiller: refiller,
            sweeper: Sweeper(
                recorder: recorder,
                store: store,
                shelf: fleet?.shelf,
                settings: settings,
                environment: environment
            ),
            pruner: Pruner(recorder: recorder, settings: settings, environment: environment),
            refresher: makeRefresher(dispatcher, refiller)
        )
    }

    private func makeRefresher(_ dispatcher: Dispatcher, _ refiller: Refiller) -> Refresher {
        Refresher(
            isShared: fleet != nil,
            interval: settings.fallbackPoll,
            store: store,
            dispatcher: dispatcher,
            environment: environment,
            onRefresh: { [waiters] in
                try await refiller.lookForMissing()
                dispatcher.wake()
                waiters.wakeAll()
            }
        )
    }

    private var made: Parts {
        guard let made = parts.withLock({ $0 }) else { preconditionFailure("the parts are made in the initialiser") }
        return made
    }

    var recorder: Recorder { made.recorder }
    var dispatcher: Dispatcher { made.dispatcher }
    var timekeeper: Timekeeper { made.timekeeper }

    /// The services of a process that does everything.
    package var services: [any Service] { services(of: [.submitter, .coordinator]) }

    /// The services in the order they start; they stop in the opposite one, so that the record closes last.
    package func services(of roles: Set<Role>) -> [any Service] {
        let parts = made
        var services: [any Service] = [parts.recorder]
        if roles.contains(.coordinator) {
            services += [parts.timekeeper, parts.refiller, parts.sweeper, parts.pruner, parts.dispatcher]
        }
        // A submitter's first job of a lane asks for the rest of it to be read, and nobody else may hear of that.
        if !roles.contains(.coordinator), fleet?.news != nil { services.append(parts.refiller) }
        services.append(parts.refresher)
        if let channel = fleet?.news {
            let listener = NewsListener(
                channel: channel,
                onGap: { parts.refresher.look() },
                onNews: { [weak self] news in self?.hear(news) }
            )
            services.append(listener)
        }
        return services
    }

    /// Fills in what the services must know before the first request.
    package func prepare() async throws {
        let lanes = try await store.readyLanes()
        // Not those it knows: others of a fleet are taking from them.
        try await belt.reset(try await belt.missing(among: lanes))
        let paused = try await store.queues().filter { $0.pausedBy != nil }
        dispatcher.setPausedQueues(Set(paused.map(\.queue)))
    }

    /// Ends all long waits: parked polls are answered empty, result waits end.
    package func endWaits() {
        dispatcher.stop()
        waiters.stop()
    }

    /// Jobs on the belt, for the metrics.
    package func beltDepth() async throws -> Int {
        try await belt.depth()
    }

    // MARK: ChangeObserver

    package func didCommit(_ batch: RecordBatch) async {
        let parts = made
        let ready = batch.changes.filter { $0.to == .available }.map(\.readyJob)
        if !ready.isEmpty {
            do {
                try await belt.put(ready)
            } catch {
                environment.logger.warning("the belt could not be written", metadata: ["error": "\(error)"])
            }
            parts.refiller.beltRunsLow()
            parts.dispatcher.wake()
        }
        parts.timekeeper.observe(batch)
        parts.dispatcher.observe(batch.notices)
        waiters.observe(batch)
        forgetEndedSessions(batch.notices)
        jobTelemetry.observe(batch)
        let counts = JobCounts(batch)
        rates.add(counts)
        await publish(batch, counts)
    }

    func forgetEndedSessions(_ notices: [RecordNotice]) {
        for case .sessionEnded(let id, _) in notices {
            capabilities.withLock { $0[id] = nil }
            concurrencies.withLock { $0[id] = nil }
        }
    }
}
