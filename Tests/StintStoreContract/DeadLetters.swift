// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let timeout = JobError(type: "Timeout", message: "no answer in 30 s")

extension StoreContract {
    static let deadLetterGroups: [Case] = [
        Case("dead letters are grouped by what they died of, largest group first") { harness in
            let start = harness.now
            try await harness.deadLetter()
            harness.advance(1000)
            try await harness.deadLetter(error: timeout)
            harness.advance(1000)
            let newest = try await harness.deadLetter(.slow, error: timeout)
            let groups = try await harness.store.deadLetterGroups(DeadLetterFilter(), limit: 9)
            try expectEqual(groups.map(\.count), [2, 1], "counts")
            let wanted = DeadLetterGroup(
                fingerprint: try require(try await harness.job(newest).fingerprint, "fingerprint"),
                name: "work",
                errorType: "Timeout",
                message: "no answer in 30 s",
                count: 2,
                firstSeen: start + Milliseconds(1000),
                lastSeen: start + Milliseconds(2000),
                queues: ["default", "slow"]
            )
            try expectEqual(groups.first, wanted, "the largest group")
            try expectEqual(groups.last?.queues, ["default"], "queues of the other")
        },
        Case("groups obey the filter and the limit") { harness in
            try await harness.deadLetter()
            try await harness.deadLetter(error: timeout)
            try await harness.deadLetter(.slow, error: timeout)
            try await harness.deadLetter(.mail)
            let store = harness.store
            let slow = try await store.deadLetterGroups(DeadLetterFilter(queue: "slow"), limit: 9)
            try expectEqual(slow.map(\.count), [1], "counts of a queue")
            try expectEqual(slow.first?.queues, ["slow"], "queues of a queue")
            let mail = try await store.deadLetterGroups(DeadLetterFilter(name: "mail"), limit: 9)
            try expectEqual(mail.map(\.name), ["mail"], "names of a name")
            let none = try await store.deadLetterGroups(DeadLetterFilter(cause: .crashLoop), limit: 9)
            try expectEqual(none, [], "groups of another cause")
            let one = try await store.deadLetterGroups(DeadLetterFilter(), limit: 1)
            try expectEqual(one.map(\.count), [2], "counts within the limit")
        },
        Case("groups can be of some jobs only") { harness in
            let one = try await harness.deadLetter()
            try await harness.deadLetter()
            let groups = try await harness.store.deadLetterGroups(DeadLetterFilter(ids: [one]), limit: 9)
            try expectEqual(groups.map(\.count), [1], "counts")
            let none = try await harness.store.deadLetterGroups(DeadLetterFilter(ids: []), limit: 9)
            try expectEqual(none, [], "groups of no jobs")
        },
        Case("what is no longer dead is in no group") { harness in
            let redriven = try await harness.deadLetter()
            let deleted = try await harness.deadLetter()
            try await harness.answer(.retry(redriven))
            try await harness.answer(.delete(deleted))
            let groups = try await harness.store.deadLetterGroups(DeadLetterFilter(), limit: 9)
            try expectEqual(groups, [], "groups")
        },
        Case("a group tells the time of deaths, not of submissions") { harness in
            let holding = try await harness.hold()
            harness.advance(5000)
            try await harness.end(holding, .fatal)
            let groups = try await harness.store.deadLetterGroups(DeadLetterFilter(), limit: 9)
            try expectEqual(groups.first?.firstSeen, harness.now, "first seen")
            try expectEqual(groups.first?.lastSeen, harness.now, "last seen")
        },
    ]

    static let redriving: [Case] = [
        Case("dead letters come back oldest death first, no more than the limit") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            for id in [ids[2], ids[0], ids[1]] {
                let holding = try await harness.hold(id, by: session)
                try await harness.end(holding, .fatal)
                harness.advance(10)
            }
            let batch = try await harness.batch(.redrive(DeadLetterFilter(), limit: 2, perSecond: nil))
            try expectEqual(try batch.answers[0].asCount(), 2, "count")
            let wanted = [Move(ids[2], .dead, .available), Move(ids[0], .dead, .available)]
            try expectEqual(batch.moves, wanted, "moves")
            let job = try await harness.job(ids[2])
            try expectEqual(job.runAt, harness.now, "run_at")
            try expectEqual(job.failures, 0, "failures")
            try expectEqual(job.cause, nil, "cause")
            try expectEqual(job.fingerprint, nil, "fingerprint")
            try expectEqual(job.finishedAt, nil, "finished_at")
            try expectEqual(job.attempts.count, 1, "number of attempts")
            try expectEqual(try await harness.state(of: ids[1]), .dead, "state of the third")
        },
        Case("a redrive with a pace spreads its jobs over time") { harness in
            var ids: [JobID] = []
            for _ in 0..<4 {
                ids.append(try await harness.deadLetter())
                harness.advance(1)
            }
            let redrive = RecordCommand.redrive(DeadLetterFilter(), limit: 9, perSecond: 2.5)
            try expectEqual(try await harness.count(redrive), 4, "count")
            for (index, id) in ids.enumerated() {
                let job = try await harness.job(id)
                try expectEqual(job.state, index == 0 ? .available : .scheduled, "state of job \(index)")
                let delay = Milliseconds(400 * Int64(index))
                try expectEqual(job.runAt, harness.now + delay, "run_at of job \(index)")
            }
            harness.advance(800)
            try expectEqual(try await harness.count(.promoteDue(limit: 9)), 2, "promoted after 0.8 s")
        },
        Case("a redrive obeys every part of its filter at once") { harness in
            let session = try await harness.register()
            let wanted = try await harness.deadLetter()
            let otherQueue = try await harness.deadLetter(.slow)
            let otherName = try await harness.deadLetter(.mail)
            let otherError = try await harness.deadLetter(error: timeout)
            let exhausted = try await harness.hold(
                try await harness.submit { $0.options.maxAttempts = 1 },
                by: session
            )
            try await harness.end(exhausted, .failure)
            var filter = DeadLetterFilter(queue: "default", name: "work", cause: .notRetryable)
            filter.fingerprint = try await harness.job(wanted).fingerprint
            filter.ids = [wanted, otherQueue, otherName, otherError, exhausted.job, harness.newID()]
            let batch = try await harness.batch(.redrive(filter, limit: 99, perSecond: nil))
            try expectEqual(batch.changes.map(\.id), [wanted], "redriven")
        },
        Case("a redrive by ids means those only, and none when there are none") { harness in
            let first = try await harness.deadLetter()
            let second = try await harness.deadLetter()
            let none = RecordCommand.redrive(DeadLetterFilter(ids: []), limit: 9, perSecond: nil)
            try expectEqual(try await harness.count(none), 0, "count of no ids")
            let one = RecordCommand.redrive(DeadLetterFilter(ids: [second]), limit: 9, perSecond: nil)
            try expectEqual(try await harness.count(one), 1, "count of one id")
            try expectEqual(try await harness.state(of: first), .dead, "state of the other")
        },
        Case("a redrive by ids goes by age, and its limit counts what it redrives") { harness in
            let alive = try await harness.submit()
            var ids: [JobID] = []
            for _ in 0..<3 {
                ids.append(try await harness.deadLetter())
                harness.advance(10)
            }
            let filter = DeadLetterFilter(ids: [alive, ids[2], ids[1], ids[0]])
            let batch = try await harness.batch(.redrive(filter, limit: 2, perSecond: nil))
            try expectEqual(try batch.answers[0].asCount(), 2, "count")
            try expectEqual(batch.changes.map(\.id), [ids[0], ids[1]], "redriven")
        },
        Case("an id named twice is redriven or purged once") { harness in
            let first = try await harness.deadLetter()
            let second = try await harness.deadLetter()
            let redrive = RecordCommand.redrive(DeadLetterFilter(ids: [first, first]), limit: 9, perSecond: nil)
            let purge = RecordCommand.purge(DeadLetterFilter(ids: [second, second]), limit: 9)
            let batch = try await harness.batch(redrive, purge)
            try expectEqual(try batch.answers.map { try $0.asCount() }, [1, 1], "counts")
            try expectEqual(batch.moves, [Move(first, .dead, .available), Move(second, .dead, nil)], "moves")
        },
        Case("a redrive touches dead letters only") { harness in
            let cancelled = try await harness.submit()
            try await harness.answer(.cancel(cancelled))
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let running = try await harness.hold()
            let filter = DeadLetterFilter(ids: [cancelled, completed.job, running.job])
            for filter in [filter, DeadLetterFilter()] {
                let redrive = RecordCommand.redrive(filter, limit: 9, perSecond: nil)
                try expectEqual(try await harness.count(redrive), 0, "count")
            }
        },
    ]

    static let purging: [Case] = [
        Case("a purge deletes dead letters, oldest death first, no more than the limit") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            for id in ids.reversed() {
                let holding = try await harness.hold(id, by: session)
                try await harness.end(holding, .fatal)
                harness.advance(10)
            }
            let batch = try await harness.batch(.purge(DeadLetterFilter(), limit: 2))
            try expectEqual(try batch.answers[0].asCount(), 2, "count")
            try expectEqual(batch.moves, [Move(ids[2], .dead, nil), Move(ids[1], .dead, nil)], "moves")
            try expectEqual(try await harness.listed(JobQuery()), [ids[0]], "jobs left")
        },
        Case("a purge obeys its filter and touches dead letters only") { harness in
            let kept = try await harness.deadLetter()
            let purged = try await harness.deadLetter(.slow)
            let alive = try await harness.submit(.slow)
            try expectEqual(try await harness.count(.purge(DeadLetterFilter(queue: "slow"), limit: 9)), 1, "count")
            try expectEqual(try await harness.store.job(purged), nil, "the purged job")
            try expectEqual(try await harness.state(of: kept), .dead, "state of another queue's")
            try expectEqual(try await harness.state(of: alive), .available, "state of the living")
        },
    ]
}
