// SPDX-License-Identifier: Apache-2.0

import Logging
import RedisDriver
import StintRedisQueue
import StintTestServers
import Synchronization

/// One private Redis for all tests that do nothing to the server itself; each has keys of its own.
enum SharedRedis {
    private static let server = Result { try PrivateRedis() }
    private static let made = Mutex(0)

    static func client() async throws -> RedisClient {
        try await Self.client(of: try server.get())
    }

    static func client(of redis: PrivateRedis) async throws -> RedisClient {
        var configuration = RedisConfiguration(port: redis.port)
        configuration.connectTimeout = .seconds(10)  // two busy cores
        configuration.commandTimeout = .seconds(20)
        let client = RedisClient(configuration, logger: silent)
        try await client.connect()
        return client
    }

    static func freshKeys() -> RedisKeys {
        let number = made.withLock { made in
            made += 1
            return made
        }
        return RedisKeys(prefix: "test\(number):")
    }

    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
