// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let retrying: [Case] = [
        Case("a dead job comes back fresh, its attempts kept") { harness in
            let id = try await harness.deadLetter()
            let dead = try await harness.job(id)
            harness.advance(9000)
            let batch = try await harness.batch(.retry(id))
            let job = try await harness.job(id)
            try expectEqual(try batch.answers[0].asJob(), job, "the job answered")
            try expectEqual(batch.moves, [Move(id, .dead, .available)], "moves")
            try expectEqual(batch.changes.first?.runAt, harness.now, "run_at of the change")
            var wanted = dead
            wanted.state = .available
            wanted.runAt = harness.now
            wanted.failures = 0
            wanted.losses = 0
            wanted.finishedAt = nil
            wanted.cause = nil
            wanted.fingerprint = nil
            // Whether a waiting job still shows when it last started is left open.
            wanted.startedAt = job.startedAt
            try expectEqual(job, wanted, "the job")
        },
        Case("a redriven job has its whole budget again, and its attempt rises on") { harness in
            let session = try await harness.register()
            let id = try await harness.deadLetter { $0.options.maxAttempts = 2 }
            try await harness.answer(.retry(id))
            let holding = try await harness.hold(id, by: session)
            try expectEqual(holding.token.attempt, 2, "attempt")
            try await harness.end(holding, .failure)
            let job = try await harness.job(id)
            try expectEqual(job.state, .scheduled, "state")
            try expectEqual(job.failures, 1, "failures")
            try expectEqual(job.attempts.map(\.number), [1, 2], "attempts")
        },
        Case("a cancelled job comes back without its flag and its progress") { harness in
            let holding = try await harness.hold()
            let progress = RenewRequest.Progress(
                token: holding.token,
                progress: JobProgress(percent: 12.5, message: "half")
            )
            let request = RenewRequest(session: holding.session, lease: Milliseconds(30_000), progress: [progress])
            try await harness.answer(.renew(request))
            try await harness.answer(.cancel(holding.job))
            try await harness.end(holding, .failure)
            let job = try await harness.answer(.retry(holding.job)).asJob()
            try expectEqual(job.state, .available, "state")
            try expectEqual(job.cancelRequested, false, "cancel flag")
            try expectEqual(job.progress, nil, "progress")
            try expectEqual(job.finishedAt, nil, "finished_at")
            try expectEqual(job.failures, 0, "failures")
        },
        Case("an expired job comes back without its start_by") { harness in
            let id = try await harness.submit { $0.startWithin = Milliseconds(10) }
            harness.advance(11)
            try expectEqual(try await harness.count(.expireWaiting(limit: 9)), 1, "expired")
            let job = try await harness.answer(.retry(id)).asJob()
            try expectEqual(job.state, .available, "state")
            try expectEqual(job.startBy, nil, "start_by")
            harness.advance(60_000)
            try expectEqual(try await harness.count(.expireWaiting(limit: 9)), 0, "expired again")
            _ = try await harness.hold(id, by: try await harness.register())
        },
        Case("a scheduled job runs now, its failures still counted") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .failure)
            harness.advance(1)
            let batch = try await harness.batch(.retry(holding.job))
            try expectEqual(batch.moves, [Move(holding.job, .scheduled, .available)], "moves")
            let job = try batch.answers[0].asJob()
            try expectEqual(job.state, .available, "state")
            try expectEqual(job.runAt, harness.now, "run_at")
            try expectEqual(job.failures, 1, "failures")
            try expectEqual(try await harness.store.nextDue(), nil, "next due")
        },
        Case("an available, running or completed job cannot be retried") { harness in
            let available = try await harness.submit()
            let running = try await harness.hold()
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let pairs: [(JobID, JobState)] = [
                (available, .available), (running.job, .running), (completed.job, .completed),
            ]
            for (id, state) in pairs {
                let before = try await harness.job(id)
                let batch = try await harness.batch(.retry(id))
                try batch.answers[0].expectWrongState(state)
                try expectEqual(batch.changes, [], "changes")
                try expectEqual(try await harness.job(id), before, "the job")
            }
        },
        Case("an unknown job cannot be retried") { harness in
            try await harness.answer(.retry(harness.newID())).expectNotFound()
        },
    ]
}
