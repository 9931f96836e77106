// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import RedisDriver
import ServiceLifecycle
import StintCoordinator
import StintCore
import StintMemoryStore
import StintPostgresStore
import StintRedisQueue
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
        guard let databaseURL = configuration.databaseURL else { return try await embedded(configuration) }
        let store = try await SharedRecord(databaseURL, logger: logger).open(migrating: configuration.migrates)
        guard let redisURL = configuration.redisURL else {
            let belt: any ReadyQueue = roles.contains(.coordinator) ? MemoryReadyQueue() : DiscardingReadyQueue()
            return Backend(name: "postgres", store: store, belt: belt, fleet: FleetLinks())
        }
        return try await shared(store, redisURL: redisURL, roles: roles, logger: logger)
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

    /// The belt in Redis, and one in process for when that is away.
    private static func shared(
        _ store: any JobStore,
        redisURL: String,
        roles: Set<Coordinator.Role>,
        logger: Logger
    ) async throws -> Backend {
        let client = RedisClient(try SharedQueue.configuration(redisURL), logger: logger)
        try? await client.connect()  // it goes on trying, and the fleet does without meanwhile
        let belt = FallbackReadyQueue(
            primary: RedisReadyQueue(client: client),
            fallback: roles.contains(.coordinator) ? MemoryReadyQueue() : DiscardingReadyQueue(),
            time: SystemTimeSource(),
            onSwitch: { isUp in
                if isUp {
                    logger.notice("the belt is in Redis again")
                } else {
                    logger.warning("Redis is away; the belt is in process until it answers")
                }
            }
        )
        let fleet = FleetLinks(
            news: RedisNewsChannel(client: client, logger: logger),
            shelf: RedisReportShelf(client: client),
            board: RedisDeadLetterBoard(client: client),
            isQueueUp: { belt.isPrimaryUp }
        )
        return Backend(
            name: "postgres",
            store: store,
            belt: belt,
            fleet: fleet,
            services: [RedisConnection(client: client)]
        )
    }
}

/// Closes the connection to Redis when everything that uses it has ended.
private struct RedisConnection: Service {
    let client: RedisClient

    func run() async throws {
        try? await gracefulShutdown()  // cancellation ends the wait just as well
        await client.close()
    }
}
