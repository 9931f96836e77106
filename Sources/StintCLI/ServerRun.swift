// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import StintCoordinator
import StintServer

/// Runs a server and says on the standard output where it listens and when it is ready.
struct ServerRun: Sendable {
    private let configuration: ServerConfiguration
    private let roles: Set<Coordinator.Role>
    private let logger: Logger

    init(_ configuration: ServerConfiguration, roles: Set<Coordinator.Role>, _ logger: Logger) {
        self.configuration = configuration
        self.roles = roles
        self.logger = logger
    }

    func run(
        onReady: @escaping @Sendable (Server.Addresses) -> Void = { _ in },
        companions: @escaping @Sendable (Server.Addresses) -> [any Service] = { _ in [] }
    ) async throws {
        let console = Console.current
        do {
            try await Server(configuration, roles: roles, logger: logger).run(
                onListening: { name, address in console.line("listening \(name)=\(address)") },
                onReady: { addresses in
                    console.line("ready")
                    onReady(addresses)
                },
                companions: companions
            )
        } catch let error as ConfigurationError {
            throw CommandFailure(.wrongUsage, error.description)
        } catch {
            throw CommandFailure(.failed, "the server stopped: \(error)")
        }
    }
}
