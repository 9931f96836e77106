// SPDX-License-Identifier: Apache-2.0

import Logging
import RedisDriver
import StintTestServers
import Synchronization

/// Short deadlines for servers that hang on purpose, generous ones for all others on two busy cores.
extension RedisConfiguration {
    init(_ redis: PrivateRedis, commandTimeout: Duration = .seconds(20)) {
        self.init(port: redis.port)
        connectTimeout = .seconds(10)
        self.commandTimeout = commandTimeout
    }
}

extension RedisClient {
    static func connected(
        _ configuration: RedisConfiguration,
        logger: Logger = LogLines().logger
    ) async throws -> RedisClient {
        let client = RedisClient(configuration, logger: logger)
        try await client.connect()
        return client
    }
}

/// Remembers what was logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(sink: self) }
    }

    private func note(_ line: String) {
        lines.withLock { $0.append(line) }
    }

    private struct Handler: LogHandler {
        let sink: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = event.metadata ?? [:]
            let words = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            sink.note(([event.message.description] + words).joined(separator: " "))
        }
    }
}

/// Lets the client's own queue go on until the condition holds.
func until(_ what: String, limit: Duration = .seconds(60), _ condition: () async -> Bool) async throws {
    let start = ContinuousClock.now
    while await !condition() {
        guard start.duration(to: .now) < limit else { throw NeverHappened(description: "never happened: \(what)") }
        // What is waited for happens in another process and by its own clock: asking more often would only take its time.
        try await Task.sleep(for: .milliseconds(5))
    }
}

struct NeverHappened: Error, CustomStringConvertible {
    let description: String
}
