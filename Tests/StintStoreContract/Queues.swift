// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let pausing: [Case] = [
        Case("a paused queue's jobs are not leased, other queues' are") { harness in
            let held = try await harness.submit()
            let free = try await harness.submit(.slow)
            let batch = try await harness.batch(.pause(queue: "default", by: "ann"))
            try batch.answers[0].expectDone()
            try expectEqual(batch.notices, [.queuePaused("default")], "notices")
            try expectEqual(batch.changes, [], "changes")
            let receipt = try await harness.lease([held, free], to: try await harness.register())
            try expectEqual(receipt.granted.map(\.token.jobID), [free], "granted")
            let refused = LeaseReceipt.Refused(jobID: held, reason: .queuePaused)
            try expectEqual(receipt.refused, [refused], "refused")
        },
        Case("a resumed queue's jobs are leased again") { harness in
            let id = try await harness.submit()
            try await harness.answer(.pause(queue: "default", by: "ann"))
            let batch = try await harness.batch(.resume(queue: "default"))
            try batch.answers[0].expectDone()
            try expectEqual(batch.notices, [.queueResumed("default")], "notices")
            _ = try await harness.hold(id, by: try await harness.register())
        },
        Case("what runs in a paused queue goes on, and can be submitted to it") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.pause(queue: "default", by: "ann"))
            let new = try await harness.submit()
            try expectEqual(try await harness.state(of: new), .available, "state of the new job")
            let receipt = try await harness.renew(holding.session, [holding.token])
            try expectEqual(receipt?.verdicts, [.ok], "verdicts")
            try await harness.end(holding, .success)
        },
        Case("a pause takes effect on the next command of its batch") { harness in
            let id = try await harness.submit()
            let session = try await harness.register()
            let request = LeaseRequest(session: session, grants: [LeaseRequest.Grant(jobID: id, nonce: 1)])
            let batch = try await harness.batch(
                .pause(queue: "default", by: "ann"),
                .lease(request),
                .resume(queue: "default"),
                .lease(request)
            )
            try expectEqual(try batch.answers[1].asLeased().refused.map(\.reason), [.queuePaused], "refusals")
            try expectEqual(try batch.answers[3].asLeased().granted.count, 1, "grants")
            try expectEqual(batch.notices, [.queuePaused("default"), .queueResumed("default")], "notices")
        },
        Case("pausing twice or resuming what is not paused is done, and news to nobody") { harness in
            try await harness.submit()
            let resumed = try await harness.batch(.resume(queue: "default"))
            try resumed.answers[0].expectDone()
            try expectEqual(resumed.notices, [], "notices of resuming")
            try await harness.answer(.pause(queue: "default", by: "ann"))
            let paused = try await harness.batch(.pause(queue: "default", by: "ann"))
            try paused.answers[0].expectDone()
            try expectEqual(paused.notices, [], "notices of pausing again")
        },
    ]

    static let queues: [Case] = [
        Case("queues are sorted by name and counted by state") { harness in
            let zebra = Lane(queue: "zebra", name: "work")
            _ = try await harness.submit(count: 3)
            try await harness.submit(.mail) { $0.schedule = .after(Milliseconds(10)) }
            let running = try await harness.hold()
            let completed = try await harness.hold(zebra)
            try await harness.end(completed, .success)
            try await harness.deadLetter(zebra)
            let found = try await harness.store.queues()
            try expectEqual(found.map(\.queue), ["default", "zebra"], "queues")
            try expectEqual(found[0].counts, [.available: 3, .scheduled: 1, .running: 1], "counts of default")
            try expectEqual(found[1].counts, [.completed: 1, .dead: 1], "counts of zebra")
            try await harness.end(running, .success)
            let counts: [JobState: Int] = [.available: 3, .scheduled: 1, .completed: 1]
            try expectEqual(try await harness.store.queues()[0].counts, counts, "counts of default")
        },
        Case("counts follow every kind of change") { harness in
            let ids = try await harness.submit(count: 6)
            let session = try await harness.register()
            let tokens = try await harness.lease(Array(ids.prefix(4)), to: session).granted.map(\.token)
            let endings: [Ending] = [.fatal, .failure, .released, .success]
            _ = try await harness.reports(session, Array(zip(tokens, endings)))
            try await harness.answer(.cancel(ids[4]))
            var wanted: [JobState: Int] = [.dead: 1, .scheduled: 1, .available: 2, .completed: 1, .cancelled: 1]
            try expectEqual(try await harness.store.queues()[0].counts, wanted, "counts")
            try await harness.answer(.retry(ids[0]))
            try await harness.answer(.delete(ids[3]))
            harness.advance(2000)
            try expectEqual(try await harness.count(.promoteDue(limit: 9)), 1, "promoted")
            wanted = [.available: 4, .cancelled: 1]
            try expectEqual(try await harness.store.queues()[0].counts, wanted, "counts")
        },
        Case("a queue that had a job or is paused is listed, empty or not") { harness in
            try expectEqual(try await harness.store.queues(), [], "queues of an empty record")
            let id = try await harness.submit(.slow)
            try await harness.answer(.cancel(id))
            try await harness.answer(.delete(id))
            try await harness.answer(.pause(queue: "never-used", by: "bob"))
            let wanted = [
                QueueStatus(queue: "never-used", pausedBy: "bob", counts: [:], oldestAvailable: nil),
                QueueStatus(queue: "slow", pausedBy: nil, counts: [:], oldestAvailable: nil),
            ]
            try expectEqual(try await harness.store.queues(), wanted, "queues")
        },
        Case("a queue shows who paused it until it is resumed") { harness in
            try await harness.submit()
            try await harness.answer(.pause(queue: "default", by: "ann@host"))
            try expectEqual(try await harness.store.queues().first?.pausedBy, "ann@host", "paused by")
            try await harness.answer(.resume(queue: "default"))
            let shown = try require(try await harness.store.queues().first, "queue")
            try expectEqual(shown.pausedBy, nil, "paused by")
        },
        Case("a queue's oldest job is the head of its longest-waiting lane") { harness in
            let start = harness.now
            let session = try await harness.register()
            let first = try await harness.submit()
            harness.advance(100)
            try await harness.submit(.mail)
            harness.advance(100)
            try await harness.submit(.mail)
            try expectEqual(try await harness.store.queues().first?.oldestAvailable, start, "oldest")
            _ = try await harness.hold(first, by: session)
            let oldest = try await harness.store.queues().first?.oldestAvailable
            try expectEqual(oldest, start + Milliseconds(100), "oldest without the first")
        },
        Case("a queue without an available job has no oldest one") { harness in
            try await harness.submit { $0.schedule = .after(Milliseconds(10)) }
            _ = try await harness.hold()
            let shown = try require(try await harness.store.queues().first, "queue")
            try expectEqual(shown.oldestAvailable, nil, "oldest")
        },
    ]
}
