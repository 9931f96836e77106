// SPDX-License-Identifier: Apache-2.0

package import Logging
import RedisDriver
import StintRedisQueue
package import StintStorage

/// The Redis that the processes of a fleet share.
package enum SharedQueue {
    /// - Throws: ``ConfigurationError`` for an address that cannot be used.
    static func configuration(_ url: String) throws -> RedisConfiguration {
        do throws(RedisError) {
            return try RedisConfiguration(url: url)
        } catch {
            throw ConfigurationError("STINT_REDIS_URL cannot be used: \(error)")
        }
    }

    /// What `doctor` shows of Redis.
    package static func diagnostics(_ url: String, logger: Logger) async throws -> [RecordDiagnostic] {
        let client = RedisClient(try configuration(url), logger: logger)
        do {
            try await client.connect()
            let lines = try await RedisDiagnostics.read(client)
            await client.close()
            return lines
        } catch {
            await client.close()
            throw error
        }
    }
}
