// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let sweep = RecordCommand.sweepSessions(limit: 100, random: 0x8000_0000_0000_0000)

extension StoreContract {
    static let sweeping: [Case] = [
        Case("a session is lost at the end of its lease, not before") { harness in
            let session = try await harness.register()
            harness.advance(29_999)
            try expectEqual(try await harness.count(sweep), 0, "swept before")
            harness.advance(1)
            let batch = try await harness.batch(sweep)
            try expectEqual(try batch.answers[0].asCount(), 1, "swept")
            try expectEqual(batch.notices, [.sessionEnded(session, wasLost: true)], "notices")
            try expectEqual(try await harness.session(session).endedAt, harness.now, "endedAt")
            let again = try await harness.batch(sweep)
            try expectEqual(try again.answers[0].asCount(), 0, "swept again")
            try expectEqual(again.notices, [], "notices of the second sweep")
        },
        Case("the first loss puts a job back at once in its old place") { harness in
            let holding = try await harness.hold()
            let start = harness.now
            harness.advance(31_000)
            let batch = try await harness.batch(sweep)
            let wanted = JobChange(
                id: holding.job,
                lane: .work,
                from: .running,
                to: .available,
                attempt: 1,
                priority: 0,
                createdAt: start,
                runAt: start,
                startedAt: start,
                at: harness.now,
                outcome: .lost,
                worker: holding.session
            )
            try expectEqual(batch.changes, [wanted], "changes")
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .available, "state")
            try expectEqual(job.runAt, start, "run_at")
            try expectEqual(job.losses, 1, "losses")
            try expectEqual(job.failures, 0, "failures")
            try expectEqual(job.lease, nil, "lease")
            try expectEqual(job.attempts.last?.outcome, .lost, "outcome")
            try expectEqual(job.attempts.last?.endedAt, harness.now, "end of the attempt")
        },
        Case("a later loss backs off, the last one makes a dead letter") { harness in
            let id = try await harness.submit()
            for loss in 1...3 {
                _ = try await harness.hold(id, by: try await harness.register())
                harness.advance(30_000)
                try expectEqual(try await harness.count(sweep), 1, "swept")
                let job = try await harness.job(id)
                try expectEqual(job.losses, loss, "losses")
                try expectEqual(job.failures, 0, "failures")
                try expectEqual(job.state, [.available, .scheduled, .dead][loss - 1], "state after loss \(loss)")
                guard loss == 2 else { continue }
                try expectEqual(job.runAt, harness.now + Milliseconds(2000), "run_at")
                harness.advance(2000)
                try expectEqual(try await harness.count(.promoteDue(limit: 1)), 1, "promoted")
            }
            try expectEqual(try await harness.job(id).cause, .crashLoop, "cause")
        },
        Case("all leases of a lost session are lost with it, those of others are not") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            _ = try await harness.lease(ids, to: session)
            harness.advance(15_000)
            let other = try await harness.hold()
            harness.advance(15_000)
            let batch = try await harness.batch(sweep)
            try expectEqual(Set(batch.moves), Set(ids.map { Move($0, .running, .available) }), "moves")
            try expectEqual(try await harness.state(of: other.job), .running, "state of another's job")
            try expectEqual(try await harness.store.leases(of: session), [], "leases")
            try expectEqual(try await harness.session(session).running, 0, "running")
        },
        Case("jobs lost together do not come back all at the same instant") { harness in
            let ids = try await harness.submit(
                (0..<8).map { _ in harness.newJob { $0.options.retry.jitter = .full } }
            ).ids
            for _ in 1...2 {
                _ = try await harness.lease(ids, to: try await harness.register())
                harness.advance(30_000)
                try expectEqual(try await harness.count(sweep), 1, "swept")
            }
            var instants: Set<Timestamp> = []
            for id in ids { instants.insert(try await harness.job(id).runAt) }
            try expect(instants.count > 1, "eight jobs come back at \(instants.count) instant")
        },
        Case("jobs of different sessions lost together do not come back all at the same instant") { harness in
            let ids = try await harness.submit(
                (0..<8).map { _ in harness.newJob { $0.options.retry.jitter = .full } }
            ).ids
            for _ in 1...2 {
                for id in ids { _ = try await harness.hold(id, by: try await harness.register()) }
                harness.advance(30_000)
                try expectEqual(try await harness.count(sweep), 8, "swept")
            }
            var instants: Set<Timestamp> = []
            for id in ids { instants.insert(try await harness.job(id).runAt) }
            try expect(instants.count > 1, "eight jobs come back at \(instants.count) instant")
        },
        Case("a sweep ends no more sessions than its limit") { harness in
            for _ in 0..<5 { _ = try await harness.register() }
            harness.advance(30_000)
            var counts: [Int] = []
            for _ in 0..<4 { counts.append(try await harness.count(.sweepSessions(limit: 2, random: 0))) }
            try expectEqual(counts, [2, 2, 1, 0], "swept")
        },
        Case("a report after the sweep is refused whole, the session is gone") { harness in
            let holding = try await harness.hold()
            harness.advance(30_000)
            let batch = try await harness.batch(
                sweep,
                harness.reportCommand(holding.session, [(holding.token, .success)])
            )
            try expectEqual(try batch.answers[1].asReported(), nil, "statuses")
            try expectEqual(try await harness.state(of: holding.job), .available, "state")
            try expectEqual(try await harness.renew(holding.session, [holding.token]), nil, "renewal")
        },
        Case("a session that said goodbye is not swept") { harness in
            let session = try await harness.register()
            try await harness.answer(.goodbye(session, random: 0))
            harness.advance(60_000)
            try expectEqual(try await harness.count(sweep), 0, "swept")
        },
        Case("a draining session can be lost too") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.drain(holding.session))
            harness.advance(30_000)
            try expectEqual(try await harness.count(sweep), 1, "swept")
            try expectEqual(try await harness.job(holding.job).losses, 1, "losses")
        },
        Case("a lost job runs again under another session, and the lost one's token is void") { harness in
            let lost = try await harness.hold()
            harness.advance(30_000)
            _ = try await harness.count(sweep)
            let next = try await harness.hold(lost.job, by: try await harness.register())
            try expectEqual(next.token.attempt, 2, "attempt")
            try expectEqual(try await harness.report(lost, .success), nil, "status of the lost one")
            let stolen = Holding(job: lost.job, session: next.session, token: lost.token)
            try expectEqual(try await harness.report(stolen, .success), .leaseLost, "status of its token")
            try await harness.end(next, .success)
        },
    ]
}
