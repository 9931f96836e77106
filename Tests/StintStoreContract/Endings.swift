// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let endings: [Case] = [
        Case("a failure with attempts left backs off, its error kept") { harness in
            let holding = try await harness.hold()
            let start = harness.now
            harness.advance(100)
            let error = JobError(type: "Bäd\"type", message: "line 1\nline 2 'quoted' 😀", stack: "")
            try await harness.end(holding, .failed(error: error, isRetryable: true, retryAfter: nil))
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .scheduled, "state")
            try expectEqual(job.runAt, harness.now + Milliseconds(2000), "run_at")
            try expectEqual(job.failures, 1, "failures")
            try expectEqual(job.losses, 0, "losses")
            try expectEqual(job.finishedAt, nil, "finished_at")
            try expectEqual(job.lease, nil, "lease")
            try expectEqual(job.cause, nil, "cause")
            try expectEqual(job.createdAt, start, "created_at")
            let attempt = Attempt(
                number: 1,
                worker: holding.session,
                workerName: "host-1",
                startedAt: start,
                endedAt: harness.now,
                outcome: .failed,
                error: error
            )
            try expectEqual(job.attempts, [attempt], "attempts")
        },
        Case("a failure tells where the job goes and when it comes back") { harness in
            let holding = try await harness.hold()
            let start = harness.now
            harness.advance(10)
            let batch = try await harness.batch(
                harness.reportCommand(holding.session, [(holding.token, .failure)])
            )
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
                outcome: .failed,
                worker: holding.session
            )
            try expectEqual(batch.changes, [wanted], "changes")
        },
        Case("every failure counts and the errors of all attempts stay") { harness in
            let session = try await harness.register()
            let id = try await harness.submit()
            for retry in 1...3 {
                let error = JobError(type: "E", message: "number \(retry)", stack: "s")
                let holding = try await harness.hold(id, by: session)
                try await harness.end(holding, .failed(error: error, isRetryable: true, retryAfter: nil))
                let delay = Milliseconds(1000 << Int64(retry))
                try expectEqual(try await harness.job(id).runAt, harness.now + delay, "run_at after \(retry)")
                try await harness.answer(.retry(id))
            }
            let job = try await harness.job(id)
            try expectEqual(job.failures, 3, "failures")
            let messages = job.attempts.map(\.error?.message)
            try expectEqual(messages, ["number 1", "number 2", "number 3"], "messages")
        },
        Case("an error with a NUL in it, which the wire never lets through, fails nobody") { harness in
            let holding = try await harness.hold()
            let error = JobError(type: "a\0b", message: "before\0after", stack: "\0end")
            let new = harness.newJob()
            let batch = try await harness.batch(
                harness.reportCommand(
                    holding.session,
                    [(holding.token, .failed(error: error, isRetryable: false, retryAfter: nil))]
                ),
                .submit(Submission(jobs: [new]))
            )
            try expectEqual(try batch.answers[0].asReported(), [.accepted], "statuses")
            try expectEqual(try await harness.state(of: new.id), .available, "state of the neighbour")
        },
        Case("a worker's own retry time replaces the computed one") { harness in
            let holding = try await harness.hold()
            let span = Milliseconds(7_200_000)
            try await harness.end(holding, .failed(error: .sample, isRetryable: true, retryAfter: span))
            try expectEqual(try await harness.job(holding.job).runAt, harness.now + span, "run_at")
        },
        Case("a failure for good makes a dead letter") { harness in
            let holding = try await harness.hold()
            harness.advance(5)
            let batch = try await harness.batch(
                harness.reportCommand(holding.session, [(holding.token, .fatal)])
            )
            try expectEqual(batch.moves, [Move(holding.job, .running, .dead)], "moves")
            try expectEqual(batch.changes.first?.cause, .notRetryable, "cause of the change")
            try expectEqual(batch.changes.first?.outcome, .failed, "outcome of the change")
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .dead, "state")
            try expectEqual(job.cause, .notRetryable, "cause")
            try expectEqual(job.failures, 1, "failures")
            try expectEqual(job.finishedAt, harness.now, "finished_at")
            try expect(job.fingerprint?.isEmpty == false, "a dead letter has a fingerprint")
        },
        Case("the last attempt's failure makes a dead letter") { harness in
            let holding = try await harness.hold { $0.options.maxAttempts = 1 }
            try await harness.end(holding, .failure)
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .dead, "state")
            try expectEqual(job.cause, .attemptsExhausted, "cause")
        },
        Case("a snoozed job is scheduled at no cost") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .snoozed(Milliseconds(60_000)))
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .scheduled, "state")
            try expectEqual(job.runAt, harness.now + Milliseconds(60_000), "run_at")
            try expectEqual([job.failures, job.losses], [0, 0], "budgets used")
            try expectEqual(job.attempts.last?.outcome, .snoozed, "outcome")
        },
        Case("a released job is available in its old place at no cost") { harness in
            let submittedAt = harness.now
            let ids = try await harness.submit(count: 3)
            harness.advance(5000)
            let holding = try await harness.hold(ids[1], by: try await harness.register())
            try await harness.end(holding, .released)
            let job = try await harness.job(ids[1])
            try expectEqual(job.state, .available, "state")
            try expectEqual(job.runAt, submittedAt, "run_at")
            try expectEqual([job.failures, job.losses], [0, 0], "budgets used")
            let ready = try await harness.store.readyJobs(lane: .work, after: nil, limit: 9)
            try expectEqual(ready.map(\.id), ids, "order in the lane")
        },
        Case("the rules are told all about the job, once for each ending") { harness in
            let new = harness.newJob(.mail) {
                $0.options.priority = 9
                $0.options.maxAttempts = 6
                $0.options.maxLosses = 5
                $0.options.timeout = Milliseconds(44_000)
                $0.options.retry = RetryPolicy(baseSeconds: 1, factor: 3, capSeconds: 5, jitter: .full)
            }
            _ = try await harness.submit([new])
            let submittedAt = harness.now
            let holding = try await harness.hold(new.id, by: try await harness.register())
            harness.advance(20)
            let report = ReportRequest.Report(token: holding.token, ending: .failure, random: 0xFEDC_BA98_7654_3210)
            let request = ReportRequest(session: holding.session, reports: [report, report])
            try await harness.answer(.report(request))
            let job = RunningJob(
                id: new.id,
                lane: .mail,
                attempt: 1,
                failures: 0,
                losses: 0,
                maxAttempts: 6,
                maxLosses: 5,
                retry: new.options.retry,
                previousDelay: nil,
                runAt: submittedAt,
                priority: 9,
                timeout: Milliseconds(44_000),
                cancelRequested: false
            )
            let wanted = RulingLog.Ruling(
                job: job,
                ending: .failure,
                now: harness.now,
                random: 0xFEDC_BA98_7654_3210
            )
            try expectEqual(harness.rulings.all, [wanted], "rulings")
        },
        Case("the rules are told the budgets used, the delay before and the cancel flag") { harness in
            let session = try await harness.register()
            let first = try await harness.hold(try await harness.submit(), by: session)
            try await harness.end(first, .failure)
            harness.advance(2000)
            try expectEqual(try await harness.count(.promoteDue(limit: 1)), 1, "promoted")
            let second = try await harness.hold(first.job, by: session)
            try await harness.answer(.cancel(first.job))
            try await harness.end(second, .failure)
            let told = try require(harness.rulings.all.last, "ruling").job
            try expectEqual(told.attempt, 2, "attempt")
            try expectEqual(told.failures, 1, "failures")
            try expectEqual(told.previousDelay, Milliseconds(2000), "previous delay")
            try expectEqual(told.runAt, harness.now, "run_at")
            try expectEqual(told.cancelRequested, true, "cancel flag")
        },
        Case("a release and a snooze do not forget the delay before, a redrive does") { harness in
            let session = try await harness.register()
            let id = try await harness.submit()
            var told: [Milliseconds?] = []
            for ending in [Ending.failure, .released, .snoozed(Milliseconds(9)), .fatal, .failure] {
                let holding = try await harness.hold(id, by: session)
                try await harness.end(holding, ending)
                told.append(try require(harness.rulings.all.last, "ruling").job.previousDelay)
                if try await harness.state(of: id) != .available { try await harness.answer(.retry(id)) }
            }
            let delay = Milliseconds(2000)
            try expectEqual(told, [nil, delay, delay, delay, nil], "previous delays")
        },
    ]
}
