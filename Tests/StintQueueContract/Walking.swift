// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension ReadyQueueContract {
    static let walking: [Case] =
        [
            Case("a hundred thousand jobs go through a small window once each in order", window: 512) { harness in
                let count = 100_000
                for first in stride(from: 1, through: count, by: 5000) { try await harness.put(first..<first + 5000) }
                var taken = 0
                while taken < count {
                    let more = try await harness.take(200)
                    try expectEqual(more, Array(taken + 1..<taken + 1 + more.count), "taken after \(taken)")
                    taken += more.count
                    for request in try await harness.belt.refillRequests() {
                        let first = request.after.map { Int($0.key) + 1 } ?? 1
                        let last = min(count, first + request.limit - 1)
                        try await harness.answer(request, first <= last ? Array(first...last) : [])
                    }
                }
                try expectEqual(try await harness.belt.depth(), 0, "depth")
            }
        ]
        + (1...20 as ClosedRange<UInt64>).map { seed in
            Case("whatever arrives when, every job is served: seed \(seed)") { harness in
                var walk = BeltWalk(harness: harness, seed: seed)
                for _ in 0..<400 { try await walk.step() }
                try await walk.drain()
                try expectEqual(walk.available.count, 0, "jobs that are never served")
            }
        }
}

/// A belt, a record, and a refiller that reads at one moment and answers at another.
private struct BeltWalk {
    let harness: QueueHarness
    var chance: Chance
    var available: Set<Int> = []
    var made = 0
    var read: (request: RefillRequest, numbers: [Int])?

    init(harness: QueueHarness, seed: UInt64) {
        self.harness = harness
        chance = Chance(seed: seed)
    }

    mutating func step() async throws {
        switch chance.int(0...9) {
        case 0...3: try await arrive(chance.int(1...20) == 1 ? 40 : chance.int(1...3))
        case 4...6: try await serve(chance.int(1...12))
        case 7: try await readRecord()
        case 8: try await answer()
        default: if chance.int(1...10) == 1 { try await harness.belt.reset([.work]) }
        }
    }

    /// New jobs, committed first, then put on the belt; now and then more important than all others.
    mutating func arrive(_ count: Int) async throws {
        let isUrgent = chance.int(1...3) == 1
        let numbers = (0..<count).map { _ -> Int in
            made += 1
            return isUrgent ? -made : made
        }
        available.formUnion(numbers)
        try await harness.put(numbers)
    }

    /// Leases are conditional: what is taken twice counts once.
    mutating func serve(_ count: Int) async throws {
        for number in try await harness.take(count) { available.remove(number) }
    }

    mutating func readRecord() async throws {
        guard read == nil, let request = try await harness.belt.refillRequests().first else { return }
        let after = request.after.map { Int($0.key) } ?? .min
        read = (request, Array(available.filter { $0 > after }.sorted().prefix(request.limit)))
    }

    mutating func answer() async throws {
        guard let read else { return }
        self.read = nil
        try await harness.answer(read.request, chance.int(1...5) == 1 ? nil : read.numbers)
    }

    mutating func drain() async throws {
        for _ in 0..<made where !available.isEmpty {
            try await serve(100)
            try await readRecord()
            try await answer()
        }
    }
}
