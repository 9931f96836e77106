// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let promote = RecordCommand.promoteDue(limit: 100)

extension StoreContract {
    static let scheduling: [Case] = [
        Case("a scheduled job becomes available at its time, not before") { harness in
            let id = try await harness.submit(.mail) {
                $0.schedule = .after(Milliseconds(2000))
                $0.options.priority = 1
            }
            let submittedAt = harness.now
            harness.advance(1999)
            try expectEqual(try await harness.count(promote), 0, "promoted before")
            harness.advance(1)
            let batch = try await harness.batch(promote)
            try expectEqual(try batch.answers[0].asCount(), 1, "count")
            let wanted = JobChange(
                id: id,
                lane: .mail,
                from: .scheduled,
                to: .available,
                attempt: 0,
                priority: 1,
                createdAt: submittedAt,
                runAt: harness.now,
                at: harness.now
            )
            try expectEqual(batch.changes, [wanted], "changes")
            try expectEqual(try await harness.state(of: id), .available, "state")
        },
        Case("a job promoted late keeps its run_at") { harness in
            let runAt = harness.now + Milliseconds(2000)
            let id = try await harness.submit { $0.schedule = .at(runAt) }
            harness.advance(60_000)
            try expectEqual(try await harness.count(promote), 1, "count")
            try expectEqual(try await harness.job(id).runAt, runAt, "run_at")
        },
        Case("due jobs are promoted earliest first, no more than the limit") { harness in
            var ids: [JobID] = []
            for delay in [30, 10, 20, 99_000] as [Int64] {
                ids.append(try await harness.submit { $0.schedule = .after(Milliseconds(delay)) })
            }
            harness.advance(1000)
            let first = try await harness.batch(.promoteDue(limit: 2))
            try expectEqual(first.changes.map(\.id), [ids[1], ids[2]], "promoted first")
            let second = try await harness.batch(.promoteDue(limit: 2))
            try expectEqual(second.changes.map(\.id), [ids[0]], "promoted then")
            try expectEqual(try await harness.state(of: ids[3]), .scheduled, "state of the one not due")
        },
        Case("the next due instant is that of the earliest scheduled job") { harness in
            try expectEqual(try await harness.store.nextDue(), nil, "next due of none")
            try await harness.submit()
            try expectEqual(try await harness.store.nextDue(), nil, "next due of an available one")
            let start = harness.now
            try await harness.submit { $0.schedule = .after(Milliseconds(900)) }
            let early = try await harness.submit { $0.schedule = .after(Milliseconds(300)) }
            try expectEqual(try await harness.store.nextDue(), start + Milliseconds(300), "next due")
            harness.advance(400)
            try expectEqual(try await harness.store.nextDue(), start + Milliseconds(300), "next due, overdue")
            try await harness.answer(.cancel(early))
            try expectEqual(try await harness.store.nextDue(), start + Milliseconds(900), "next due")
        },
        Case("a failed job is due again when its backoff is over") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .failure)
            try expectEqual(try await harness.store.nextDue(), harness.now + Milliseconds(2000), "next due")
            harness.advance(2000)
            try expectEqual(try await harness.count(promote), 1, "count")
            let second = try await harness.hold(holding.job, by: holding.session)
            try expectEqual(second.token.attempt, 2, "attempt")
        },
        Case("a paused queue's jobs become available all the same") { harness in
            let id = try await harness.submit { $0.schedule = .after(Milliseconds(5)) }
            try await harness.answer(.pause(queue: "default", by: "ann"))
            harness.advance(5)
            try expectEqual(try await harness.count(promote), 1, "count")
            try expectEqual(try await harness.state(of: id), .available, "state")
        },
    ]
}
