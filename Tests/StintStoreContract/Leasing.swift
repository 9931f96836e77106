// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let leasing: [Case] = [
        Case("a lease hands over all a worker needs") { harness in
            let new = harness.newJob(.mail) {
                $0.payload = Array("[1, 2]".utf8)
                $0.options.maxAttempts = 4
                $0.options.timeout = Milliseconds(61_000)
                $0.options.metadata = Array(#"{"k": "v"}"#.utf8)
                $0.options.traceparent = "00-1"
            }
            _ = try await harness.submit([new])
            let submittedAt = harness.now
            harness.advance(700)
            let session = try await harness.register()
            let grant = LeaseRequest.Grant(jobID: new.id, nonce: .max)
            let answer = try await harness.answer(.lease(LeaseRequest(session: session, grants: [grant])))
            let wanted = LeasedJob(
                token: LeaseToken(jobID: new.id, attempt: 1, nonce: .max),
                lane: .mail,
                payload: new.payload,
                maxAttempts: 4,
                timeout: Milliseconds(61_000),
                createdAt: submittedAt,
                metadata: new.options.metadata,
                traceparent: "00-1"
            )
            try expectEqual(try answer.asLeased(), LeaseReceipt(granted: [wanted]), "receipt")
        },
        Case("a leased job runs, and shows its lease and its attempt") { harness in
            let id = try await harness.submit()
            let session = try await harness.register()
            harness.advance(400)
            _ = try await harness.hold(id, by: session)
            let job = try await harness.job(id)
            try expectEqual(job.state, .running, "state")
            try expectEqual(job.attempt, 1, "attempt")
            try expectEqual(job.startedAt, harness.now, "started_at")
            try expectEqual(job.finishedAt, nil, "finished_at")
            let expiry = harness.now + Milliseconds(29_600)
            try expectEqual(
                job.lease,
                JobLease(worker: session, grantedAt: harness.now, expiresAt: expiry),
                "lease"
            )
            let attempt = Attempt(number: 1, worker: session, workerName: "host-1", startedAt: harness.now)
            try expectEqual(job.attempts, [attempt], "attempts")
        },
        Case("a lease that is renewed shows its new end") { harness in
            let holding = try await harness.hold()
            harness.advance(10_000)
            _ = try await harness.renew(holding.session)
            let lease = try await harness.job(holding.job).lease
            try expectEqual(lease?.expiresAt, harness.now + Milliseconds(30_000), "end of the lease")
            try expectEqual(lease?.grantedAt, harness.now - Milliseconds(10_000), "start of the lease")
        },
        Case("a lease tells of the job that starts") { harness in
            let id = try await harness.submit(.mail) { $0.options.priority = 3 }
            let submittedAt = harness.now
            let session = try await harness.register()
            harness.advance(250)
            let grant = LeaseRequest.Grant(jobID: id, nonce: 1)
            let batch = try await harness.batch(.lease(LeaseRequest(session: session, grants: [grant])))
            let wanted = JobChange(
                id: id,
                lane: .mail,
                from: .available,
                to: .running,
                attempt: 1,
                priority: 3,
                createdAt: submittedAt,
                runAt: submittedAt,
                startedAt: harness.now,
                at: harness.now,
                worker: session
            )
            try expectEqual(batch.changes, [wanted], "changes")
            try expectEqual(batch.notices, [], "notices")
        },
        Case("the attempt rises with every lease, and every lease is remembered") { harness in
            let id = try await harness.submit()
            let sessions = [try await harness.register(), try await harness.register()]
            for number in 1...4 {
                let holding = try await harness.hold(id, by: sessions[number % 2])
                try expectEqual(holding.token.attempt, number, "attempt of the lease")
                try await harness.end(holding, .released)
            }
            let job = try await harness.job(id)
            try expectEqual(job.attempt, 4, "attempt")
            try expectEqual(job.attempts.map(\.number), [1, 2, 3, 4], "attempts")
            try expectEqual(job.attempts.map(\.worker), [1, 0, 1, 0].map { sessions[$0] }, "workers")
            try expectEqual(job.attempts.map(\.outcome), Array(repeating: .released, count: 4), "outcomes")
        },
        Case("a new attempt begins without the progress of the one before") { harness in
            let holding = try await harness.hold()
            let progress = RenewRequest.Progress(
                token: holding.token,
                progress: JobProgress(percent: 40, message: nil)
            )
            let request = RenewRequest(session: holding.session, lease: Milliseconds(30_000), progress: [progress])
            try await harness.answer(.renew(request))
            try await harness.end(holding, .released)
            _ = try await harness.hold(holding.job, by: holding.session)
            try expectEqual(try await harness.job(holding.job).progress, nil, "progress")
        },
        Case("a nonce keeps all its 64 bits") { harness in
            let session = try await harness.register()
            for nonce in [0, 1, 1 << 63, .max >> 1, .max] as [UInt64] {
                let id = try await harness.submit()
                let token = LeaseToken(jobID: id, attempt: 1, nonce: nonce)
                let grant = LeaseRequest.Grant(jobID: id, nonce: nonce)
                let batch = try await harness.batch(
                    .lease(LeaseRequest(session: session, grants: [grant])),
                    .cancel(id)
                )
                try expectEqual(batch.notices, [.cancelRequested(session, token)], "notices")
                try expectEqual(try await harness.store.leases(of: session), [token], "leases")
                try expectEqual(try await harness.renew(session)?.cancelled, [token], "cancelled")
                try await harness.end(Holding(job: id, session: session, token: token), .success)
                try await harness.end(Holding(job: id, session: session, token: token), .success)
            }
        },
        Case("grants are given in the order asked for, round those refused") { harness in
            let ids = try await harness.submit(count: 3)
            let unknown = harness.newID()
            let session = try await harness.register()
            let receipt = try await harness.lease([ids[2], unknown, ids[0], ids[1]], to: session)
            try expectEqual(receipt.granted.map(\.token.jobID), [ids[2], ids[0], ids[1]], "granted")
            let refused = LeaseReceipt.Refused(jobID: unknown, reason: .notAvailable)
            try expectEqual(receipt.refused, [refused], "refused")
        },
    ]

    static let leaseRefusals: [Case] = [
        Case("a job is leased once, whoever asks again") { harness in
            let holding = try await harness.hold()
            let other = try await harness.register()
            for session in [holding.session, other] {
                try await expectRefused(holding.job, to: session, .notAvailable, in: harness)
            }
            let job = try await harness.job(holding.job)
            try expectEqual(job.attempt, 1, "attempt")
            try expectEqual(job.lease?.worker, holding.session, "holder")
            try expectEqual(job.attempts.count, 1, "number of attempts")
        },
        Case("a job named twice in a request is leased once") { harness in
            let id = try await harness.submit()
            let receipt = try await harness.lease([id, id], to: try await harness.register())
            try expectEqual(receipt.granted.count, 1, "number of grants")
            try expectEqual(receipt.refused.map(\.reason), [.notAvailable], "refusals")
        },
        Case("two leases of one job in a batch: the first has it") { harness in
            let id = try await harness.submit()
            let sessions = [try await harness.register(), try await harness.register()]
            let requests = sessions.map {
                LeaseRequest(session: $0, grants: [LeaseRequest.Grant(jobID: id, nonce: harness.number())])
            }
            let batch = try await harness.batch(.lease(requests[0]), .lease(requests[1]))
            try expectEqual(try batch.answers[0].asLeased().granted.count, 1, "grants to the first")
            try expectEqual(try batch.answers[1].asLeased().granted, [], "grants to the second")
            try expectEqual(batch.moves, [Move(id, .available, .running)], "moves")
        },
        Case("an unknown job is not available") { harness in
            try await expectRefused(harness.newID(), to: try await harness.register(), .notAvailable, in: harness)
        },
        Case("a scheduled job is not available, even when it is due") { harness in
            let id = try await harness.submit { $0.schedule = .after(Milliseconds(10)) }
            let session = try await harness.register()
            try await expectRefused(id, to: session, .notAvailable, in: harness)
            harness.advance(11)
            try await expectRefused(id, to: session, .notAvailable, in: harness)
            try expectEqual(try await harness.state(of: id), .scheduled, "state")
        },
        Case("a job that has ended is not available") { harness in
            let session = try await harness.register()
            let completed = try await harness.hold()
            try await harness.end(completed, .success)
            let cancelled = try await harness.submit()
            try await harness.answer(.cancel(cancelled))
            for id in [completed.job, cancelled, try await harness.deadLetter()] {
                try await expectRefused(id, to: session, .notAvailable, in: harness)
            }
        },
        Case("an unknown session gets nothing") { harness in
            let id = try await harness.submit()
            try await expectRefused(id, to: harness.newID(), .sessionUnfit, in: harness)
            try expectEqual(try await harness.state(of: id), .available, "state")
        },
        Case("a session that has ended gets nothing") { harness in
            let id = try await harness.submit()
            let session = try await harness.register()
            try await harness.answer(.goodbye(session, random: 0))
            try await expectRefused(id, to: session, .sessionUnfit, in: harness)
        },
        Case("a draining session gets nothing, of many jobs asked for") { harness in
            let ids = try await harness.submit(count: 3)
            let session = try await harness.register()
            try await harness.answer(.drain(session))
            let receipt = try await harness.lease(ids, to: session)
            try expectEqual(receipt.granted, [], "granted")
            try expectEqual(receipt.refused.map(\.jobID), ids, "refused jobs")
            try expectEqual(receipt.refused.map(\.reason), Array(repeating: .sessionUnfit, count: 3), "reasons")
        },
        Case("a job past its start_by is not available, at it it still is") { harness in
            let late = try await harness.submit { $0.startWithin = Milliseconds(100) }
            let timely = try await harness.submit { $0.startWithin = Milliseconds(101) }
            let session = try await harness.register()
            harness.advance(101)
            try await expectRefused(late, to: session, .notAvailable, in: harness)
            _ = try await harness.hold(timely, by: session)
        },
        Case("start_by concerns the first start only") { harness in
            let holding = try await harness.hold { $0.startWithin = Milliseconds(100) }
            harness.advance(5000)
            try await harness.end(holding, .released)
            _ = try await harness.hold(holding.job, by: holding.session)
            try expectEqual(try await harness.job(holding.job).attempt, 2, "attempt")
        },
        Case("a refused lease leaves no trace") { harness in
            let id = try await harness.submit()
            try await harness.answer(.pause(queue: "default", by: "ann"))
            let before = try await harness.job(id)
            let grant = LeaseRequest.Grant(jobID: id, nonce: 1)
            let session = try await harness.register()
            let batch = try await harness.batch(.lease(LeaseRequest(session: session, grants: [grant])))
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(try await harness.job(id), before, "the job")
            try expectEqual(try await harness.session(session).running, 0, "running")
        },
    ]
}

private func expectRefused(
    _ id: JobID,
    to session: WorkerID,
    _ reason: LeaseReceipt.Refusal,
    in harness: StoreHarness
) async throws {
    let receipt = try await harness.lease([id], to: session)
    try expectEqual(receipt.granted, [], "granted")
    try expectEqual(receipt.refused, [LeaseReceipt.Refused(jobID: id, reason: reason)], "refused")
}
