// SPDX-License-Identifier: Apache-2.0

package import Logging
package import ServiceLifecycle
import StintCoordinator
import StintCore
import StintHTTP
import StintMemoryStore
import StintModel
import StintSQLiteStore
import StintTelemetry
import UnixSignals

/// Submitter and coordinator in one process, on one SQLite file.
package struct EmbeddedServer: Sendable {
    /// Where a started server listens, such as `http://127.0.0.1:8000`.
    package struct Addresses: Sendable {
        package var api: String
        package var coordinator: String
    }

    private let configuration: ServerConfiguration
    private let logger: Logger

    package init(_ configuration: ServerConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Runs until the process is told to stop; returns when everything accepted is flushed.
    ///
    /// - Parameters:
    ///   - onListening: Told of each listener, by name and address, as soon as it listens.
    ///   - companions: Services that need the listeners, made when they listen; they stop first.
    /// - Throws: ``ConfigurationError`` or a store's error with a sentence for a person.
    package func run(
        onListening: @escaping @Sendable (_ name: String, _ address: String) -> Void,
        onReady: @escaping @Sendable (Addresses) -> Void,
        companions: @escaping @Sendable (Addresses) -> [any Service]
    ) async throws {
        let environment = ServiceEnvironment(logger: logger)
        let store = try await SQLiteJobStore(
            configuration: .init(directory: configuration.dataDirectory),
            rules: EndingDecision.rules,
            now: { SystemClock.now() }
        )
        let coordinator = Coordinator(
            store: store,
            belt: MemoryReadyQueue(),
            backend: "sqlite",
            settings: configuration.coordinator,
            environment: environment,
            metrics: MetricRegistry()
        )
        try await coordinator.prepare()
        let gate = ListeningGate(count: 2)
        let readiness = Readiness()
        let listeners = [
            Listener(
                role: .api,
                host: configuration.apiHost,
                port: configuration.apiPort,
                token: configuration.token,
                connectionsMax: configuration.connectionsMax
            ),
            Listener(
                role: .coordinator,
                host: configuration.coordinatorHost,
                port: configuration.coordinatorPort,
                token: configuration.token,
                connectionsMax: configuration.connectionsMax
            ),
        ].map { listener in
            listener.service(coordinator, readiness: readiness, logger: logger) { role, address in
                onListening(role.rawValue, address)
                await gate.opened(role, address)
            }
        }
        let companion = CompanionService(gate: gate, onReady: onReady, make: companions)
        let services: [any Service] =
            [SecondSignal()] + coordinator.services + listeners + [WaitEnder(coordinator, readiness), companion]
        var group = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = .milliseconds(configuration.drain.count + 1000)
        try await ServiceGroup(configuration: group).run()
    }
}

/// Stands before the listeners in the order of stopping: they can end only when no request waits.
private struct WaitEnder: Service {
    private let coordinator: Coordinator
    private let readiness: Readiness

    init(_ coordinator: Coordinator, _ readiness: Readiness) {
        self.coordinator = coordinator
        self.readiness = readiness
    }

    func run() async throws {
        try? await gracefulShutdown()  // cancellation ends the wait just as well
        readiness.beginDraining()
        coordinator.endWaits()
    }
}

/// Services that need the listeners.
private struct CompanionService: Service {
    let gate: ListeningGate
    let onReady: @Sendable (EmbeddedServer.Addresses) -> Void
    let make: @Sendable (EmbeddedServer.Addresses) -> [any Service]

    func run() async throws {
        guard let addresses = await gate.wait() else { return }
        onReady(addresses)
        let services = make(addresses)
        try await withThrowingDiscardingTaskGroup { group in
            for service in services { group.addTask { try await service.run() } }
            group.addTask { try? await gracefulShutdown() }  // a service that ends would end the whole group
        }
    }
}

/// Opens when all listeners listen.
private actor ListeningGate {
    private let count: Int
    private var addresses: [ListenerRole: String] = [:]
    private var waiter: CheckedContinuation<Void, Never>?

    init(count: Int) {
        self.count = count
    }

    func opened(_ role: ListenerRole, _ address: String) {
        addresses[role] = address
        if isOpen { release() }
    }

    /// The addresses; nil when the process stops before all listen.
    func wait() async -> EmbeddedServer.Addresses? {
        if !isOpen {
            await withGracefulShutdownHandler {
                await withTaskCancellationHandler {
                    await withCheckedContinuation { waiter = $0 }
                } onCancel: {
                    Task { await self.release() }  // bridges a synchronous callback to the actor
                }
            } onGracefulShutdown: {
                Task { await self.release() }  // as above
            }
        }
        guard let api = addresses[.api], let coordinator = addresses[.coordinator] else { return nil }
        return EmbeddedServer.Addresses(api: api, coordinator: coordinator)
    }

    private var isOpen: Bool { addresses.count == count }

    private func release() {
        waiter?.resume()
        waiter = nil
    }
}
