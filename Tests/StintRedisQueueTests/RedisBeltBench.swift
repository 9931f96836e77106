// SPDX-License-Identifier: Apache-2.0

import Glibc
import RedisDriver
import StintModel
import StintRedisQueue
import StintStorage
import StintTestServers
import Testing

/// Figures for docs/redis.md: run with STINT_BENCH=1 in a release build on an idle machine.
@Suite("Belt in Redis, measured", .enabled(if: getenv("STINT_BENCH") != nil), .serialized)
struct RedisBeltBench {
    @Test(arguments: [1, 8])
    func putAndTakeInThousands(laneCount: Int) async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let count = 400_000
        let belt = RedisReadyQueue(client: client, window: count)
        let lanes = (0..<laneCount).map { Lane(queue: "default", name: "n\($0)") }
        try await belt.reset(lanes)
        for request in try await belt.refillRequests() { try await belt.refill(Refill(request: request, jobs: [])) }
        let jobs = (0..<count).map { ready($0, lanes[$0 % laneCount]) }
        let put = try await measure {
            for first in stride(from: 0, to: count, by: 1000) { try await belt.put(Array(jobs[first..<first + 1000])) }
        }
        var taken = 0
        let take = try await measure {
            while case let more = try await belt.take(.everyName, limit: 1000), !more.isEmpty { taken += more.count }
        }
        #expect(taken == count)
        print("\(laneCount) lanes: put \(Int(Double(count) / put)) jobs/s, take \(Int(Double(count) / take)) jobs/s")
        await client.close()
    }

    @Test func oneJobAtATime() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = RedisReadyQueue(client: client)
        try await belt.reset([.work])
        try await belt.refill(from: [])
        let rounds = 10_000
        let seconds = try await measure {
            for number in 0..<rounds {
                try await belt.put([ready(number)])
                _ = try await belt.take(.everyName, limit: 1)
            }
        }
        print("put and take of one job: \(Int(seconds / Double(rounds) * 1e6)) µs")
        #expect(try await belt.depth() == 0)
        await client.close()
    }

    private func measure(_ work: () async throws -> Void) async throws -> Double {
        let start = ContinuousClock.now
        try await work()
        let passed = start.duration(to: .now).components
        return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
    }
}
