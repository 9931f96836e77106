// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintTestServers
import Testing

@Suite("A script in Redis")
struct RedisScriptTests {
    private let script = RedisScript("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")

    private func run(_ word: String) -> RedisScript.Run {
        RedisScript.Run(keys: ["k"], arguments: RedisCommand(word))
    }

    private func answer(_ word: String, _ count: Int64) -> RedisReply {
        .array([.bytes([UInt8(ascii: "k")]), .bytes(Array(word.utf8)), .integer(count)])
    }

    @Test func isNamedByItsDigestAndSentAgainWhenForgotten() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        #expect(try await client.run(script, run("a")) == answer("a", 1))
        #expect(try await client.run(script, run("b")) == answer("b", 2))
        try redis.run("SCRIPT FLUSH")
        #expect(try await client.run(script, [run("c"), run("d")]) == [answer("c", 3), answer("d", 4)])
        #expect(try await client.run(script, run("e")) == answer("e", 5))
        try redis.restart()
        try await until("the client is up") { (try? await client.call(RedisCommand("PING"))) != nil }
        #expect(try await client.run(script, run("f")) == answer("f", 1))
        await client.close()
    }

    @Test func thatFailsIsAnErrorOfThatRunAlone() async throws {
        let redis = try PrivateRedis()
        let client = try await RedisClient.connected(RedisConfiguration(redis))
        let picky = RedisScript("if ARGV[1] == 'bad' then return redis.error_reply('BADWORD it is') end return 1")
        let replies = try await client.run(picky, [run("good"), run("bad"), run("good")])
        #expect(replies[0] == .integer(1))
        #expect(replies[2] == .integer(1))
        let error = #expect(throws: RedisError.self) { try replies[1].get() }
        #expect(error?.serverCode == "BADWORD")
        await client.close()
    }
}
