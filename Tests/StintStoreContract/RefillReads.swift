// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let refillReads: [Case] = [
        Case("a lane's jobs come in serving order, one step of priority worth a minute") { harness in
            let start = harness.now
            let early = try await harness.submit()
            harness.advance(59_999)
            let urgent = try await harness.submit { $0.options.priority = 1 }
            let lazy = try await harness.submit { $0.options.priority = -1 }
            let plain = try await harness.submit()
            let ready = try await harness.store.readyJobs(lane: .work, after: nil, limit: 9)
            try expectEqual(ready.map(\.id), [urgent, early, plain, lazy], "order")
            let wanted = ReadyJob(
                lane: .work,
                order: ServingOrder(key: start.milliseconds + 59_999 - 60_000, id: urgent)
            )
            try expectEqual(ready.first, wanted, "the first")
        },
        Case("jobs of equal place are served by id") { harness in
            let ids = try await harness.submit(count: 20)
            let ready = try await harness.store.readyJobs(lane: .work, after: nil, limit: 99)
            try expectEqual(ready.map(\.id), ids, "order")
        },
        Case("only available jobs of the lane are ready") { harness in
            let mail = try await harness.submit(.mail)
            try await harness.submit(.slow)
            try await harness.submit { $0.schedule = .after(Milliseconds(1)) }
            _ = try await harness.hold()
            try await harness.deadLetter()
            let store = harness.store
            try expectEqual(try await store.readyJobs(lane: .work, after: nil, limit: 9), [], "work")
            try expectEqual(try await store.readyJobs(lane: .mail, after: nil, limit: 9).map(\.id), [mail], "mail")
        },
        Case("a refill goes on after a place, without loss or double") { harness in
            for priority in [0, 3, 0, -5, 3, 0, 100, -100] {
                try await harness.submit { $0.options.priority = priority }
            }
            let store = harness.store
            let all = try await store.readyJobs(lane: .work, after: nil, limit: 99)
            try expectEqual(all.count, 8, "number of ready jobs")
            try expectEqual(all.map(\.order), all.map(\.order).sorted(), "order")
            var collected: [ReadyJob] = []
            while true {
                let part = try await store.readyJobs(lane: .work, after: collected.last?.order, limit: 3)
                if part.isEmpty { break }
                try expect(part.count <= 3, "no more than the limit")
                collected += part
            }
            try expectEqual(collected, all, "the parts")
        },
        Case("the lanes with an available job are listed, sorted") { harness in
            let store = harness.store
            try expectEqual(try await store.readyLanes(), [], "lanes of an empty record")
            let slow = try await harness.submit(.slow)
            try await harness.submit(.mail)
            _ = try await harness.submit(count: 2)
            try await harness.submit(Lane(queue: "later", name: "x")) { $0.schedule = .after(Milliseconds(5)) }
            try expectEqual(try await store.readyLanes(), [.mail, .work, .slow], "lanes")
            _ = try await harness.hold(slow, by: try await harness.register())
            try expectEqual(try await store.readyLanes(), [.mail, .work], "lanes without the leased")
        },
        Case("the jobs before a place are counted, up to the limit") { harness in
            let ids = try await harness.submit(count: 5)
            try await harness.submit(.mail)
            let place = ServingOrder(runAt: harness.now, priority: 0, id: ids[3])
            let store = harness.store
            try expectEqual(try await store.countReady(lane: .work, before: place, limit: 99), 3, "count")
            try expectEqual(try await store.countReady(lane: .work, before: place, limit: 2), 2, "count, limited")
            let first = ServingOrder(runAt: harness.now, priority: 1, id: ids[3])
            try expectEqual(try await store.countReady(lane: .work, before: first, limit: 99), 0, "count of none")
        },
        Case("a job's place follows its run_at through every move") { harness in
            let session = try await harness.register()
            let id = try await harness.submit { $0.options.priority = 3 }
            let steps: [(Ending, RecordCommand)] = [
                (.released, .promoteDue(limit: 1)), (.failure, .promoteDue(limit: 1)), (.failure, .retry(id)),
                (.snoozed(Milliseconds(3000)), .promoteDue(limit: 1)), (.fatal, .retry(id)),
                (.fatal, .redrive(DeadLetterFilter(), limit: 1, perSecond: nil)),
            ]
            for (ending, command) in steps {
                try await harness.end(try await harness.hold(id, by: session), ending)
                harness.advance(7000)
                let batch = try await harness.batch(command)
                let job = try await harness.job(id)
                let order = ServingOrder(runAt: job.runAt, priority: 3, id: id)
                let ready = try await harness.store.readyJobs(lane: .work, after: nil, limit: 9)
                try expectEqual(ready, [ReadyJob(lane: .work, order: order)], "place after \(ending)")
                if let change = batch.changes.last { try expectEqual(change.readyJob, ready[0], "place told") }
            }
        },
        Case("a change tells the place of a job that became available") { harness in
            let new = harness.newJob { $0.options.priority = 2 }
            let batch = try await harness.batch(.submit(Submission(jobs: [new])))
            let ready = try await harness.store.readyJobs(lane: .work, after: nil, limit: 1)
            try expectEqual(batch.changes.map(\.readyJob), ready, "places")
        },
    ]
}
