// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintCoordinator
import StintMemoryStore
import StintModel
import StintRedisQueue
import StintStorage
import StintTestServers
import Testing

@Suite("A belt in process takes the place of Redis")
struct FallbackTests {
    @Test func whileItIsAwayAndGivesItBack() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let belt = FallbackReadyQueue(
            primary: RedisReadyQueue(client: client, window: 8),
            fallback: MemoryReadyQueue(window: 8),
            time: SystemTimeSource(),
            probeInterval: Milliseconds(1)
        )
        var available = Set(1...20)
        try await serve(&available, through: belt)
        #expect(available.count == 0)
        #expect(belt.isPrimaryUp)

        redis.kill()
        available = Set(21...60)
        try await serve(&available, through: belt)
        #expect(available.count == 0)
        #expect(!belt.isPrimaryUp)

        available = Set(61...80)
        try await belt.put([ready(70)])
        try redis.start()
        let start = ContinuousClock.now
        while !belt.isPrimaryUp {
            try #require(start.duration(to: .now) < .seconds(60))
            _ = try await belt.depth()
            try await Task.sleep(for: .milliseconds(5))  // another process's turn
        }
        try await serve(&available, through: belt)
        #expect(available.count == 0)
        #expect(belt.isPrimaryUp)
        await client.close()
    }

    /// What a coordinator does until nothing is available: reconcile, refill, take.
    private func serve(_ available: inout Set<Int>, through belt: FallbackReadyQueue) async throws {
        for _ in 0..<200 where !available.isEmpty {
            let missing = try await belt.missing(among: [.work])
            if !missing.isEmpty { try await belt.reset(missing) }
            for request in try await belt.refillRequests() {
                let jobs = available.sorted().map { ready($0) }.filter { job in
                    request.after.map { $0 < job.order } ?? true
                }
                try await belt.refill(Refill(request: request, jobs: Array(jobs.prefix(request.limit))))
            }
            for key in keys(try await belt.take(.everyName, limit: 5)) { available.remove(key) }
        }
    }
}
