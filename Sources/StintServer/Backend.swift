// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import StintCoordinator
import StintCore
import StintMemoryStore
import StintSQLiteStore
import StintStorage

/// The adapters that a server process stands on.
struct Backend: Sendable {
    /// Names the record in metrics.
    var name: String
    var store: any JobStore
    var belt: any ReadyQueue
    /// Nil: the process is alone on its record.
    var fleet: FleetLinks?
    /// What must run from before the coordinator's services start until they have ended.
    var services: [any Service] = []

    static func open(
        _ configuration: ServerConfiguration,
        roles: Set<Coordinator.Role>,
        logger: Logger
    ) async throws -> Backend {
        try await embedded(configuration)
    }

    /// One SQLite file, the belt in process.
    private static func embedded(_ configuration: ServerConfiguration) async throws -> Backend {
        let store = try await SQLiteJobStore(
            configuration: .init(directory: configuration.dataDirectory),
            rules: EndingDecision.rules,
            now: { SystemClock.now() }
        )
        return Backend(name: "sqlite", store: store, belt: MemoryReadyQueue())
    }
}
