// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
package import ServiceLifecycle
package import StintCoordinator

/// Which calls a listener answers.
package enum ListenerRole: String, Sendable {
    /// The submitter's API.
    case api
    /// The worker protocol, metrics.
    case coordinator
}

/// One HTTP listener.
package struct Listener: Sendable {
    package var role: ListenerRole
    package var host: String
    /// 0: any that is free.
    package var port: Int
    /// The token that callers must show, nil for none.
    package var token: String?
    package var connectionsMax: Int
    /// No option: tests lower them.
    var limits = GuardedChannel.Limits()

    package init(role: ListenerRole, host: String, port: Int, token: String?, connectionsMax: Int = 4096) {
        self.role = role
        self.host = host
        self.port = port
        self.token = token
        self.connectionsMax = connectionsMax
    }

    /// The service that listens.
    ///
    /// `onListening` is told the address, such as `http://127.0.0.1:8000`.
    package func service(
        _ coordinator: Coordinator,
        readiness: Readiness,
        logger: Logger,
        onListening: @escaping @Sendable (ListenerRole, String) async -> Void
    ) -> any Service {
        let watch = ConnectionWatch()
        let table = table(coordinator, readiness, watch)
        let edge = EdgeMiddleware(
            token: token,
            openPaths: table.openPaths,
            environment: coordinator.environment,
            metrics: coordinator.metrics
        )
        let (role, host, limits) = (role, host, limits)
        // Hummingbird tells of every start and stop at info; the server says so itself.
        var quietLogger = logger
        quietLogger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: table.router(edge),
            server: HTTPServerBuilder { responder in
                GuardedChannel(responder: responder, limits: limits, watch: role == .coordinator ? watch : nil)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port),
                backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(connectionsMax)
            ),
            onServerRunning: { channel in
                let shown = host.contains(":") ? "[\(host)]" : host
                await onListening(role, "http://\(shown):\(channel.localAddress?.port ?? 0)")
            },
            logger: quietLogger
        )
        return ListeningService(application: application, role: role, address: "\(host):\(port)")
    }

    func table(_ coordinator: Coordinator, _ readiness: Readiness, _ watch: ConnectionWatch) -> RouteTable {
        let server = ServerAPI(coordinator: coordinator, readiness: readiness)
        switch role {
        case .api:
            return RouteTable(
                routes: SubmitterAPI(coordinator: coordinator).routes + server.contract + server.counting
                    + server.health
            )
        case .coordinator:
            return RouteTable(
                routes: CoordinatorAPI(coordinator: coordinator, watch: watch).routes + server.observing + server.health
            )
        }
    }
}

/// Says which address could not be listened on.
private struct ListeningService: Service {
    let application: any Service
    let role: ListenerRole
    let address: String

    func run() async throws {
        do {
            try await application.run()
        } catch let error as IOError {
            throw ListeningError(description: "cannot listen on \(address) for the \(role.rawValue): \(error)")
        }
    }
}

/// Why a listener could not start; one sentence for a person.
package struct ListeningError: Error, CustomStringConvertible {
    package let description: String
}
