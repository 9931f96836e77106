// SPDX-License-Identifier: Apache-2.0

package import Logging
package import ServiceLifecycle
package import StintCoordinator
import StintHTTP
import StintModel
import StintTelemetry
import UnixSignals

/// A server process: submitter, coordinator or both, on the record that its configuration names.
package struct Server: Sendable {
    /// Where a started server listens, such as `http://127.0.0.1:8000`; nil for a role it does not have.
    package struct Addresses: Sendable {
        package var api: String?
        package var coordinator: String?
    }

    private let configuration: ServerConfiguration
    private let roles: Set<Coordinator.Role>
    private let logger: Logger

    package init(_ configuration: ServerConfiguration, roles: Set<Coordinator.Role>, logger: Logger) {
        self.configuration = configuration
        self.roles = roles
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
        let backend = try await Backend.open(configuration, roles: roles, logger: logger)
        let coordinator = Coordinator(
            store: backend.store,
            belt: backend.belt,
            backend: backend.name,
            settings: configuration.coordinator,
            environment: ServiceEnvironment(logger: logger),
            metrics: MetricRegistry(),
            fleet: backend.fleet
        )
        try await coordinator.prepare()
        let readiness = Readiness()
        let gate = ListeningGate(count: roles.count)
        let listeners = listeners.map { listener in
            listener.service(coordinator, readiness: readiness, logger: logger) { role, address in
                onListening(role.rawValue, address)
                await gate.opened(role, address)
            }
        }
        let companion = CompanionService(gate: gate, onReady: onReady, make: companions)
        let services: [any Service] =
            [SecondSignal()] + backend.services + coordinator.services(of: roles) + listeners
            + [WaitEnder(coordinator), companion, DrainAnnouncer(readiness: readiness)]
        var group = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = .milliseconds(configuration.drain.count + 1000)
        try await ServiceGroup(configuration: group).run()
    }

    private var listeners: [Listener] {
        var listeners: [Listener] = []
        if roles.contains(.submitter) {
            listeners.append(listener(.api, configuration.apiHost, configuration.apiPort))
        }
        if roles.contains(.coordinator) {
            listeners.append(listener(.coordinator, configuration.coordinatorHost, configuration.coordinatorPort))
        }
        return listeners
    }

    private func listener(_ role: ListenerRole, _ host: String, _ port: Int) -> Listener {
        Listener(
            role: role,
            host: host,
            port: port,
            token: configuration.token,
            connectionsMax: configuration.connectionsMax
        )
    }
}

/// Stands before the listeners in the order of stopping: they can end only when no request waits.
private struct WaitEnder: Service {
    private let coordinator: Coordinator

    init(_ coordinator: Coordinator) {
        self.coordinator = coordinator
    }

    func run() async throws {
        try? await gracefulShutdown()  // cancellation ends the wait just as well
        coordinator.endWaits()
    }
}

/// Stops before all others, which may take their time: from the order to stop on, the process is not ready.
private struct DrainAnnouncer: Service {
    let readiness: Readiness

    func run() async throws {
        try? await gracefulShutdown()  // as above
        readiness.beginDraining()
    }
}

/// Services that need the listeners.
private struct CompanionService: Service {
    let gate: ListeningGate
    let onReady: @Sendable (Server.Addresses) -> Void
    let make: @Sendable (Server.Addresses) -> [any Service]

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
    func wait() async -> Server.Addresses? {
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
        guard isOpen else { return nil }
        return Server.Addresses(api: addresses[.api], coordinator: addresses[.coordinator])
    }

    private var isOpen: Bool { addresses.count == count }

    private func release() {
        waiter?.resume()
        waiter = nil
    }
}
