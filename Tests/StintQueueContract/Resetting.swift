// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension ReadyQueueContract {
    static let resetting: [Case] = [
        Case("a reset lane gives nothing and asks for all of it") { harness in
            try await harness.put(1...3)
            try await harness.belt.reset([.work])
            try expectEqual(try await harness.take(), [], "taken")
            let request = try await harness.request()
            try expect(
                request.after.map { $0 < ready(-1_000_000).order } ?? true,
                "after \(String(describing: request.after))"
            )
            try await harness.answer(request, [1, 3])
            try expectEqual(try await harness.take(), [1, 3], "taken")
        },
        Case("a reset ignores an older refill") { harness in
            let request = try await harness.startRefill()
            try await harness.belt.reset([.work])
            try await harness.answer(request, [9])
            try expectEqual(try await harness.take(), [], "taken")
            try await harness.answer(try await harness.request(), [1, 9])
            try expectEqual(try await harness.take(), [1, 9], "taken")
        },
        Case("a reset leaves other lanes alone") { harness in
            try await harness.belt.put([ready(1), ready(2, .mail), ready(3, .slow)])
            try await harness.belt.reset([.work])
            try expectEqual(try await harness.take(), [2], "taken")
            try expectEqual(try await harness.belt.depth(), 1, "depth")
        },
        Case("what arrives while a reset lane is being read is merged") { harness in
            try await harness.belt.reset([.work])
            let request = try await harness.request()
            try await harness.put([5, 7])
            try await harness.answer(request, [1, 5])
            try expectEqual(try await harness.take(), [1, 5, 7], "taken")
        },
        Case("a lane of which nothing is known is missing, one that holds jobs or waits for a refill is not") {
            harness in
            let unknown = Lane(queue: "default", name: "never-seen")
            try await harness.put([1])
            try expectEqual(try await harness.belt.missing(among: [.work, unknown]), [unknown], "missing")
            try await harness.belt.reset([unknown])
            try expectEqual(try await harness.belt.missing(among: [.work, unknown]), [], "missing when asked for")
            _ = try await harness.request()
            try expectEqual(try await harness.belt.missing(among: [.work, unknown]), [], "missing while it is read")
        },
        Case("a lane that should be empty is missing when the record has jobs of it") { harness in
            try await harness.put([1])
            _ = try await harness.take()
            try expectEqual(try await harness.belt.missing(among: [.work, .mail]), [.work, .mail], "missing")
        },
        Case("a drained lane with more in the record is not missing") { harness in
            try await harness.trim()
            _ = try await harness.take()
            try expectEqual(try await harness.belt.missing(among: [.work]), [], "missing")
        },
        Case("depth counts all lanes") { harness in
            try await harness.belt.put([ready(1), ready(2, .mail), ready(3, .slow), ready(4, .other)])
            try expectEqual(try await harness.belt.depth(), 4, "depth")
            _ = try await harness.take(1)
            try expectEqual(try await harness.belt.depth(), 3, "depth")
        },
    ]
}
