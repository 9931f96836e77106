// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let hour: Int64 = 3_600_000

private func key(_ key: String = "order-17", digest: UInt8 = 1) -> Idempotency {
    Idempotency(key: key, digest: [digest, 0, 255], retention: Milliseconds(hour))
}

extension StoreContract {
    static let idempotency: [Case] = [
        Case("the same key and body again gives the first ids and stores nothing") { harness in
            let first = try await harness.submit([harness.newJob(), harness.newJob()], under: key())
            try expectEqual(first.isReplay, false, "isReplay of the first")
            let again = Submission(jobs: [harness.newJob(), harness.newJob()], idempotency: key())
            let batch = try await harness.batch(.submit(again))
            let receipt = try batch.answers[0].asSubmitted()
            try expectEqual(receipt.ids, first.ids, "ids")
            try expectEqual(receipt.isReplay, true, "isReplay")
            try expectEqual(receipt.placed, [], "placed")
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(try await harness.listed(JobQuery()), first.ids.reversed(), "stored jobs")
        },
        Case("the same key with another body is refused and stores nothing") { harness in
            let first = try await harness.submit([harness.newJob()], under: key())
            let other = Submission(jobs: [harness.newJob()], idempotency: key(digest: 2))
            let batch = try await harness.batch(.submit(other))
            try batch.answers[0].expectMismatch()
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(try await harness.listed(JobQuery()), first.ids, "stored jobs")
            let again = try await harness.submit([harness.newJob()], under: key())
            try expectEqual(again.ids, first.ids, "ids: the first body keeps the key")
        },
        Case("the same key twice in one batch makes one job") { harness in
            let jobs = [harness.newJob(), harness.newJob(), harness.newJob()]
            let batch = try await harness.batch(
                .submit(Submission(jobs: [jobs[0]], idempotency: key())),
                .submit(Submission(jobs: [jobs[1]], idempotency: key())),
                .submit(Submission(jobs: [jobs[2]], idempotency: key(digest: 2)))
            )
            try expectEqual(try batch.answers[0].asSubmitted().isReplay, false, "isReplay of the first")
            try expectEqual(try batch.answers[1].asSubmitted().isReplay, true, "isReplay of the second")
            try expectEqual(try batch.answers[1].asSubmitted().ids, [jobs[0].id], "ids of the second")
            try batch.answers[2].expectMismatch()
            try expectEqual(batch.moves, [Move(jobs[0].id, nil, .available)], "moves")
        },
        Case("a key is remembered for its retention") { harness in
            let first = try await harness.submit([harness.newJob()], under: key())
            harness.advance(hour - 1)
            let again = try await harness.submit([harness.newJob()], under: key())
            try expectEqual(again.ids, first.ids, "ids")
        },
        Case("a key past its retention is as good as new, pruned or not") { harness in
            _ = try await harness.submit([harness.newJob()], under: key())
            harness.advance(hour + 1)
            let second = try await harness.submit([harness.newJob()], under: key(digest: 2))
            try expectEqual(second.isReplay, false, "isReplay")
            harness.advance(hour - 1)
            let third = try await harness.submit([harness.newJob()], under: key(digest: 2))
            try expectEqual(third.ids, second.ids, "ids: the key is remembered anew")
        },
        Case("a replay names the first job even when it is gone") { harness in
            let first = try await harness.submit([harness.newJob()], under: key())
            try await harness.answer(.cancel(first.ids[0]))
            try await harness.answer(.delete(first.ids[0])).expectDone()
            let again = try await harness.submit([harness.newJob()], under: key())
            try expectEqual(again.ids, first.ids, "ids")
            try expectEqual(again.isReplay, true, "isReplay")
        },
        Case("keys are told apart by every byte") { harness in
            let keys = ["a", "A", "a ", "a%", "~", String(repeating: "k", count: 255)]
            for text in keys {
                let receipt = try await harness.submit([harness.newJob()], under: key(text))
                try expectEqual(receipt.isReplay, false, "isReplay of \(text)")
            }
        },
        Case("submissions without a key never replay") { harness in
            _ = try await harness.submit([harness.newJob()])
            try expectEqual(try await harness.submit([harness.newJob()]).isReplay, false, "isReplay")
        },
    ]
}
