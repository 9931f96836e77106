// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintTestServers
import Testing

@Suite("A Redis client")
struct RedisClientTests {
    @Test func repliesAreWhatRedisAnswered() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        let replies = try await client.send([
            RedisCommand("SET", "a", "x"), RedisCommand("GET", "a"), RedisCommand("GET", "none"),
            RedisCommand("INCR", "n"), RedisCommand("LRANGE", "none", "0", "-1"), RedisCommand("HGET", "a", "f"),
            RedisCommand("MGET", "a", "none", "n"),
        ])
        #expect(replies[0].asText == "OK")
        #expect(replies[1].asText == "x")
        #expect(replies[2] == .null)
        #expect(replies[3] == .integer(1))
        #expect(replies[4] == .array([]))
        #expect(replies[6] == .array([.bytes(Array("x".utf8)), .null, .bytes(Array("1".utf8))]))
        guard case .error(let error) = replies[5] else {
            Issue.record("\(replies[5])")
            return
        }
        #expect(error.code == .server)
        #expect(error.serverCode == "WRONGTYPE")
        await client.close()
    }

    @Test func anyBytesArePassedOn() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        let bytes = (0...255).map { UInt8($0) } + Array("\r\n$-1\r\n".utf8) + [UInt8](repeating: 0, count: 1 << 20)
        _ = try await client.call(RedisCommand([Array("SET".utf8), [0, 13, 10], bytes]))
        #expect(try await client.call(RedisCommand([Array("GET".utf8), [0, 13, 10]])).asBytes == bytes)
        _ = try await client.call(RedisCommand([Array("SET".utf8), [1], []]))
        #expect(try await client.call(RedisCommand([Array("GET".utf8), [1]])).asBytes == [])
        await client.close()
    }

    @Test func eachOfManyCallersGetsItsOwnReplyAndTheirOrderIsKept() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<50 {
                group.addTask {
                    for round in 0..<40 {
                        let word = "\(caller)-\(round)"
                        let replies = try await client.send([
                            RedisCommand("ECHO", word), RedisCommand("RPUSH", "list\(caller)", "\(round)"),
                        ])
                        #expect(replies.map(\.asText) == [word, nil])
                        #expect(replies[1] == .integer(Int64(round + 1)))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(
            try await client.call(RedisCommand("LRANGE", "list7", "0", "-1")).asArray?.compactMap(\.asInteger)
                == Array(0..<40)
        )
        await client.close()
    }

    @Test func whatQueuesUpDuringARoundTripGoesOutTogether() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        // While the server sleeps in the first round trip, a thousand callers gather; the rest is one round trip more.
        redis.freeze()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 {
                group.addTask { _ = try? await client.call(RedisCommand("INCR", "n")) }
            }
            redis.thaw()
        }
        #expect(try await client.call(RedisCommand("GET", "n")).asInteger == 1000)
        let stats = RedisInfo(try await client.call(RedisCommand("INFO", "stats")).asText ?? "")
        let reads = try #require(stats["total_reads_processed"].flatMap { Int($0) })
        #expect(reads < 500, "\(reads) reads of the server for a thousand calls")
        await client.close()
    }

    @Test func aFrozenServerIsGivenUpAfterTheTimeoutAndCallersThenFailAtOnce() async throws {
        let redis = try PrivateRedis()
        let log = LogLines()
        let timeout = Duration.milliseconds(300)
        let client = try await RedisClient.connected(
            RedisConfiguration(redis, commandTimeout: timeout),
            logger: log.logger
        )
        redis.freeze()
        let start = ContinuousClock.now
        let error = await #expect(throws: RedisError.self) { try await client.call(RedisCommand("PING")) }
        #expect(error?.code == .timedOut)
        #expect(start.duration(to: .now) >= timeout)
        #expect(!client.isUp)
        let next = await #expect(throws: RedisError.self) { try await client.call(RedisCommand("PING")) }
        #expect(next?.code == .notConnected)
        redis.thaw()
        try await until("Redis is back") { client.isUp }
        #expect(try await client.call(RedisCommand("PING")).asText == "PONG")
        #expect(log.all.count { $0.hasPrefix("Redis is away") } == 1, "\(log.all)")
        #expect(log.all.count { $0.hasPrefix("Redis is back") } == 1, "\(log.all)")
        await client.close()
    }

    @Test func allWhoWaitForAFrozenServerAreToldWithinTheirTime() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis, commandTimeout: .milliseconds(300)))
        redis.freeze()
        let start = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<500 {
                group.addTask {
                    await #expect(throws: RedisError.self) { try await client.call(RedisCommand("PING")) }
                }
            }
        }
        #expect(start.duration(to: .now) < .seconds(10))
        redis.thaw()
        await client.close()
    }

    @Test func aFrozenServerThatTakesNothingIsGivenUpToo() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis, commandTimeout: .milliseconds(300)))
        redis.freeze()
        let long = RedisCommand([Array("ECHO".utf8), [UInt8](repeating: 7, count: 32 << 20)])
        let start = ContinuousClock.now
        let error = await #expect(throws: RedisError.self) { try await client.call(long) }
        #expect(error?.code == .timedOut)
        #expect(start.duration(to: .now) < .seconds(10))
        redis.thaw()
        await client.close()
    }

    @Test func anIdleClientNoticesThatTheServerHasGone() async throws {
        let redis = try PrivateRedis()
        var configuration = RedisConfiguration(redis)
        configuration.idleCheck = .milliseconds(50)
        let client = try await RedisClient.connected(configuration)
        let run = client.serverRunID
        #expect(run.count == 40)
        redis.kill()
        try await until("the client is down") { !client.isUp }
        try redis.start()
        try await until("the client is up") { client.isUp }
        #expect(client.serverRunID.count == 40)
        #expect(client.serverRunID != run)
        await client.close()
    }

    @Test func aServerThatIsNotThereIsAnErrorAndIsFoundLater() async throws {
        let redis = try PrivateRedis()
        redis.kill()
        let log = LogLines()
        let client = RedisClient(RedisConfiguration(redis), logger: log.logger)
        let early = await #expect(throws: RedisError.self) { try await client.call(RedisCommand("PING")) }
        #expect(early?.code == .notConnected)
        let error = await #expect(throws: RedisError.self) { try await client.connect() }
        #expect(error?.code == .notConnected)
        try redis.start()
        try await until("the client is up") { client.isUp }
        #expect(log.all.count == 2, "\(log.all)")
        await client.close()
    }

    @Test func moreThanCanWaitIsRefused() async throws {
        let redis = try PrivateRedis()
        var configuration = RedisConfiguration(redis)
        configuration.waitingCommandsMax = 3
        configuration.waitingBytesMax = 1000
        let client = try await RedisClient.connected(configuration)
        let ping = RedisCommand("PING")
        #expect(try await client.send([ping, ping, ping]).count == 3)
        let tooMany = await #expect(throws: RedisError.self) { try await client.send([ping, ping, ping, ping]) }
        #expect(tooMany?.code == .overloaded)
        let long = RedisCommand("ECHO", String(repeating: "x", count: 1000))
        let tooLong = await #expect(throws: RedisError.self) { try await client.call(long) }
        #expect(tooLong?.code == .overloaded)
        #expect(try await client.call(ping).asText == "PONG")
        await client.close()
    }

    @Test func aClosedClientRefusesEverything() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        await client.close()
        let error = await #expect(throws: RedisError.self) { try await client.call(RedisCommand("PING")) }
        #expect(error?.code == .closed)
        #expect(!client.isUp)
    }

    @Test func thePasswordIsShownToTheServerAndToNobodyElse() async throws {
        let redis = try PrivateRedis(password: "s3cr3t")
        try redis.run("ACL SETUSER ann on >her+word ~* +@all")
        for (user, password) in [(nil, "s3cr3t"), ("ann", "her+word")] as [(String?, String)] {
            var configuration = RedisConfiguration(redis)
            configuration.username = user
            configuration.password = password
            configuration.database = 3
            let client = try await RedisClient.connected(configuration)
            #expect(try await client.call(RedisCommand("CLIENT", "INFO")).asText?.contains(" db=3 ") == true)
            await client.close()
        }
        let log = LogLines()
        var configuration = RedisConfiguration(redis)
        configuration.password = "wr0ng"
        let client = RedisClient(configuration, logger: log.logger)
        let error = await #expect(throws: RedisError.self) { try await client.connect() }
        #expect(error?.code == .authentication)
        #expect(error?.description.contains("wr0ng") == false)
        #expect(log.all.count == 1)
        #expect(log.all.first?.contains("wr0ng") == false)
        await client.close()

        let anonymous = RedisClient(RedisConfiguration(redis), logger: log.logger)
        let refusal = await #expect(throws: RedisError.self) { try await anonymous.connect() }
        #expect(refusal?.code == .authentication)
        await anonymous.close()
    }

    @Test func anErrorOfTheServerShowsNoArguments() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        let error = await #expect(throws: RedisError.self) {
            try await client.call(RedisCommand("NO-SUCH-COMMAND", "topsecret"))
        }
        #expect(error?.code == .server)
        #expect(error?.description == "Redis answered ERR")
        await client.close()
    }

    @Test func postedCommandsAreCarriedOutInOrder() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        for number in 0..<100 { client.post([RedisCommand("RPUSH", "list", "\(number)")]) }
        let list = try await client.call(RedisCommand("LRANGE", "list", "0", "-1"))
        #expect(list.asArray?.compactMap(\.asInteger) == Array(0..<100))
        await client.close()
        client.post([RedisCommand("PING")])
    }
}
