// SPDX-License-Identifier: Apache-2.0

import StintMemoryStore
import StintModel
import StintStorage
import StintTestKit
import Testing

private func ready(_ key: Int, _ lane: Lane = .work) -> ReadyJob {
    ReadyJob(lane: lane, order: ServingOrder(key: Int64(key), id: JobID(high: 0, low: UInt64(bitPattern: Int64(key)))))
}

private let everything = LaneDemand(queues: ["default": LaneDemand.Names(isEveryName: true)])

@Suite("The belt in process holds a window of each lane")
struct BeltWindowTests {
    /// A belt of window 8 that was given 1...17: it keeps 1...8 and knows that there is more.
    private func trimmed() async throws -> MemoryReadyQueue {
        let belt = MemoryReadyQueue(window: 8)
        try await belt.put((1...17).map { ready($0) })
        return belt
    }

    private func keys(_ jobs: [ReadyJob]) -> [Int] { jobs.map { Int($0.order.key) } }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func jobsAreTakenInServingOrderOverAllLanesAskedFor(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let belt = MemoryReadyQueue()
        let lanes = [Lane.work, .mail, Lane(queue: "slow", name: "work"), Lane(queue: "other", name: "x")]
        let jobs = (1...300).map { ready($0, lanes[random.int(0...3)]) }
        for job in jobs.shuffled(using: &random) { try await belt.put([job]) }
        let demand = LaneDemand(queues: [
            "default": .init(isEveryName: true), "slow": .init(names: ["work"]), "other": .init(names: ["y"]),
        ])
        var taken: [ReadyJob] = []
        while true {
            let more = try await belt.take(demand, limit: random.int(1...20))
            if more.isEmpty { break }
            taken += more
        }
        #expect(taken == jobs.filter { $0.lane.queue != "other" }, "seed \(seed)")
        #expect(try await belt.depth() == jobs.count { $0.lane.queue == "other" }, "seed \(seed)")
    }

    @Test func aFullLaneKeepsWhatIsServedFirst() async throws {
        let belt = try await trimmed()
        #expect(try await belt.depth() == 8)
        #expect(keys(try await belt.take(everything, limit: 100)) == Array(1...8))
    }

    @Test func aLaneNeverHoldsMoreThanTwiceItsWindow() async throws {
        let belt = MemoryReadyQueue(window: 8)
        for key in 1...1000 {
            try await belt.put([ready(1001 - key)])
            #expect(try await belt.depth() <= 16)
        }
        #expect(keys(try await belt.take(everything, limit: 4)) == [1, 2, 3, 4])
    }

    @Test func aLaneThatRunsLowAsksOnceForWhatComesBehindItsHorizon() async throws {
        let belt = try await trimmed()
        _ = try await belt.take(everything, limit: 6)
        #expect(try await belt.refillRequests() == [], "a quarter is left")
        _ = try await belt.take(everything, limit: 1)
        #expect(try await belt.refillRequests() == [RefillRequest(lane: .work, after: ready(8).order, limit: 8)])
        #expect(try await belt.refillRequests() == [])
    }

    @Test func aLaneThatHoldsEverythingNeverAsks() async throws {
        let belt = MemoryReadyQueue(window: 8)
        try await belt.put((1...16).map { ready($0) })
        #expect(keys(try await belt.take(everything, limit: 100)) == Array(1...16))
        #expect(try await belt.refillRequests() == [])
    }

    @Test func whatComesBehindTheHorizonIsLeftToTheNextRefill() async throws {
        let belt = try await trimmed()
        try await belt.put([ready(20), ready(3)])
        #expect(keys(try await belt.take(everything, limit: 100)) == [1, 2, 3, 3, 4, 5, 6, 7, 8])
    }

    /// The belt after 1...8 were taken and what is behind them was asked for.
    private func refilling() async throws -> (MemoryReadyQueue, RefillRequest) {
        let belt = try await trimmed()
        _ = try await belt.take(everything, limit: 8)
        return (belt, try #require(try await belt.refillRequests().first))
    }

    @Test func whatArrivesDuringARefillIsMergedOnce() async throws {
        let (belt, request) = try await refilling()
        try await belt.put([ready(12), ready(30)])
        try await belt.refill(Refill(request: request, jobs: [9, 10, 12].map { ready($0) }))
        #expect(keys(try await belt.take(everything, limit: 100)) == [9, 10, 12, 30])
        #expect(try await belt.refillRequests() == [], "the record has no more")
    }

    @Test func whatArrivesDuringARefillButBelongsBehindItStaysInTheRecord() async throws {
        let (belt, request) = try await refilling()
        try await belt.put([ready(12), ready(99)])
        try await belt.refill(Refill(request: request, jobs: (9...16).map { ready($0) }))
        #expect(keys(try await belt.take(everything, limit: 100)) == Array(9...16))
        #expect(try await belt.refillRequests().first?.after == ready(16).order)
    }

    @Test func aRefillThatFailedIsAskedForAgain() async throws {
        let (belt, request) = try await refilling()
        try await belt.refill(Refill(request: request, jobs: nil))
        #expect(try await belt.refillRequests() == [request])
    }

    @Test func moreArrivalsThanCanBeHeldAsideMeanASecondRead() async throws {
        let (belt, request) = try await refilling()
        try await belt.put((20...40).map { ready($0) })
        try await belt.refill(Refill(request: request, jobs: (9...10).map { ready($0) }))
        #expect(try await belt.take(everything, limit: 100) == [])
        #expect(try await belt.refillRequests() == [request])
    }

    @Test func aLaneThatIsTrimmedDuringARefillAsksAgain() async throws {
        let (belt, request) = try await refilling()
        // More important jobs arrive than the lane may hold: the horizon comes nearer than the refill started from.
        try await belt.put((-17 ... -1).map { ready($0) })
        try await belt.refill(Refill(request: request, jobs: (9...16).map { ready($0) }))
        #expect(keys(try await belt.take(everything, limit: 100)) == Array(-17 ... -10))
        #expect(try await belt.refillRequests() == [RefillRequest(lane: .work, after: ready(-10).order, limit: 8)])
    }

    @Test func aResetAsksForTheWholeLaneAndIgnoresAnOlderRefill() async throws {
        let (belt, request) = try await refilling()
        try await belt.reset([.work])
        try await belt.refill(Refill(request: request, jobs: [ready(9)]))
        #expect(try await belt.take(everything, limit: 100) == [])
        let again = try #require(try await belt.refillRequests().first)
        #expect(again.after.map { $0 < ready(-1_000_000).order } == true)
        try await belt.refill(Refill(request: again, jobs: [ready(1), ready(9)]))
        #expect(keys(try await belt.take(everything, limit: 100)) == [1, 9])
    }

    @Test func aVerySmallWindowStillAsks() async throws {
        let belt = MemoryReadyQueue(window: 2)
        try await belt.put((1...5).map { ready($0) })
        #expect(keys(try await belt.take(everything, limit: 100)) == [1, 2])
        #expect(try await belt.refillRequests().map(\.after) == [ready(2).order])
    }

    @Test func onlyLanesOfWhichNothingIsKnownAreMissing() async throws {
        let belt = MemoryReadyQueue()
        try await belt.put([ready(1)])
        #expect(try await belt.missing(among: [.work, .mail]) == [.mail])
        _ = try await belt.take(everything, limit: 1)
        #expect(try await belt.missing(among: [.work, .mail]) == [.work, .mail])
    }

    @Test func aHundredThousandJobsGoThroughAWindowOfSixtyFourOnceEachInOrder() async throws {
        let belt = MemoryReadyQueue(window: 64)
        let jobs = (1...100_000).map { ready($0) }
        try await belt.put(jobs)
        var taken = 0
        while taken < jobs.count {
            let more = try await belt.take(everything, limit: 50)
            guard more == Array(jobs[taken..<taken + more.count]) else {
                Issue.record("after \(taken): \(keys(more))")
                return
            }
            taken += more.count
            for request in try await belt.refillRequests() {
                let from = request.after.map { Int($0.key) } ?? 0
                let read = jobs[max(0, from)..<min(jobs.count, from + request.limit)]
                try await belt.refill(Refill(request: request, jobs: Array(read)))
            }
        }
        #expect(try await belt.depth() == 0)
        #expect(try await belt.take(everything, limit: 1) == [])
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func whateverArrivesWhenEveryJobIsServed(seed: UInt64) async throws {
        var walk = BeltWalk(seed: seed)
        for _ in 0..<1000 { try await walk.step() }
        try await walk.drain()
        #expect(walk.available.count == 0, "seed \(seed): so many jobs are never served")
    }
}

/// A belt, a record, and a refiller that reads at one moment and answers at another.
private struct BeltWalk {
    let belt = MemoryReadyQueue(window: 8)
    var random: SeededGenerator
    var available: Set<Int> = []
    var made = 0
    var read: (RefillRequest, [ReadyJob])?

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
    }

    mutating func step() async throws {
        switch random.int(0...9) {
        case 0...3: try await arrive(random.oneIn(20) ? 40 : random.int(1...3))
        case 4...6: try await serve(random.int(1...12))
        case 7: try await readRecord()
        case 8: try await answer()
        default: if random.oneIn(10) { try await belt.reset([.work]) }
        }
    }

    /// New jobs, committed first, then put on the belt; now and then more important than all others.
    mutating func arrive(_ count: Int) async throws {
        let isUrgent = random.oneIn(3)
        let jobs = (0..<count).map { _ -> ReadyJob in
            made += 1
            return ready(isUrgent ? -made : made)
        }
        available.formUnion(jobs.map { Int($0.order.key) })
        try await belt.put(jobs)
    }

    /// Leases are conditional: what is taken twice counts once.
    mutating func serve(_ count: Int) async throws {
        for job in try await belt.take(everything, limit: count) { available.remove(Int(job.order.key)) }
    }

    mutating func readRecord() async throws {
        guard read == nil, let request = try await belt.refillRequests().first else { return }
        let after = request.after.map { Int($0.key) } ?? .min
        read = (request, available.filter { $0 > after }.sorted().prefix(request.limit).map { ready($0) })
    }

    mutating func answer() async throws {
        guard let (request, jobs) = read else { return }
        read = nil
        try await belt.refill(Refill(request: request, jobs: random.oneIn(5) ? nil : jobs))
    }

    mutating func drain() async throws {
        for _ in 0..<made where !available.isEmpty {
            try await serve(100)
            try await readRecord()
            try await answer()
        }
    }
}
