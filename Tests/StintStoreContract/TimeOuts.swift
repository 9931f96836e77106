// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

private let timeOut = RecordCommand.timeOutAttempts(limit: 100, random: 0)

extension StoreContract {
    static let timeOuts: [Case] = [
        Case("an attempt over its timeout ends as a failure and backs off") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(5000) }
            let start = harness.now
            harness.advance(5001)
            let batch = try await harness.batch(timeOut)
            try expectEqual(try batch.answers[0].asCount(), 1, "count")
            let wanted = JobChange(
                id: holding.job,
                lane: .work,
                from: .running,
                to: .scheduled,
                attempt: 1,
                priority: 0,
                createdAt: start,
                runAt: harness.now + Milliseconds(2000),
                startedAt: start,
                at: harness.now,
                outcome: .timedOut,
                worker: holding.session
            )
            try expectEqual(batch.changes, [wanted], "changes")
            let job = try await harness.job(holding.job)
            try expectEqual(job.failures, 1, "failures")
            try expectEqual(job.losses, 0, "losses")
            try expectEqual(job.attempts.last?.outcome, .timedOut, "outcome")
            try expect(job.attempts.last?.error != nil, "the attempt tells of its time-out")
            try expectEqual(try await harness.session(holding.session).endedAt, nil, "end of the session")
        },
        Case("an attempt within its timeout goes on") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(5000) }
            harness.advance(4999)
            let batch = try await harness.batch(timeOut)
            try expectEqual(try batch.answers[0].asCount(), 0, "count")
            try expectEqual(batch.changes, [], "changes")
            try await harness.end(holding, .success)
        },
        Case("the timeout counts from the start of each attempt") { harness in
            let session = try await harness.register()
            let id = try await harness.submit { $0.options.timeout = Milliseconds(5000) }
            harness.advance(60_000)
            let first = try await harness.hold(id, by: session)
            harness.advance(4000)
            try await harness.end(first, .released)
            _ = try await harness.hold(id, by: session)
            harness.advance(4000)
            try expectEqual(try await harness.count(timeOut), 0, "count")
            harness.advance(1001)
            try expectEqual(try await harness.count(timeOut), 1, "count")
        },
        Case("renewing a session does not stretch its attempts") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(5000) }
            harness.advance(4000)
            _ = try await harness.renew(holding.session, [holding.token])
            harness.advance(1001)
            try expectEqual(try await harness.count(timeOut), 1, "count")
        },
        Case("the last attempt's time-out makes a dead letter") { harness in
            let holding = try await harness.hold {
                $0.options.timeout = Milliseconds(5000)
                $0.options.maxAttempts = 1
            }
            harness.advance(5001)
            _ = try await harness.count(timeOut)
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .dead, "state")
            try expectEqual(job.cause, .attemptsExhausted, "cause")
            try expect(job.fingerprint != nil, "it has a fingerprint")
        },
        Case("a report that commits before the time-out wins") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(5000) }
            harness.advance(9000)
            let batch = try await harness.batch(
                harness.reportCommand(holding.session, [(holding.token, .success)]),
                timeOut
            )
            try expectEqual(try batch.answers[0].asReported(), [.accepted], "status")
            try expectEqual(try batch.answers[1].asCount(), 0, "count")
            try expectEqual(try await harness.state(of: holding.job), .completed, "state")
        },
        Case("no more attempts are timed out than the limit") { harness in
            let session = try await harness.register()
            for timeout in [5000, 3000, 4000] as [Int64] {
                let id = try await harness.submit { $0.options.timeout = Milliseconds(timeout) }
                _ = try await harness.hold(id, by: session)
                _ = try await harness.hold { $0.options.timeout = Milliseconds(timeout) }
            }
            harness.advance(6000)
            var counts: [Int] = []
            for _ in 0..<4 { counts.append(try await harness.count(.timeOutAttempts(limit: 2, random: 0))) }
            try expectEqual(counts, [2, 2, 2, 0], "counts")
        },
    ]
}
