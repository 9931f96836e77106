// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let renewing: [Case] = [
        Case("a renewal lets the session live on from now") { harness in
            let session = try await harness.register()
            harness.advance(12_000)
            let request = RenewRequest(session: session, lease: Milliseconds(5000))
            let batch = try await harness.batch(.renew(request))
            let wanted = RenewReceipt(isDraining: false, verdicts: [], cancelled: [])
            try expectEqual(try batch.answers[0].asRenewed(), wanted, "receipt")
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(batch.notices, [], "notices")
            let shown = try await harness.session(session)
            try expectEqual(shown.lastHeartbeatAt, harness.now, "last heartbeat")
            try expectEqual(shown.expiresAt, harness.now + Milliseconds(5000), "end of the lease")
            try expectEqual(shown.startedAt, harness.now - Milliseconds(12_000), "start")
        },
        Case("an unknown or ended session cannot renew") { harness in
            try expectEqual(try await harness.renew(harness.newID()), nil, "receipt")
            let session = try await harness.register()
            try await harness.answer(.goodbye(session, random: 0))
            let before = try await harness.session(session)
            harness.advance(10)
            try expectEqual(try await harness.renew(session), nil, "receipt")
            try expectEqual(try await harness.session(session), before, "the session")
        },
        Case("a session past its lease, not yet swept, can renew and is not swept then") { harness in
            let holding = try await harness.hold()
            harness.advance(45_000)
            let receipt = try await harness.renew(holding.session, [holding.token])
            try expectEqual(receipt?.verdicts, [.ok], "verdicts")
            try expectEqual(try await harness.count(.sweepSessions(limit: 9, random: 0)), 0, "swept")
            try expectEqual(try await harness.state(of: holding.job), .running, "state")
        },
        Case("every lease named gets its verdict, in order") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            let tokens = try await harness.lease(ids, to: session).granted.map(\.token)
            let foreign = try await harness.hold()
            var forged = tokens[0]
            forged.nonce ^= 1
            var older = tokens[0]
            older.attempt = 0
            try await harness.answer(.cancel(ids[1]))
            _ = try await harness.reports(session, [(tokens[2], .success)])
            let named = [tokens[1], forged, tokens[0], tokens[2], foreign.token, older]
            let receipt = try await harness.renew(session, named)
            try expectEqual(receipt?.verdicts, [.cancel, .lost, .ok, .lost, .lost, .lost], "verdicts")
        },
        Case("an attempt that was timed out is lost") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(1000) }
            harness.advance(1001)
            _ = try await harness.count(.timeOutAttempts(limit: 9, random: 0))
            let receipt = try await harness.renew(holding.session, [holding.token])
            try expectEqual(receipt?.verdicts, [.lost], "verdicts")
        },
        Case("every renewal repeats all that was called off, named or not") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            let tokens = try await harness.lease(ids, to: session).granted.map(\.token)
            let foreign = try await harness.hold()
            for id in [ids[0], ids[2], foreign.job] { try await harness.answer(.cancel(id)) }
            for _ in 0..<2 {
                let receipt = try await harness.renew(session)
                try expectEqual(receipt.map { Set($0.cancelled) }, [tokens[0], tokens[2]], "cancelled")
                try expectEqual(receipt?.cancelled.count, 2, "number of cancelled")
            }
            _ = try await harness.reports(session, [(tokens[0], .cancelled)])
            try expectEqual(try await harness.renew(session)?.cancelled, [tokens[2]], "cancelled after a report")
        },
        Case("a draining session hears of it at every renewal") { harness in
            let session = try await harness.register()
            try await harness.answer(.drain(session))
            for _ in 0..<2 {
                try expectEqual(try await harness.renew(session)?.isDraining, true, "isDraining")
            }
        },
        Case("progress is kept for leases that the session holds, no others") { harness in
            let holding = try await harness.hold()
            let foreign = try await harness.hold()
            var forged = foreign.token
            forged.nonce ^= 1
            let progress = JobProgress(percent: 33.25, message: "a \"third\" é")
            let request = RenewRequest(
                session: holding.session,
                lease: Milliseconds(30_000),
                progress: [holding.token, foreign.token, forged].map {
                    RenewRequest.Progress(token: $0, progress: progress)
                }
            )
            let batch = try await harness.batch(.renew(request))
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(try await harness.job(holding.job).progress, progress, "progress")
            try expectEqual(try await harness.job(foreign.job).progress, nil, "progress of another's job")
        },
        Case("progress may be words alone or a number alone, and the newest stands") { harness in
            let holding = try await harness.hold()
            for progress in [
                JobProgress(percent: nil, message: "began"), JobProgress(percent: 0, message: nil),
                JobProgress(percent: 100, message: ""),
            ] {
                let step = RenewRequest.Progress(token: holding.token, progress: progress)
                let request = RenewRequest(session: holding.session, lease: Milliseconds(30_000), progress: [step])
                try await harness.answer(.renew(request))
                try expectEqual(try await harness.job(holding.job).progress, progress, "progress")
            }
        },
        Case("progress of an ended attempt is ignored") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .success)
            let before = try await harness.job(holding.job)
            let step = RenewRequest.Progress(
                token: holding.token,
                progress: JobProgress(percent: 1, message: nil)
            )
            let request = RenewRequest(session: holding.session, lease: Milliseconds(30_000), progress: [step])
            try await harness.answer(.renew(request))
            try expectEqual(try await harness.job(holding.job), before, "the job")
        },
    ]
}
