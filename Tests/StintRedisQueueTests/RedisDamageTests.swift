// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
import StintRedisQueue
import StintStorage
import StintTestServers
import Testing

@Suite("Whatever is done to Redis, the belt works again")
struct RedisDamageTests {
    @Test func emptied() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client, window: 8)
        try await belt.reset([.work, .mail])
        try await belt.refill(from: [1, 2, 3])
        try redis.flushAll()
        #expect(try await belt.depth() == 0)
        #expect(try await belt.take(.everyName, limit: 9) == [])
        #expect(try await belt.missing(among: [.work, .mail]) == [.work, .mail])
        // A job that arrives in the emptied lane does not hide those it had before.
        try await belt.put([ready(4)])
        #expect(try await belt.missing(among: [.work, .mail]) == [.mail])
        try await belt.refill(from: [1, 2, 3, 4])
        #expect(keys(try await belt.take(.everyName, limit: 9)) == [1, 2, 3, 4])
        await client.close()
    }

    @Test func emptiedWhileARefillIsRead() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client, window: 8)
        try await belt.reset([.work])
        let request = try #require(try await belt.refillRequests().first)
        try redis.flushAll()
        try await belt.refill(Refill(request: request, jobs: [ready(1)]))
        #expect(try await belt.depth() == 0, "it is not known what else the lane had")
        #expect(try await belt.missing(among: [.work]) == [.work])
        await client.close()
    }

    @Test func restartedWithAnOldSnapshot() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client, window: 8)
        try await belt.reset([.work, .mail])
        try await belt.refill(from: [])
        try await belt.put([ready(1), ready(1, .mail)])
        try redis.saveSnapshot()
        _ = try await belt.take(.everyName, limit: 9)
        try await belt.put([ready(2)])
        try redis.restart()
        try await reconnected(client)
        // The snapshot says that it holds all of both lanes; but it is old.
        #expect(try await belt.absent(among: [ready(2)]) == [], "nothing is said of a lane that is missing as a whole")
        #expect(try await belt.missing(among: [.work, .mail]) == [.work, .mail])
        // A job that arrives before anybody has looked starts the lane anew.
        try await belt.put([ready(3)])
        #expect(try await belt.missing(among: [.work, .mail]) == [.mail])
        try await belt.refill(from: [2, 3])
        #expect(keys(try await belt.take(LaneDemand(queues: ["default": .init(names: ["work"])]), limit: 9)) == [2, 3])
        try await belt.reset([.mail])
        #expect(try await belt.depth() == 0)
        await client.close()
    }

    @Test func restartedWhileARefillIsRead() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client, window: 8)
        try await belt.reset([.work])
        let request = try #require(try await belt.refillRequests().first)
        try redis.saveSnapshot()
        try redis.restart()
        try await reconnected(client)
        try await belt.refill(Refill(request: request, jobs: [ready(1)]))
        #expect(try await belt.depth() == 0)
        #expect(try await belt.missing(among: [.work]) == [.work])
        await client.close()
    }

    @Test func awayIsUnavailable() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client)
        redis.kill()
        await expectUnavailable { try await belt.put([ready(1)]) }
        await expectUnavailable { _ = try await belt.take(.everyName, limit: 1) }
        await expectUnavailable { _ = try await belt.refillRequests() }
        await expectUnavailable { try await belt.reset([.work]) }
        await expectUnavailable { _ = try await belt.missing(among: [.work]) }
        await expectUnavailable { _ = try await belt.absent(among: [ready(1)]) }
        await expectUnavailable { _ = try await belt.depth() }
        await client.close()
        await #expect(throws: StorageError.closed) { try await belt.depth() }
    }

    private func expectUnavailable(_ call: () async throws -> Void) async {
        do {
            try await call()
            Issue.record("it worked")
        } catch {
            guard case .unavailable = error as? StorageError else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func fullIsUnavailableAndThenWorksAgain() async throws {
        let redis = try PrivateRedis(settings: ["--maxmemory", "3mb"])
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client, window: 1_000_000)
        try await belt.reset([.work])
        try await belt.refill(from: [])
        var stored = 0
        let error = await #expect(throws: StorageError.self) {
            for first in stride(from: 0, to: 100_000, by: 1000) {
                try await belt.put((first..<first + 1000).map { ready($0) })
                stored += 1000
            }
        }
        guard case .unavailable(let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("out of memory"))
        try redis.run("CONFIG SET maxmemory 0")
        #expect(try await belt.take(.everyName, limit: stored).count == stored)
        await client.close()
    }

    /// Keys of other types, members and fields that no belt would write.
    @Test(arguments: [
        ["SET @lane:default/work x"], ["SET @state:default/work x"], ["SET @aside:default/work x"],
        ["SET @lanes:default x"], ["SET @queues x"], ["SET @refills x"],
        ["ZADD @lane:default/work 0 short"], ["ZADD @lane:default/work inf sixteen-bytes-16 -inf sixteen-bytes-17"],
        ["ZADD @lane:default/work 1.5 sixteen-bytes-16", "ZADD @lane:default/work -3 a-member-that-is-much-too-long"],
        ["HSET @state:default/work score x"], ["HSET @state:default/work score 1 id x"],
        ["HSET @state:default/work claim x overflow y"], ["HDEL @state:default/work id"],
        ["HDEL @state:default/work score"],
        ["SADD @lanes:default ghost", "SADD @queues ghosts"], ["ZADD @refills 0 nonsense 0 no/state 5 default/ghost"],
        ["DEL @refills"], ["DEL @state:default/work"], ["DEL @lanes:default"], ["DEL @lane:default/work"],
        ["DEL @queues"],
        ["FLUSHALL"],
    ])
    func damaged(by commands: [String]) async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client, keys: RedisKeys(prefix: "@"), window: 4)
        let record = Array(1...12)
        try await belt.reset([.work])
        try await belt.refill(from: record)
        for command in commands { try redis.run(command) }

        // New jobs arrive, and a coordinator serves, refills and reconciles until nothing is open.
        var open = Set(record + [13, 14])
        try await belt.put([ready(13), ready(14)])
        for _ in 0..<20 where !open.isEmpty {
            for key in keys(try await belt.take(.everyName, limit: 3)) { open.remove(key) }
            for lane in try await belt.missing(among: [.work]) { try await belt.reset([lane]) }
            try await belt.refill(from: Array(open))
            let absent = try await belt.absent(among: open.sorted().map { ready($0) })
            if !absent.isEmpty { try await belt.reset([.work]) }
            _ = try await belt.depth()
        }
        #expect(open.count == 0, "\(open.sorted()) are never served")
        await client.close()
    }

    private func reconnected(_ client: RedisClient) async throws {
        let start = ContinuousClock.now
        // The first call may be the one that notices the restart.
        while (try? await client.call(RedisCommand("PING"))) == nil {
            try #require(start.duration(to: .now) < .seconds(60), "the client does not connect again")
            try await Task.sleep(for: .milliseconds(5))  // between two tries; the deadline bounds them
        }
    }
}
