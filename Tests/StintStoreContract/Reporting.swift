// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let reporting: [Case] = [
        Case("a completed job keeps its result and gives its lease up") { harness in
            let holding = try await harness.hold()
            harness.advance(1500)
            let result = Array(" {\"b\":1.0, \"a\":[]}\n".utf8)
            try await harness.end(holding, .completed(result: result))
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .completed, "state")
            try expectEqual(job.result, result, "result")
            try expectEqual(job.finishedAt, harness.now, "finished_at")
            try expectEqual(job.lease, nil, "lease")
            try expectEqual(job.failures, 0, "failures")
            try expectEqual(job.cause, nil, "cause")
            let attempt = Attempt(
                number: 1,
                worker: holding.session,
                workerName: "host-1",
                startedAt: harness.now - Milliseconds(1500),
                endedAt: harness.now,
                outcome: .completed
            )
            try expectEqual(job.attempts, [attempt], "attempts")
            try expectEqual(try await harness.session(holding.session).running, 0, "running")
        },
        Case("a result of 1 MiB keeps its exact bytes") { harness in
            let holding = try await harness.hold()
            let result = (0..<1024 * 1024).map { UInt8(32 + $0 % 95) }
            try await harness.end(holding, .completed(result: result))
            try expect(try await harness.job(holding.job).result == result, "the result read is the result sent")
        },
        Case("a completion without a result has none, which is not null") { harness in
            let first = try await harness.hold()
            try await harness.end(first, .completed(result: nil))
            try expectEqual(try await harness.job(first.job).result, nil, "result")
            let second = try await harness.hold()
            try await harness.end(second, .completed(result: Array("null".utf8)))
            try expectEqual(try await harness.job(second.job).result, Array("null".utf8), "result")
        },
        Case("a report tells of the job that ended, and of its lease") { harness in
            let holding = try await harness.hold(.mail) { $0.options.priority = -2 }
            let start = harness.now
            harness.advance(90)
            let batch = try await harness.batch(
                harness.reportCommand(holding.session, [(holding.token, .success)])
            )
            let wanted = JobChange(
                id: holding.job,
                lane: .mail,
                from: .running,
                to: .completed,
                attempt: 1,
                priority: -2,
                createdAt: start,
                runAt: start,
                startedAt: start,
                at: harness.now,
                outcome: .completed,
                worker: holding.session
            )
            try expectEqual(batch.changes, [wanted], "changes")
            try expectEqual(batch.notices, [], "notices")
        },
        Case("a report with a wrong nonce loses") { harness in
            let holding = try await harness.hold()
            var token = holding.token
            token.nonce ^= 1
            try await expectLeaseLost(token, from: holding.session, in: harness)
        },
        Case("a report of another attempt loses") { harness in
            let holding = try await harness.hold()
            for attempt in [0, 2, Int(Int32.max)] {
                var token = holding.token
                token.attempt = attempt
                try await expectLeaseLost(token, from: holding.session, in: harness)
            }
        },
        Case("a report from another session loses") { harness in
            let holding = try await harness.hold()
            try await expectLeaseLost(holding.token, from: try await harness.register(), in: harness)
        },
        Case("a report of an unknown job loses") { harness in
            let holding = try await harness.hold()
            var token = holding.token
            token.jobID = harness.newID()
            try await expectLeaseLost(token, from: holding.session, in: harness)
        },
        Case("a zombie's report loses against the newer attempt of another session") { harness in
            let zombie = try await harness.hold()
            try await harness.end(zombie, .released)
            let holding = try await harness.hold(zombie.job, by: try await harness.register())
            let before = try await harness.job(zombie.job)
            try expect(try await harness.report(zombie, .success) != .accepted, "the completion is not accepted")
            try expectEqual(try await harness.job(zombie.job), before, "the job")
            try await harness.end(holding, .success)
        },
        Case("an unknown or ended session gets no status at all") { harness in
            let holding = try await harness.hold()
            let unknown = try await harness.reports(harness.newID(), [(holding.token, .success)])
            try expectEqual(unknown, nil, "statuses for an unknown session")
            let ended = try await harness.register()
            try await harness.answer(.goodbye(ended, random: 0))
            try expectEqual(try await harness.reports(ended, [(holding.token, .success)]), nil, "statuses")
            try expectEqual(try await harness.state(of: holding.job), .running, "state")
        },
        Case("a draining session's reports count") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.drain(holding.session))
            try await harness.end(holding, .success)
            try expectEqual(try await harness.state(of: holding.job), .completed, "state")
        },
        Case("a report that commits before the sweep wins, however late") { harness in
            let holding = try await harness.hold()
            harness.advance(90_000)
            try await harness.end(holding, .success)
            try expectEqual(try await harness.count(.sweepSessions(limit: 10, random: 0)), 1, "swept sessions")
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .completed, "state")
            try expectEqual(job.losses, 0, "losses")
        },
        Case("many reports are answered one by one, in order") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 4)
            let tokens = try await harness.lease(ids, to: session).granted.map(\.token)
            var forged = tokens[1]
            forged.nonce ^= 0xFF
            let statuses = try await harness.reports(
                session,
                [(tokens[0], .success), (forged, .success), (tokens[2], .failure), (tokens[3], .released)]
            )
            try expectEqual(statuses, [.accepted, .leaseLost, .accepted, .accepted], "statuses")
            var states: [JobState] = []
            for id in ids { states.append(try await harness.state(of: id)) }
            try expectEqual(states, [.completed, .running, .scheduled, .available], "states")
        },
        Case("a request without reports is answered without statuses") { harness in
            try expectEqual(try await harness.reports(try await harness.register(), []), [], "statuses")
        },
    ]
}

/// Reports with `token` for a job that runs under another right: nothing may happen.
private func expectLeaseLost(_ token: LeaseToken, from session: WorkerID, in harness: StoreHarness) async throws {
    let before = try await harness.store.job(token.jobID)
    for ending in [Ending.success, .failure, .released, .snoozed(Milliseconds(1)), .cancelled] {
        let batch = try await harness.batch(harness.reportCommand(session, [(token, ending)]))
        try expectEqual(try batch.answers[0].asReported(), [.leaseLost], "status of \(ending)")
        try expectEqual(batch.changes, [], "changes")
        try expectEqual(batch.notices, [], "notices")
    }
    try expectEqual(try await harness.store.job(token.jobID), before, "the job")
    try expectEqual(harness.rulings.all, [], "rulings")
}
