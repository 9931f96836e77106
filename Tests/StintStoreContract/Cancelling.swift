// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let cancelling: [Case] = [
        Case("a waiting job is cancelled at once") { harness in
            let available = try await harness.submit()
            let scheduled = try await harness.submit { $0.schedule = .after(Milliseconds(60_000)) }
            harness.advance(30)
            for (id, state) in [(available, JobState.available), (scheduled, .scheduled)] {
                let batch = try await harness.batch(.cancel(id))
                try expectEqual(batch.moves, [Move(id, state, .cancelled)], "moves")
                try expectEqual(batch.notices, [], "notices")
                let job = try await harness.job(id)
                try expectEqual(job.state, .cancelled, "state")
                try expectEqual(job.finishedAt, harness.now, "finished_at")
                try expectEqual(try batch.answers[0].asJob(), job, "the job answered")
            }
            try expectEqual(try await harness.store.nextDue(), nil, "next due")
            try expectEqual(try await harness.store.readyLanes(), [], "ready lanes")
        },
        Case("cancelling a cancelled job again has no effect") { harness in
            let id = try await harness.submit()
            try await harness.answer(.cancel(id))
            let before = try await harness.job(id)
            harness.advance(1000)
            let batch = try await harness.batch(.cancel(id))
            try expectEqual(try batch.answers[0].asJob(), before, "the job answered")
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(try await harness.job(id), before, "the job")
        },
        Case("a job that has ended otherwise cannot be cancelled") { harness in
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let dead = try await harness.deadLetter()
            let expired = try await harness.submit { $0.startWithin = Milliseconds(1) }
            harness.advance(2)
            _ = try await harness.count(.expireWaiting(limit: 1))
            for (id, state) in [(completed.job, JobState.completed), (dead, .dead), (expired, .expired)] {
                let before = try await harness.job(id)
                let batch = try await harness.batch(.cancel(id))
                try batch.answers[0].expectWrongState(state)
                try expectEqual(batch.changes, [], "changes")
                try expectEqual(try await harness.job(id), before, "the job")
            }
        },
        Case("an unknown job cannot be cancelled") { harness in
            try await harness.answer(.cancel(harness.newID())).expectNotFound()
        },
    ]

    static let cancelFlag: [Case] = [
        Case("a running job is called off by a flag, and its session hears of it") { harness in
            let holding = try await harness.hold()
            let batch = try await harness.batch(.cancel(holding.job))
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(batch.notices, [.cancelRequested(holding.session, holding.token)], "notices")
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .running, "state")
            try expectEqual(job.cancelRequested, true, "cancel flag")
            try expectEqual(job.finishedAt, nil, "finished_at")
            try expectEqual(try batch.answers[0].asJob(), job, "the job answered")
        },
        Case("calling a running job off again tells nobody") { harness in
            let holding = try await harness.hold()
            let batch = try await harness.batch(.cancel(holding.job), .cancel(holding.job))
            try expectEqual(batch.notices.count, 1, "number of notices")
            try expectEqual(try batch.answers[1].asJob().cancelRequested, true, "cancel flag")
            try expectEqual(try await harness.batch(.cancel(holding.job)).notices, [], "notices")
        },
        Case("a completion after the flag wins") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.cancel(holding.job))
            try await harness.end(holding, .success)
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .completed, "state")
            try expectEqual(job.result, Array(#"{"ok":true}"#.utf8), "result")
            try expectEqual(job.attempts.last?.outcome, .completed, "outcome")
        },
        Case("any other report after the flag makes the job cancelled") { harness in
            for ending in [Ending.failure, .fatal, .snoozed(Milliseconds(9)), .released, .cancelled] {
                let holding = try await harness.hold()
                try await harness.answer(.cancel(holding.job))
                harness.advance(1)
                let batch = try await harness.batch(
                    harness.reportCommand(holding.session, [(holding.token, ending)])
                )
                try expectEqual(try batch.answers[0].asReported(), [.accepted], "status of \(ending)")
                try expectEqual(batch.moves, [Move(holding.job, .running, .cancelled)], "moves after \(ending)")
                let job = try await harness.job(holding.job)
                try expectEqual(job.state, .cancelled, "state after \(ending)")
                try expectEqual(job.finishedAt, harness.now, "finished_at")
                try expectEqual(job.cause, nil, "cause")
                try expectEqual(job.lease, nil, "lease")
                try expectEqual(job.attempts.last?.outcome, ending.outcome, "outcome")
            }
            try expectEqual(try await harness.store.nextDue(), nil, "next due")
        },
        Case("a time-out after the flag makes the job cancelled") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(1000) }
            try await harness.answer(.cancel(holding.job))
            harness.advance(1001)
            try expectEqual(try await harness.count(.timeOutAttempts(limit: 9, random: 0)), 1, "timed out")
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .cancelled, "state")
            try expectEqual(job.attempts.last?.outcome, .timedOut, "outcome")
        },
        Case("a loss after the flag makes the job cancelled") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.cancel(holding.job))
            harness.advance(30_000)
            try expectEqual(try await harness.count(.sweepSessions(limit: 9, random: 0)), 1, "swept")
            let job = try await harness.job(holding.job)
            try expectEqual(job.state, .cancelled, "state")
            try expectEqual(job.attempts.last?.outcome, .lost, "outcome")
        },
        Case("a release by the server after the flag makes the job cancelled") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.cancel(holding.job))
            let release = RecordCommand.release(holding.session, [holding.token], random: 0)
            try expectEqual(try await harness.count(release), 1, "released")
            try expectEqual(try await harness.state(of: holding.job), .cancelled, "state")
        },
    ]
}
