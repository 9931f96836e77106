// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension ReadyQueueContract {
    static let serving: [Case] = [
        Case("an empty belt gives nothing") { harness in
            try expectEqual(try await harness.take(), [], "taken")
            try expectEqual(try await harness.belt.depth(), 0, "depth")
        },
        Case("jobs are taken in serving order, whatever order they came in") { harness in
            try await harness.put([5, 2, 4])
            try await harness.put([3, 1])
            try expectEqual(try await harness.take(), [1, 2, 3, 4, 5], "taken")
        },
        Case("what was taken is gone") { harness in
            try await harness.put(1...3)
            try expectEqual(try await harness.take(2), [1, 2], "taken first")
            try expectEqual(try await harness.take(2), [3], "taken then")
            try expectEqual(try await harness.take(2), [], "taken at last")
        },
        Case("a job comes back as it was put") { harness in
            let job = ReadyJob(
                lane: .work,
                order: ServingOrder(
                    key: 1_790_000_000_123,
                    id: JobID(high: 0x0190_0a0d_ff00_7abc, low: 0x8000_0d0a_00ff_0001)
                )
            )
            try await harness.belt.put([job])
            try expectEqual(try await harness.belt.take(.everyName, limit: 1), [job], "taken")
        },
        Case("jobs of the same key are taken by id, in a lane and over lanes") { harness in
            let ids: [UInt64] = [1, 0x0a, 0x7f, 0x80, 0xff, 0x0100, 0x8000_0000_0000_0000, .max]
            let jobs = ids.enumerated().map { index, low in
                let lane = index % 2 == 0 ? Lane.work : .mail
                return ReadyJob(lane: lane, order: ServingOrder(key: 7, id: JobID(high: 9, low: low)))
            }
            var chance = Chance(seed: 1)
            try await harness.belt.put(jobs.shuffled(using: &chance))
            try expectEqual(try await harness.belt.take(.everyName, limit: 3), Array(jobs[..<3]), "first three")
            try expectEqual(try await harness.belt.take(.everyName, limit: 100), Array(jobs[3...]), "the rest")
        },
        Case("a step of priority is worth a minute") { harness in
            let start = Timestamp(milliseconds: 1_790_000_000_000)
            func job(_ number: UInt64, after seconds: Int64, priority: Int) -> ReadyJob {
                let runAt = start + Milliseconds(seconds * 1000)
                let id = JobID(high: 1, low: number)
                return ReadyJob(lane: .work, order: ServingOrder(runAt: runAt, priority: priority, id: id))
            }
            let jobs = [
                job(1, after: 90, priority: 2), job(2, after: 0, priority: 0), job(3, after: 59, priority: 0),
                job(4, after: 120, priority: 1), job(5, after: 0, priority: -2),
            ]
            try await harness.belt.put(jobs.reversed())
            try expectEqual(try await harness.belt.take(.everyName, limit: 9), jobs, "taken")
        },
        Case("keys far in the past and in the future keep their order") { harness in
            let farthest = 1 << 52
            try await harness.put([farthest, 0, -farthest, farthest - 1, 1, -1, 1 - farthest])
            let wanted = [-farthest, 1 - farthest, -1, 0, 1, farthest - 1, farthest]
            try expectEqual(try await harness.take(), wanted, "taken")
        },
        Case("no more than the limit is taken") { harness in
            try await harness.put(1...8)
            try await harness.belt.put((1...8).map { ready($0 + 100, .mail) })
            try expectEqual(try await harness.take(0), [], "with limit 0")
            for left in [13, 10, 7, 4, 1] {
                try expectEqual(try await harness.take(3).count, 3, "taken with limit 3")
                try expectEqual(try await harness.belt.depth(), left, "depth")
            }
        },
    ]

    static let lanes: [Case] = [
        Case("only the names asked for are taken") { harness in
            try await harness.belt.put([ready(1, .work), ready(2, .mail), ready(3, .work)])
            let demand = LaneDemand(queues: ["default": .init(names: ["mail", "unknown"])])
            try expectEqual(try await harness.take(9, demand), [2], "taken")
            try expectEqual(try await harness.belt.depth(), 2, "depth")
        },
        Case("every name of a queue is taken when all are asked for, and of no other queue") { harness in
            try await harness.belt.put([ready(1, .work), ready(2, .mail), ready(3, .slow)])
            try expectEqual(try await harness.take(), [1, 2], "taken")
            try expectEqual(try await harness.belt.depth(), 1, "depth")
        },
        Case("a demand for nothing takes nothing") { harness in
            try await harness.put([1])
            try expectEqual(try await harness.take(9, LaneDemand()), [], "without queues")
            let none = LaneDemand(queues: ["default": .init()])
            try expectEqual(try await harness.take(9, none), [], "without names")
            try expectEqual(try await harness.belt.depth(), 1, "depth")
        },
        Case("the cheapest head over several queues and names comes first") { harness in
            try await harness.belt.put([
                ready(1, .slow), ready(2, .work), ready(3, .mail), ready(4, .other), ready(5, .slow), ready(6, .mail),
            ])
            let demand = LaneDemand(queues: ["default": .init(isEveryName: true), "slow": .init(names: ["work"])])
            try expectEqual(try await harness.take(4, demand), [1, 2, 3, 5], "taken")
            try expectEqual(try await harness.take(4, demand), [6], "taken then")
            try expectEqual(try await harness.belt.depth(), 1, "what nobody asked for")
        },
        Case("jobs leave in serving order over all lanes, whatever the portions", window: 1000) { harness in
            for seed in 1...10 as ClosedRange<UInt64> {
                var chance = Chance(seed: seed)
                let lanes = [Lane.work, .mail, .slow, .other]
                let jobs = (1...300).map { ready($0, lanes[chance.int(0...3)]) }
                for job in jobs.shuffled(using: &chance) { try await harness.belt.put([job]) }
                let demand = LaneDemand(queues: [
                    "default": .init(isEveryName: true), "slow": .init(names: ["work"]), "other": .init(names: ["y"]),
                ])
                var taken: [ReadyJob] = []
                while case let more = try await harness.belt.take(demand, limit: chance.int(1...20)), !more.isEmpty {
                    taken += more
                }
                try expectEqual(taken, jobs.filter { $0.lane != .other }, "taken, seed \(seed)")
                let rest = try await harness.belt.take(
                    LaneDemand(queues: ["other": .init(isEveryName: true)]),
                    limit: 999
                )
                try expectEqual(rest, jobs.filter { $0.lane == .other }, "left alone, seed \(seed)")
            }
        },
        Case("many lanes of one queue are served by their heads", window: 64) { harness in
            let lanes = (0..<50).map { Lane(queue: "default", name: "n\($0)") }
            try await harness.belt.reset(lanes)
            while case let requests = try await harness.belt.refillRequests(), !requests.isEmpty {
                for request in requests { try await harness.belt.refill(Refill(request: request, jobs: [])) }
            }
            try await harness.belt.put((0..<1000).map { ready($0, lanes[$0 * 7 % 50]) })
            try expectEqual(try await harness.take(700), Array(0..<700), "taken")
            try expectEqual(try await harness.take(700), Array(700..<1000), "taken then")
        },
    ]
}
