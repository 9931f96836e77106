// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let listing: [Case] = [
        Case("an empty record lists nothing") { harness in
            try expectEqual(try await harness.listed(JobQuery()), [], "ids")
        },
        Case("a list shows jobs as they are, without payload, result and attempts") { harness in
            let completed = try await harness.hold(.mail) {
                $0.options.tags = ["x"]
                $0.options.metadata = Array(#"{"k":"v"}"#.utf8)
            }
            try await harness.end(completed, .success)
            let dead = try await harness.deadLetter()
            let running = try await harness.hold { $0.startWithin = Milliseconds(5000) }
            try await harness.answer(.cancel(running.job))
            var wanted: [Job] = []
            for id in [running.job, dead, completed.job] {
                var job = try await harness.job(id)
                job.payload = []
                job.result = nil
                job.attempts = []
                wanted.append(job)
            }
            try expectEqual(try await harness.store.jobs(JobQuery()).jobs, wanted, "jobs")
        },
        Case("a list of dead jobs tells what each died of last, without its stack") { harness in
            let told = try await harness.deadLetter(
                error: JobError(type: "Timeout", message: "no answer", stack: "at line 7")
            )
            let twice = try await harness.deadLetter(error: JobError(type: "First", message: "of two"))
            try await harness.answer(.retry(twice))
            let holding = try await harness.hold(twice, by: try await harness.register())
            let last = JobError(type: "Second", message: "of two")
            try await harness.end(holding, .failed(error: last, isRetryable: false, retryAfter: nil))
            var query = JobQuery()
            query.state = .dead
            let dead = try await harness.store.jobs(query).jobs
            try expectEqual(dead.map(\.id), [twice, told], "dead letters")
            let wanted: [JobError?] = [last, JobError(type: "Timeout", message: "no answer")]
            try expectEqual(dead.map(\.lastError), wanted, "errors")
        },
        Case("pages follow one another without loss or double") { harness in
            let ids = try await harness.submit(count: 53)
            for limit in [1, 7, 52, 53, 54, 200] {
                let listed = try await harness.listed(JobQuery(limit: limit))
                try expectEqual(listed, ids.reversed(), "ids by pages of \(limit)")
            }
        },
        Case("a filtered list pages without loss or double, however rare its jobs") { harness in
            let jobs = (0..<400).map { index in
                harness.newJob(index % 2 == 0 ? .work : .mail) { $0.options.tags = index % 97 == 0 ? ["rare"] : [] }
            }
            _ = try await harness.submit(jobs)
            var query = JobQuery(limit: 3)
            query.tag = "rare"
            let rare = [388, 291, 194, 97, 0].map { jobs[$0].id }
            try expectEqual(try await harness.listed(query), rare, "rare jobs")
            query.name = "mail"
            try expectEqual(try await harness.listed(query), [rare[1], rare[3]], "rare mail jobs")
        },
        Case("a page stays where it is while newer jobs come in") { harness in
            let ids = try await harness.submit(count: 6)
            var query = JobQuery(limit: 3)
            let first = try await harness.store.jobs(query)
            try expectEqual(first.jobs.map(\.id), ids.suffix(3).reversed(), "first page")
            _ = try await harness.submit(count: 5)
            query.before = try require(first.next, "next page")
            try expectEqual(try await harness.listed(query), ids.prefix(3).reversed(), "the rest")
        },
        Case("a page begins where the one before ended even when that job is gone") { harness in
            let ids = try await harness.submit(count: 4)
            var query = JobQuery(limit: 2)
            let first = try await harness.store.jobs(query)
            for id in ids.suffix(2) {
                try await harness.answer(.cancel(id))
                try await harness.answer(.delete(id)).expectDone()
            }
            query.before = try require(first.next, "next page")
            try expectEqual(try await harness.listed(query), [ids[1], ids[0]], "the rest")
        },
        Case("paging by any id is exclusive of it") { harness in
            let ids = try await harness.submit(count: 3)
            var query = JobQuery()
            query.before = ids[2]
            try expectEqual(try await harness.listed(query), [ids[1], ids[0]], "ids")
            query.before = UUIDv7(high: 0, low: 0)
            try expectEqual(try await harness.listed(query), [], "ids before the first")
        },
    ]

    static let listFilters: [Case] = [
        Case("a list can be of one queue, of one name, or both") { harness in
            let work = try await harness.submit()
            let mail = try await harness.submit(.mail)
            let slow = try await harness.submit(.slow)
            var query = JobQuery()
            query.queue = "default"
            try expectEqual(try await harness.listed(query), [mail, work], "queue default")
            query.name = "mail"
            try expectEqual(try await harness.listed(query), [mail], "queue default, name mail")
            query.queue = nil
            query.name = "work"
            try expectEqual(try await harness.listed(query), [slow, work], "name work")
            query.queue = "Default"
            try expectEqual(try await harness.listed(query), [], "queue Default")
        },
        Case("a list can be of any one state") { harness in
            let available = try await harness.submit()
            let scheduled = try await harness.submit { $0.schedule = .after(Milliseconds(60_000)) }
            let expired = try await harness.submit { $0.startWithin = Milliseconds(1) }
            harness.advance(2)
            _ = try await harness.count(.expireWaiting(limit: 9))
            let running = try await harness.hold()
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let dead = try await harness.deadLetter()
            let cancelled = try await harness.submit()
            try await harness.answer(.cancel(cancelled))
            let wanted: [JobState: [JobID]] = [
                .available: [available], .scheduled: [scheduled], .running: [running.job],
                .completed: [completed.job], .dead: [dead], .cancelled: [cancelled], .expired: [expired],
            ]
            for state in JobState.allCases {
                var query = JobQuery()
                query.state = state
                try expectEqual(try await harness.listed(query), wanted[state] ?? [], "\(state) jobs")
            }
        },
        Case("a list can be of one whole tag") { harness in
            let both = try await harness.submit { $0.options.tags = ["red", "blue"] }
            let blue = try await harness.submit { $0.options.tags = ["blue"] }
            try await harness.submit { $0.options.tags = ["bluest", "b", "%", "\"blue"] }
            try await harness.submit()
            var query = JobQuery()
            query.tag = "blue"
            try expectEqual(try await harness.listed(query), [blue, both], "tag blue")
            query.tag = "red"
            try expectEqual(try await harness.listed(query), [both], "tag red")
            query.tag = "bl%"
            try expectEqual(try await harness.listed(query), [], "tag bl%")
        },
        Case("created_after is inclusive, created_before exclusive") { harness in
            var ids: [JobID] = []
            var instants: [Timestamp] = []
            for _ in 0..<4 {
                ids.append(try await harness.submit())
                instants.append(harness.now)
                harness.advance(1)
            }
            var query = JobQuery()
            query.createdAfter = instants[1]
            try expectEqual(try await harness.listed(query), [ids[3], ids[2], ids[1]], "after")
            query.createdBefore = instants[3]
            try expectEqual(try await harness.listed(query), [ids[2], ids[1]], "after and before")
            query.createdBefore = instants[1]
            try expectEqual(try await harness.listed(query), [], "an empty span")
        },
        Case("creation is the record's instant, not the one in the id") { harness in
            let early = harness.newJob()
            harness.advance(5)
            _ = try await harness.submit([early])
            var query = JobQuery()
            query.createdAfter = harness.now
            try expectEqual(try await harness.listed(query), [early.id], "after")
            query.createdAfter = nil
            query.createdBefore = harness.now
            try expectEqual(try await harness.listed(query), [], "before")
        },
        Case("dead letters can be listed by cause and by fingerprint") { harness in
            let broken = try await harness.deadLetter()
            let other = try await harness.deadLetter(error: JobError(type: "Other", message: "else"))
            let exhausted = try await harness.hold { $0.options.maxAttempts = 1 }
            try await harness.end(exhausted, .failure)
            var query = JobQuery()
            query.state = .dead
            query.cause = .notRetryable
            try expectEqual(try await harness.listed(query), [other, broken], "not retryable")
            query.cause = nil
            query.fingerprint = try await harness.job(broken).fingerprint
            try expectEqual(try await harness.listed(query), [exhausted.job, broken], "of one fingerprint")
            query.cause = .attemptsExhausted
            try expectEqual(try await harness.listed(query), [exhausted.job], "of both")
        },
    ]
}
