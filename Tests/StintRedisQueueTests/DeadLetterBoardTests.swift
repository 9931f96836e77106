// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
import StintStorage
import StintTestServers
import Testing

@testable import StintRedisQueue

private func change(_ number: UInt64, to state: JobState, cause: DeadCause? = nil) -> JobChange {
    JobChange(
        id: JobID(high: 0x0190_0000_0000_7000, low: 1 << 63 | number),
        lane: .mail,
        from: .running,
        to: state,
        attempt: 12,
        priority: 0,
        createdAt: Timestamp(milliseconds: 0),
        runAt: Timestamp(milliseconds: 0),
        at: Timestamp(milliseconds: 1_800_000_000_123),
        cause: cause
    )
}

@Suite("The dead letter board in Redis")
struct DeadLetterBoardTests {
    @Test func announcesDeadLettersAndNothingElse() async throws {
        let client = try await SharedRedis.client()
        let keys = SharedRedis.freshKeys()
        let board = RedisDeadLetterBoard(client: client, keys: keys)
        await board.announce([
            change(1, to: .completed), change(2, to: .dead, cause: .crashLoop), change(3, to: .scheduled),
        ])
        let entries = try await client.call(RedisCommand("XRANGE", keys.deadLetters, "-", "+")).asArray ?? []
        #expect(entries.count == 1)
        #expect(
            entries.first?.asArray?.last?.asArray?.compactMap(\.asText) == [
                "job_id", "01900000-0000-7000-8000-000000000002", "queue", "default", "name", "mail",
                "cause", "crash_loop", "attempt", "12", "at", "2027-01-15T08:00:00.123Z",
            ]
        )
        await client.close()
    }

    @Test func keepsAboutTheNewest() async throws {
        let client = try await SharedRedis.client()
        let keys = SharedRedis.freshKeys()
        let board = RedisDeadLetterBoard(client: client, keys: keys, entriesMax: 100)
        for _ in 0..<10 {
            await board.announce((1...100).map { change($0, to: .dead, cause: .attemptsExhausted) })
        }
        let count = try await client.call(RedisCommand("XLEN", keys.deadLetters)).asInteger ?? 0
        #expect((100...300).contains(count), "\(count) entries: trimming is by whole blocks")
        await client.close()
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
    ])
    func instantsAreReadable(milliseconds: Int64, text: String) {
        #expect(InstantText.of(Timestamp(milliseconds: milliseconds)) == text)
    }
}

@Suite("What doctor shows of Redis")
struct RedisDiagnosticsTests {
    @Test func aSoundServerHasNoWarning() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client)
        try await belt.put([ready(1), ready(2)])
        let lines = try await RedisDiagnostics.read(client)
        #expect(lines.filter { $0.warning != nil } == [])
        let values = Dictionary(uniqueKeysWithValues: lines.map { ($0.key, $0.value) })
        #expect(values["redis_belt_jobs"] == "2")
        #expect(values["redis_reports_waiting"] == "0")
        #expect(values["redis_maxmemory_policy"] == "noeviction")
        #expect(values["redis_version"]?.first?.isNumber == true)
        await client.close()
    }

    @Test func evictionAndAFullMemoryAreWarnedOf() async throws {
        let redis = try PrivateRedis(settings: ["--maxmemory", "1mb", "--maxmemory-policy", "allkeys-lru"])
        let client = try await SharedRedis.client(of: redis)
        let warned = try await RedisDiagnostics.read(client).filter { $0.warning != nil }.map(\.key)
        #expect(Set(warned) == ["redis_maxmemory_policy", "redis_memory_bytes"])
        await client.close()
    }
}
