// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let day: Int64 = 86_400_000
private let prune = RecordCommand.prune(retention: Milliseconds(day), limit: 100)

extension StoreContract {
    static let deleting: [Case] = [
        Case("a job that has ended can be deleted, whatever its end") { harness in
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let dead = try await harness.deadLetter()
            let cancelled = try await harness.submit()
            try await harness.answer(.cancel(cancelled))
            let expired = try await harness.submit { $0.startWithin = Milliseconds(1) }
            harness.advance(2)
            _ = try await harness.count(.expireWaiting(limit: 1))
            let all: [(JobID, JobState)] = [
                (completed.job, .completed), (dead, .dead), (cancelled, .cancelled), (expired, .expired),
            ]
            for (id, state) in all {
                let batch = try await harness.batch(.delete(id))
                try batch.answers[0].expectDone()
                try expectEqual(batch.moves, [Move(id, state, nil)], "moves")
                try expectEqual(try await harness.store.job(id), nil, "the job")
            }
            try expectEqual(try await harness.listed(JobQuery()), [], "jobs left")
        },
        Case("a job that has not ended cannot be deleted") { harness in
            let available = try await harness.submit()
            let scheduled = try await harness.submit { $0.schedule = .after(Milliseconds(9)) }
            let running = try await harness.hold()
            let all: [(JobID, JobState)] = [
                (available, .available), (scheduled, .scheduled), (running.job, .running),
            ]
            for (id, state) in all {
                let batch = try await harness.batch(.delete(id))
                try batch.answers[0].expectWrongState(state)
                try expectEqual(batch.changes, [], "changes")
                try expectEqual(try await harness.state(of: id), state, "state")
            }
        },
        Case("an unknown or deleted job cannot be deleted") { harness in
            let id = try await harness.submit()
            try await harness.answer(.cancel(id))
            try await harness.answer(.delete(id)).expectDone()
            try await harness.answer(.delete(id)).expectNotFound()
            try await harness.answer(.delete(harness.newID())).expectNotFound()
        },
    ]

    static let pruning: [Case] = [
        Case("jobs that ended longer ago than the retention are deleted") { harness in
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let cancelled = try await harness.submit()
            try await harness.answer(.cancel(cancelled))
            let expired = try await harness.submit { $0.startWithin = Milliseconds(0) }
            harness.advance(1)
            _ = try await harness.count(.expireWaiting(limit: 9))
            harness.advance(day - 2)
            try expectEqual(try await harness.count(prune), 0, "count before")
            harness.advance(2)
            let batch = try await harness.batch(prune)
            try expectEqual(try batch.answers[0].asCount(), 3, "count")
            let moves = [
                Move(completed.job, .completed, nil), Move(cancelled, .cancelled, nil), Move(expired, .expired, nil),
            ]
            try expectEqual(Set(batch.moves), Set(moves), "moves")
            try expectEqual(try await harness.listed(JobQuery()), [], "jobs left")
        },
        Case("the retention counts from the end, not from the submission") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(90 * day) }
            harness.advance(3 * day)
            try await harness.end(holding, .success)
            try expectEqual(try await harness.count(prune), 0, "count")
        },
        Case("dead letters are kept for ever, with their attempts") { harness in
            let id = try await harness.deadLetter()
            harness.advance(100 * day)
            let before = try await harness.job(id)
            _ = try await harness.count(.sweepSessions(limit: 9, random: 0))
            harness.advance(100 * day)
            try expectEqual(try await harness.count(prune), 0, "count")
            try expectEqual(try await harness.job(id), before, "the dead letter")
        },
        Case("jobs that have not ended are kept, however old") { harness in
            try await harness.submit()
            try await harness.submit { $0.schedule = .after(Milliseconds(500 * day)) }
            _ = try await harness.hold()
            harness.advance(100 * day)
            try expectEqual(try await harness.count(prune), 0, "count")
            try expectEqual(try await harness.listed(JobQuery()).count, 3, "number of jobs left")
        },
        Case("no more jobs are pruned than the limit") { harness in
            for id in try await harness.submit(count: 5) { try await harness.answer(.cancel(id)) }
            harness.advance(2 * day)
            var counts: [Int] = []
            for _ in 0..<4 {
                counts.append(try await harness.count(.prune(retention: Milliseconds(day), limit: 2)))
            }
            try expectEqual(counts, [2, 2, 1, 0], "counts")
        },
        Case("ended sessions are pruned after the retention, live ones never") { harness in
            let ended = try await harness.register()
            let live = try await harness.register()
            try await harness.answer(.goodbye(ended, random: 0))
            harness.advance(day - 1)
            _ = try await harness.count(prune)
            try expect(try await harness.store.session(ended) != nil, "an ended session is kept for a time")
            harness.advance(2)
            _ = try await harness.count(prune)
            try expectEqual(try await harness.store.session(ended), nil, "the ended session")
            try expectEqual(try await harness.store.sessions().map(\.id), [live], "sessions left")
        },
        Case("idempotency keys within their retention survive a prune") { harness in
            let key = Idempotency(key: "k", digest: [1], retention: Milliseconds(3 * day))
            let first = try await harness.submit([harness.newJob()], under: key)
            try await harness.answer(.cancel(first.ids[0]))
            harness.advance(2 * day)
            try expectEqual(try await harness.count(prune), 1, "count")
            let again = try await harness.submit([harness.newJob()], under: key)
            try expectEqual(again.ids, first.ids, "ids")
        },
        Case("idempotency keys past their retention are forgotten by a prune") { harness in
            let key = Idempotency(key: "k", digest: [1], retention: Milliseconds(1000))
            _ = try await harness.submit([harness.newJob()], under: key)
            harness.advance(2000)
            _ = try await harness.count(prune)
            let again = try await harness.submit([harness.newJob()], under: key)
            try expectEqual(again.isReplay, false, "isReplay")
        },
    ]
}
