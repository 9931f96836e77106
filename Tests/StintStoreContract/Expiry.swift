// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let expire = RecordCommand.expireWaiting(limit: 100)

extension StoreContract {
    static let expiry: [Case] = [
        Case("a job not started in time expires") { harness in
            let id = try await harness.submit { $0.startWithin = Milliseconds(1000) }
            harness.advance(1000)
            try expectEqual(try await harness.count(expire), 0, "expired in time")
            harness.advance(1)
            let batch = try await harness.batch(expire)
            try expectEqual(try batch.answers[0].asCount(), 1, "count")
            try expectEqual(batch.moves, [Move(id, .available, .expired)], "moves")
            let job = try await harness.job(id)
            try expectEqual(job.state, .expired, "state")
            try expectEqual(job.finishedAt, harness.now, "finished_at")
            try expectEqual(job.cause, nil, "cause")
            try expectEqual(try await harness.store.readyLanes(), [], "ready lanes")
        },
        Case("a scheduled job that was not promoted in time expires") { harness in
            let id = try await harness.submit {
                $0.schedule = .after(Milliseconds(5000))
                $0.startWithin = Milliseconds(1000)
            }
            harness.advance(5999)
            try expectEqual(try await harness.count(expire), 0, "expired in time")
            harness.advance(2)
            try expectEqual(try await harness.batch(expire).moves, [Move(id, .scheduled, .expired)], "moves")
            try expectEqual(try await harness.store.nextDue(), nil, "next due")
        },
        Case("a job that has started never expires") { harness in
            let session = try await harness.register()
            let edit: @Sendable (inout NewJob) -> Void = { $0.startWithin = Milliseconds(1000) }
            let running = try await harness.hold(edit: edit)
            let released = try await harness.hold(try await harness.submit(edit: edit), by: session)
            let failed = try await harness.hold(try await harness.submit(edit: edit), by: session)
            try await harness.end(released, .released)
            try await harness.end(failed, .failure)
            harness.advance(20_000)
            try expectEqual(try await harness.count(expire), 0, "count")
            try expectEqual(try await harness.state(of: running.job), .running, "state")
        },
        Case("a job that has ended does not expire") { harness in
            let id = try await harness.submit { $0.startWithin = Milliseconds(1000) }
            try await harness.answer(.cancel(id))
            harness.advance(2000)
            try expectEqual(try await harness.count(expire), 0, "count")
            try expectEqual(try await harness.state(of: id), .cancelled, "state")
        },
        Case("a job without start_by never expires") { harness in
            _ = try await harness.submit()
            harness.advance(10 * 365 * 86_400_000)
            try expectEqual(try await harness.count(expire), 0, "count")
        },
        Case("no more jobs expire than the limit") { harness in
            for span in [300, 100, 200] as [Int64] {
                try await harness.submit { $0.startWithin = Milliseconds(span) }
            }
            harness.advance(1000)
            var counts: [Int] = []
            for _ in 0..<3 { counts.append(try await harness.count(.expireWaiting(limit: 2))) }
            try expectEqual(counts, [2, 1, 0], "counts")
        },
    ]
}
