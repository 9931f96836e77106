// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension Lane {
    static let work = Lane(queue: "default", name: "work")
    static let mail = Lane(queue: "default", name: "mail")
    static let slow = Lane(queue: "slow", name: "work")
    static let other = Lane(queue: "other", name: "x")
}

/// A job whose key and id are the same number, so that it sorts as it reads.
func ready(_ key: Int, _ lane: Lane = .work) -> ReadyJob {
    let id = JobID(high: 0x0190_0000_0000_7000, low: 1 << 63 | UInt64(bitPattern: Int64(key)))
    return ReadyJob(lane: lane, order: ServingOrder(key: Int64(key), id: id))
}

func keys(_ jobs: [ReadyJob]) -> [Int] { jobs.map { Int($0.order.key) } }

extension LaneDemand {
    static let everyName = LaneDemand(queues: ["default": Names(isEveryName: true)])
}

/// A belt, and short words for what cases do with it.
package struct QueueHarness: Sendable {
    let belt: any ReadyQueue

    /// Every lane of the cases is known to have no available job in the record, as after a start on an empty record.
    func learnThatTheRecordIsEmpty() async throws {
        try await belt.reset([.work, .mail, .slow, .other])
        for request in try await belt.refillRequests() {
            try await belt.refill(Refill(request: request, jobs: []))
        }
    }

    func put(_ numbers: some Sequence<Int>) async throws {
        try await belt.put(numbers.map { ready($0) })
    }

    func take(_ limit: Int = 1000, _ demand: LaneDemand = .everyName) async throws -> [Int] {
        keys(try await belt.take(demand, limit: limit))
    }

    func request(file: String = #fileID, line: Int = #line) async throws -> RefillRequest {
        let requests = try await belt.refillRequests()
        try expectEqual(requests.count, 1, "refills asked for", file: file, line: line)
        return requests[0]
    }

    func answer(_ request: RefillRequest, _ numbers: (some Sequence<Int>)?) async throws {
        try await belt.refill(Refill(request: request, jobs: numbers?.map { ready($0) }))
    }

    /// A lane of window 8 that was given 1...17: it keeps 1...8 and knows that there is more.
    func trim() async throws {
        try await put(1...17)
    }

    /// The lane's 1...8 were taken, and what is behind them is being read.
    func startRefill() async throws -> RefillRequest {
        try await trim()
        _ = try await take(8)
        return try await request()
    }
}

/// The same numbers in every run for the same seed (SplitMix64).
struct Chance: RandomNumberGenerator {
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

    mutating func int(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &self)
    }
}
