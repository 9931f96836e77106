// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
import StintRedisQueue
import StintStorage
import StintTestServers
import Synchronization
import Testing

extension Lane {
    static let work = Lane(queue: "default", name: "work")
    static let mail = Lane(queue: "default", name: "mail")
}

func ready(_ key: Int, _ lane: Lane = .work) -> ReadyJob {
    let id = JobID(high: 0x0190_0000_0000_7000, low: 1 << 63 | UInt64(bitPattern: Int64(key)))
    return ReadyJob(lane: lane, order: ServingOrder(key: Int64(key), id: id))
}

func keys(_ jobs: [ReadyJob]) -> [Int] { jobs.map { Int($0.order.key) } }

extension LaneDemand {
    static let everyName = LaneDemand(queues: ["default": Names(isEveryName: true)])
}

extension RedisReadyQueue {
    /// Answers every refill from a record that holds these numbers.
    ///
    /// Asks until Redis was really asked: without news it is asked once per second only.
    func refill(from record: [Int], lane: Lane = .work) async throws {
        for request in try await refillRequests() where request.lane == lane {
            let jobs = record.sorted().map { ready($0, lane) }.filter { job in
                request.after.map { $0 < job.order } ?? true
            }
            try await refill(Refill(request: request, jobs: Array(jobs.prefix(request.limit))))
        }
    }
}

/// How often each job was taken.
private final class Tally: Sendable {
    private let taken = Mutex<[Int: Int]>([:])

    var counts: [Int: Int] { taken.withLock { $0 } }

    func note(_ keys: [Int]) {
        taken.withLock { taken in
            for key in keys { taken[key, default: 0] += 1 }
        }
    }
}

@Suite("Several processes share the belt in Redis")
struct SharedBeltTests {
    @Test func aLaneOfWhichNothingIsKnownIsReadButDoesNotKeepItsFirstJobsWaiting() async throws {
        let client = try await SharedRedis.client()
        let belt = RedisReadyQueue(client: client, keys: SharedRedis.freshKeys(), window: 8)
        try await belt.put([ready(5)])
        #expect(keys(try await belt.take(.everyName, limit: 9)) == [5])
        #expect(try await belt.missing(among: [.work]) == [], "a refill is due")
        try await belt.refill(from: [1, 2, 5])
        #expect(keys(try await belt.take(.everyName, limit: 9)) == [1, 2, 5])
        // From now on it is known to hold all: no job costs a read of the record any more.
        try await belt.put([ready(6)])
        #expect(try await belt.refillRequests() == [])
        #expect(keys(try await belt.take(.everyName, limit: 9)) == [6])
        await client.close()
    }

    @Test func aHugeBatchIntoAnUnknownLaneStaysBounded() async throws {
        let client = try await SharedRedis.client()
        let belt = RedisReadyQueue(client: client, keys: SharedRedis.freshKeys(), window: 8)
        try await belt.put((1...5000).map { ready($0) })
        #expect(try await belt.depth() <= 16)
        try await belt.refill(from: Array(1...5000))
        #expect(keys(try await belt.take(.everyName, limit: 9)) == Array(1...8))
        await client.close()
    }

    @Test func jobsBeyondTheFirstRefillOfAnUnknownLaneAreServedInTheirOrder() async throws {
        let client = try await SharedRedis.client()
        let belt = RedisReadyQueue(client: client, keys: SharedRedis.freshKeys(), window: 8)
        try await belt.put([ready(30)])
        try await belt.refill(from: Array(1...20) + [30])
        var taken: [Int] = []
        for _ in 0..<10 {
            taken += keys(try await belt.take(.everyName, limit: 9))
            try await belt.refill(from: Array(1...20) + [30])
        }
        #expect(taken == Array(1...20) + [30])
        await client.close()
    }

    @Test func noJobIsTakenTwice() async throws {
        let prefix = SharedRedis.freshKeys()
        let setup = try await SharedRedis.client()
        let count = 20_000
        let first = RedisReadyQueue(client: setup, keys: prefix, window: count)
        try await first.reset([.work, .mail])
        for request in try await first.refillRequests() {
            try await first.refill(Refill(request: request, jobs: []))
        }
        try await first.put((0..<count).map { ready($0, $0 % 2 == 0 ? .work : .mail) })
        let tally = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let client = try await SharedRedis.client()
                    let belt = RedisReadyQueue(client: client, keys: prefix, window: count)
                    while case let jobs = try await belt.take(.everyName, limit: 37), !jobs.isEmpty {
                        tally.note(keys(jobs))
                    }
                    await client.close()
                }
            }
            try await group.waitForAll()
        }
        let all = tally.counts
        #expect(all.count == count)
        #expect(all.values.allSatisfy { $0 == 1 })
        await setup.close()
    }

    @Test func aRefillIsReadByOneProcess() async throws {
        let prefix = SharedRedis.freshKeys()
        let client = try await SharedRedis.client()
        let ours = RedisReadyQueue(client: client, keys: prefix, window: 8)
        let theirs = RedisReadyQueue(client: client, keys: prefix, window: 8)
        try await ours.reset([.work])
        #expect(try await theirs.refillRequests().count == 1)
        #expect(try await ours.refillRequests() == [])
        // What others put meanwhile is merged into what was read before.
        try await ours.put([ready(7)])
        try await ours.refill(Refill(request: RefillRequest(lane: .work, after: nil, limit: 8), jobs: [ready(99)]))
        #expect(keys(try await ours.take(.everyName, limit: 9)) == [], "only who claimed it may answer")
        await client.close()
    }

    @Test func whatArrivesDuringAnothersRefillIsKept() async throws {
        let prefix = SharedRedis.freshKeys()
        let client = try await SharedRedis.client()
        let ours = RedisReadyQueue(client: client, keys: prefix, window: 8)
        let theirs = RedisReadyQueue(client: client, keys: prefix, window: 8)
        try await ours.reset([.work])
        let request = try #require(try await theirs.refillRequests().first)
        try await ours.put([ready(7)])
        try await theirs.refill(Refill(request: request, jobs: [ready(3)]))
        #expect(keys(try await ours.take(.everyName, limit: 9)) == [3, 7])
        await client.close()
    }

    @Test func theClaimOfAProcessThatDiedIsTakenOverAndItsAnswerIgnored() async throws {
        let prefix = SharedRedis.freshKeys()
        let client = try await SharedRedis.client()
        let dead = RedisReadyQueue(client: client, keys: prefix, window: 8)
        let living = RedisReadyQueue(client: client, keys: prefix, window: 8)
        try await living.reset([.work])
        let old = try #require(try await dead.refillRequests().first)
        // As if the claim's time had passed.
        _ = try await client.call(RedisCommand("ZADD", prefix.refills, "1", "default/work"))
        #expect(try await living.take(.everyName, limit: 1) == [], "which tells that a refill is due")
        let new = try #require(try await living.refillRequests().first)
        try await dead.refill(Refill(request: old, jobs: [ready(1)]))
        #expect(
            try await living.take(.everyName, limit: 9) == [],
            "read before the new claim: it may have missed something"
        )
        try await living.refill(Refill(request: new, jobs: [ready(1), ready(2)]))
        #expect(keys(try await living.take(.everyName, limit: 9)) == [1, 2])
        await client.close()
    }

    @Test func aClaimThatIsTakenOverStartsWithRoomForArrivals() async throws {
        let prefix = SharedRedis.freshKeys()
        let client = try await SharedRedis.client()
        let belt = RedisReadyQueue(client: client, keys: prefix, window: 8)
        try await belt.reset([.work])
        _ = try #require(try await belt.refillRequests().first)
        try await belt.put((1...8).map { ready($0) })
        _ = try await client.call(RedisCommand("ZADD", prefix.refills, "1", "default/work"))
        _ = try await belt.take(.everyName, limit: 1)
        let request = try #require(try await belt.refillRequests().first)
        try await belt.put([ready(50)])
        try await belt.refill(Refill(request: request, jobs: [ready(1)]))
        #expect(keys(try await belt.take(.everyName, limit: 99)) == [1, 50])
        await client.close()
    }

    @Test func whatIsKnownOfALaneIsForgottenADayAfterItsLastJobOnly() async throws {
        let prefix = SharedRedis.freshKeys()
        let client = try await SharedRedis.client()
        let belt = RedisReadyQueue(client: client, keys: prefix, window: 8)
        func lifetime() async throws -> Int64? {
            try await client.call(RedisCommand("TTL", prefix.state(.work))).asInteger
        }
        try await belt.reset([.work])
        #expect(try await lifetime() == -1)
        try await belt.refill(from: [])
        #expect(try await lifetime() ?? 0 > 86_000)
        try await belt.put([ready(1)])
        #expect(try await lifetime() == -1)
        _ = try await belt.take(.everyName, limit: 1)
        #expect(try await lifetime() ?? 0 > 86_000)
        try await belt.reset([.work])
        try await belt.refill(from: [1])
        #expect(try await lifetime() == -1)
        await client.close()
    }

    @Test func jobsLostFromAKnownLaneAreAbsent() async throws {
        let prefix = SharedRedis.freshKeys()
        let client = try await SharedRedis.client()
        let belt = RedisReadyQueue(client: client, keys: prefix, window: 8)
        try await belt.reset([.work])
        try await belt.refill(from: [])
        try await belt.put([ready(1), ready(2), ready(3)])
        // A process takes one and dies before it leases.
        _ = try await belt.take(.everyName, limit: 1)
        #expect(try await belt.missing(among: [.work]) == [])
        #expect(keys(try await belt.absent(among: [ready(1), ready(2), ready(3)])) == [1])
        #expect(try await belt.absent(among: [ready(1, .mail)]) == [], "of that lane nothing is known: it is missing")
        try await belt.reset([.work])
        #expect(try await belt.absent(among: [ready(1)]) == [], "it is to be read")
        try await belt.refill(from: Array(1...10))
        #expect(try await belt.absent(among: (1...10).map { ready($0) }) == [], "9 and 10 are behind the horizon")
        await client.close()
    }
}
