// SPDX-License-Identifier: Apache-2.0

import Logging
import RedisDriver
import StintTestServers
import Testing

@Suite("A Redis subscriber")
struct RedisSubscriberTests {
    @Test func hearsWhatIsPublishedOnItsChannel() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        let subscriber = RedisSubscriber(RedisConfiguration(redis), channel: "c", logger: LogLines().logger)
        var events = subscriber.events().makeAsyncIterator()
        #expect(await events.next() == .subscribed)
        _ = try await client.send([
            RedisCommand("PUBLISH", "other", "x"), RedisCommand("PUBLISH", "c", "1"),
            RedisCommand([Array("PUBLISH".utf8), Array("c".utf8), [0, 255, 13, 10]]),
        ])
        #expect(await events.next() == .message([UInt8(ascii: "1")]))
        #expect(await events.next() == .message([0, 255, 13, 10]))
        await client.close()
    }

    @Test func tellsOfAGapWhenItSubscribesAgain() async throws {
        let redis = try PrivateRedis()
        let log = LogLines()
        let subscriber = RedisSubscriber(RedisConfiguration(redis), channel: "c", logger: log.logger)
        var events = subscriber.events().makeAsyncIterator()
        #expect(await events.next() == .subscribed)
        try redis.restart()
        #expect(await events.next() == .subscribed)
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        _ = try await client.call(RedisCommand("PUBLISH", "c", "1"))
        #expect(await events.next() == .message([UInt8(ascii: "1")]))
        #expect(log.all.count { $0.hasPrefix("Redis is away") } == 1, "\(log.all)")
        #expect(log.all.count { $0.hasPrefix("Redis is back") } == 1, "\(log.all)")
        await client.close()
    }

    @Test func leavesAServerThatHangs() async throws {
        let redis = try PrivateRedis()
        let log = LogLines()
        let configuration = RedisConfiguration(redis, commandTimeout: .milliseconds(300))
        let subscriber = RedisSubscriber(configuration, channel: "c", logger: log.logger)
        var events = subscriber.events().makeAsyncIterator()
        #expect(await events.next() == .subscribed)
        redis.freeze()
        try await until("it has given up") { !log.all.isEmpty }
        redis.thaw()
        #expect(await events.next() == .subscribed)
    }

    @Test func staysSubscribedThroughSilence() async throws {
        let redis = try PrivateRedis()
        let log = LogLines()
        let configuration = RedisConfiguration(redis, commandTimeout: .milliseconds(200))
        let subscriber = RedisSubscriber(configuration, channel: "c", logger: log.logger)
        var events = subscriber.events().makeAsyncIterator()
        #expect(await events.next() == .subscribed)
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        // Its questions show that it waited longer than the time-out, several times over.
        try await until("it has asked three times") {
            let stats = try? await client.call(RedisCommand("INFO", "commandstats")).asText
            let pings = stats?.split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_ping:calls=") }
            return pings?.dropFirst("cmdstat_ping:calls=".count).prefix { $0.isNumber }.description
                .compare(to: 5) ?? false
        }
        _ = try await client.call(RedisCommand("PUBLISH", "c", "1"))
        #expect(await events.next() == .message([UInt8(ascii: "1")]))
        #expect(log.all == [])
        await client.close()
    }

    @Test func stopsWhenNobodyListens() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        let listening = Task {
            for await _ in RedisSubscriber(RedisConfiguration(redis), channel: "c", logger: LogLines().logger).events()
            {}
        }
        func subscribers() async -> Int64? {
            try? await client.call(RedisCommand("PUBLISH", "c", "x")).asInteger
        }
        try await until("it listens") { await subscribers() == 1 }
        listening.cancel()
        await listening.value
        try await until("it has gone") { await subscribers() == 0 }
        await client.close()
    }
}

extension String {
    /// Whether this is a number and at least that.
    fileprivate func compare(to least: Int) -> Bool { Int(self).map { $0 >= least } ?? false }
}
