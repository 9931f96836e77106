// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
import StintRedisQueue
import StintStorage
import StintTestServers
import Testing

@Suite("A fleet on one Redis, with everything that can go wrong")
struct FleetWalkTests {
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func everyJobIsServedInTheEnd(seed: UInt64) async throws {
        var walk = try await FleetWalk(seed: seed)
        for _ in 0..<1500 { try await walk.step() }
        let rounds = try await walk.drain()
        #expect(walk.available.count == 0, "seed \(seed): so many jobs are never served")
        #expect(rounds < 60, "seed \(seed): reconciliations needed")
        await walk.close()
    }
}

/// Three processes, a record, and a Redis that is emptied and set back now and then.
///
/// Processes die after a commit and before they put, after they took and before they lease, and with a refill under way.
private struct FleetWalk {
    private struct Process {
        var client: RedisClient
        var belt: RedisReadyQueue
        var read: (request: RefillRequest, numbers: [Int])?
    }

    private let redis: PrivateRedis
    private var processes: [Process] = []
    private var random: SplitMix
    private(set) var available: Set<Int> = []
    private var made = 0
    private var suspects: Set<Int> = []

    init(seed: UInt64) async throws {
        redis = try PrivateRedis()
        random = SplitMix(seed: seed)
        for _ in 0..<3 { processes.append(try await start()) }
    }

    private func start() async throws -> Process {
        let client = try await SharedRedis.client(of: redis)
        return Process(client: client, belt: RedisReadyQueue(client: client, window: 16))
    }

    func close() async {
        for process in processes { await process.client.close() }
    }

    private mutating func chance(_ count: Int) -> Bool { Int.random(in: 1...count, using: &random) == 1 }

    private mutating func someone() -> Int { Int.random(in: processes.indices, using: &random) }

    mutating func step() async throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<40: try await arrive(chance(15) ? 60 : Int.random(in: 1...4, using: &random))
        case 40..<70: try await serve(someone(), Int.random(in: 1...15, using: &random))
        case 70..<82: try await readRecord(someone())
        case 82..<94: try await answer(someone())
        case 94..<97: try await reconcile(someone())
        case 97: if chance(4) { try redis.flushAll() }
        case 98: if chance(2) { try redis.saveSnapshot() }
        default:
            if chance(4) { try await restartRedis() }
            if chance(4) { try await replace(someone()) }
        }
    }

    private mutating func arrive(_ count: Int) async throws {
        let isUrgent = chance(4)
        let numbers = (0..<count).map { _ -> Int in
            made += 1
            return isUrgent ? -made : made
        }
        available.formUnion(numbers)
        if chance(12) { return }
        try await processes[someone()].belt.put(numbers.map { ready($0) })
    }

    private mutating func serve(_ index: Int, _ count: Int) async throws {
        let taken = try await processes[index].belt.take(.everyName, limit: count)
        if chance(25) { return }
        for key in keys(taken) { available.remove(key) }
    }

    private mutating func readRecord(_ index: Int) async throws {
        guard processes[index].read == nil, let request = try await processes[index].belt.refillRequests().first else {
            return
        }
        let after = request.after.map { Int($0.key) } ?? .min
        processes[index].read = (request, Array(available.filter { $0 > after }.sorted().prefix(request.limit)))
    }

    private mutating func answer(_ index: Int) async throws {
        guard let read = processes[index].read else { return }
        processes[index].read = nil
        let jobs = chance(8) ? nil : read.numbers.map { ready($0) }
        try await processes[index].belt.refill(Refill(request: read.request, jobs: jobs))
    }

    private mutating func reconcile(_ index: Int) async throws {
        guard !available.isEmpty else { return }
        let belt = processes[index].belt
        for lane in try await belt.missing(among: [.work]) { try await belt.reset([lane]) }
        let head = available.sorted().prefix(10).map { ready($0) }
        let absent = Set(keys(try await belt.absent(among: head)))
        if absent.isDisjoint(with: suspects) {
            suspects = absent
        } else {
            suspects = []
            try await belt.reset([.work])
        }
    }

    private mutating func replace(_ index: Int) async throws {
        await processes[index].client.close()
        processes[index] = try await start()
    }

    private mutating func restartRedis() async throws {
        try redis.restart()
        for process in processes {
            let start = ContinuousClock.now
            while (try? await process.client.call(RedisCommand("PING"))) == nil {
                try #require(start.duration(to: .now) < .seconds(60), "the client does not connect again")
                try await Task.sleep(for: .milliseconds(5))  // another process's turn
            }
        }
    }

    /// Nothing goes wrong any more.
    ///
    /// - Returns: How many reconciliations it took.
    mutating func drain() async throws -> Int {
        for index in processes.indices { processes[index].read = nil }
        for round in 0..<200 {
            if available.isEmpty { return round }
            // As if the time of claims had passed whose processes died over them.
            _ = try await processes[0].client.call(RedisCommand("ZADD", "stint:refills", "XX", "1", "default/work"))
            for _ in 0..<20 {
                let taken = try await processes[round % 3].belt.take(.everyName, limit: 100)
                for key in keys(taken) { available.remove(key) }
                while case let requests = try await processes[round % 3].belt.refillRequests(), !requests.isEmpty {
                    for request in requests {
                        let after = request.after.map { Int($0.key) } ?? .min
                        let jobs = available.filter { $0 > after }.sorted().prefix(request.limit).map { ready($0) }
                        try await processes[round % 3].belt.refill(Refill(request: request, jobs: Array(jobs)))
                    }
                }
                if taken.isEmpty { break }
            }
            try await reconcile(round % 3)
        }
        return 200
    }
}

/// The same numbers in every run for the same seed (SplitMix64).
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
