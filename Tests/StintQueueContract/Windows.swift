// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension ReadyQueueContract {
    static let windows: [Case] = [
        Case("a full lane keeps what is served first") { harness in
            try await harness.trim()
            try expectEqual(try await harness.belt.depth(), 8, "depth")
            try expectEqual(try await harness.take(), Array(1...8), "taken")
        },
        Case("a lane never holds more than twice its window") { harness in
            for key in 1...200 {
                try await harness.put([201 - key])
                let depth = try await harness.belt.depth()
                try expect(depth <= 16, "\(depth) are at most 16")
            }
            try expectEqual(try await harness.take(4), [1, 2, 3, 4], "taken")
        },
        Case("a hundred thousand jobs leave no more than a window's worth on the belt", window: 1024) { harness in
            for first in stride(from: 1, through: 100_000, by: 10_000) {
                try await harness.put(first..<first + 10_000)
                let depth = try await harness.belt.depth()
                try expect(depth <= 2048, "\(depth) are at most 2048")
            }
            try expectEqual(try await harness.take(3), [1, 2, 3], "taken")
        },
        Case("a lane that runs low asks once for what comes behind its horizon") { harness in
            try await harness.trim()
            _ = try await harness.take(6)
            try expectEqual(try await harness.belt.refillRequests(), [], "asked for with a quarter left")
            _ = try await harness.take(1)
            let wanted = RefillRequest(lane: .work, after: ready(8).order, limit: 8)
            try expectEqual(try await harness.belt.refillRequests(), [wanted], "asked for")
            try expectEqual(try await harness.belt.refillRequests(), [], "asked for again")
            _ = try await harness.take(1)
            try expectEqual(try await harness.belt.refillRequests(), [], "asked for when empty")
        },
        Case("a lane that holds everything never asks") { harness in
            try await harness.put(1...16)
            try expectEqual(try await harness.take(), Array(1...16), "taken")
            try expectEqual(try await harness.belt.refillRequests(), [], "asked for")
        },
        Case("what comes behind the horizon is left to the next refill") { harness in
            try await harness.trim()
            try await harness.put([20, 0])
            try expectEqual(try await harness.take(), Array(0...8), "taken")
        },
        Case("the horizon cuts between jobs of the same key") { harness in
            let jobs = (1...18).map { ready($0).order.id }.map {
                ReadyJob(lane: .work, order: ServingOrder(key: 5, id: $0))
            }
            try await harness.belt.put(Array(jobs[..<17]))
            try await harness.belt.put([jobs[17], jobs[7]])
            try expectEqual(try await harness.belt.take(.everyName, limit: 99).suffix(1), [jobs[7]], "last one taken")
            try expectEqual(try await harness.request().after, jobs[7].order, "horizon")
        },
        Case("a very small window still asks", window: 2) { harness in
            try await harness.put(1...5)
            try expectEqual(try await harness.take(), [1, 2], "taken")
            try expectEqual(try await harness.request().after, ready(2).order, "horizon")
        },
        Case("the lanes of one queue have windows of their own") { harness in
            try await harness.trim()
            try await harness.belt.put((1...10).map { ready($0 + 100, .mail) })
            try expectEqual(try await harness.belt.depth(), 18, "depth")
            _ = try await harness.take(99)
            try expectEqual(try await harness.request().lane, .work, "lane that asks")
        },
    ]

    static let refilling: [Case] = [
        Case("what the record gave is served") { harness in
            let request = try await harness.startRefill()
            try await harness.answer(request, 9...11)
            try expectEqual(try await harness.take(), [9, 10, 11], "taken")
            try expectEqual(try await harness.belt.refillRequests(), [], "the record has no more")
            try await harness.put([50])
            try expectEqual(try await harness.take(), [50], "taken from a lane that holds all")
        },
        Case("a full refill moves the horizon") { harness in
            try await harness.answer(try await harness.startRefill(), 9...16)
            try await harness.put([30])
            try expectEqual(try await harness.take(), Array(9...16), "taken")
            try expectEqual(try await harness.request().after, ready(16).order, "horizon")
        },
        Case("what arrives during a refill is merged once") { harness in
            let request = try await harness.startRefill()
            try await harness.put([12, 30])
            try await harness.answer(request, [9, 10, 12])
            try expectEqual(try await harness.take(), [9, 10, 12, 30], "taken")
            try expectEqual(try await harness.belt.refillRequests(), [], "the record has no more")
        },
        Case("what arrives during a refill and belongs before the horizon is served at once") { harness in
            let request = try await harness.startRefill()
            try await harness.put([3])
            try expectEqual(try await harness.take(), [3], "taken")
            try await harness.answer(request, [9])
            try expectEqual(try await harness.take(), [9], "taken then")
        },
        Case("what arrives during a refill but belongs behind it stays in the record") { harness in
            let request = try await harness.startRefill()
            try await harness.put([12, 99])
            try await harness.answer(request, 9...16)
            try expectEqual(try await harness.take(), Array(9...16), "taken")
            try expectEqual(try await harness.request().after, ready(16).order, "horizon")
        },
        Case("what arrives during a refill with the key of its last job is kept up to that job") { harness in
            func job(_ id: UInt64) -> ReadyJob {
                ReadyJob(lane: .work, order: ServingOrder(key: 20, id: JobID(high: 9, low: id)))
            }
            let request = try await harness.startRefill()
            try await harness.belt.put([job(15), job(25)])
            let jobs = (9...15).map { ready($0) } + [job(20)]
            try await harness.belt.refill(Refill(request: request, jobs: jobs))
            let taken = try await harness.belt.take(.everyName, limit: 99)
            try expectEqual(Array(taken.suffix(3)), [ready(15), job(15), job(20)], "last ones taken")
        },
        Case("a refill that failed is asked for again") { harness in
            let request = try await harness.startRefill()
            try await harness.answer(request, [Int]?.none)
            try expectEqual(try await harness.belt.refillRequests(), [request], "asked for")
            try await harness.answer(request, [9])
            try expectEqual(try await harness.take(), [9], "taken")
        },
        Case("more arrivals than can be held aside mean a second read") { harness in
            let request = try await harness.startRefill()
            try await harness.put(20...40)
            try await harness.answer(request, 9...10)
            try expectEqual(try await harness.take(), [], "taken")
            try expectEqual(try await harness.belt.refillRequests(), [request], "asked for")
            try await harness.answer(request, [9, 10] + Array(20...25))
            try expectEqual(try await harness.take(), [9, 10] + Array(20...25), "taken after the second read")
        },
        Case("a lane that is trimmed during a refill ignores it and asks again") { harness in
            let request = try await harness.startRefill()
            try await harness.put(-17 ... -1)
            try await harness.answer(request, 9...16)
            try expectEqual(try await harness.take(), Array(-17 ... -10), "taken")
            let wanted = RefillRequest(lane: .work, after: ready(-10).order, limit: 8)
            try expectEqual(try await harness.belt.refillRequests(), [wanted], "asked for")
        },
        Case("a refill that nobody asked for is ignored") { harness in
            let request = RefillRequest(lane: .work, after: nil, limit: 8)
            try await harness.answer(request, [1, 2])
            try expectEqual(try await harness.take(), [], "taken")
        },
        Case("an answer counts once") { harness in
            let request = try await harness.startRefill()
            try await harness.answer(request, [9])
            try await harness.answer(request, [9, 10])
            try expectEqual(try await harness.take(), [9], "taken")
        },
    ]
}
