// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let sessions: [Case] = [
        Case("a session comes back as it was registered, on the record's clock") { harness in
            var session = harness.newSession()
            session.capabilities = Capabilities(queues: ["b", "a"], jobNames: ["z", "y"])
            session.labels = Array(#"{ "zone":"ü" }"#.utf8)
            session.startedAt = Timestamp(milliseconds: 5)
            session.lastHeartbeatAt = Timestamp(milliseconds: 6)
            session.expiresAt = Timestamp(milliseconds: 7)
            let answer = try await harness.answer(.register(session, lease: Milliseconds(3000)))
            session.startedAt = harness.now
            session.lastHeartbeatAt = harness.now
            session.expiresAt = harness.now + Milliseconds(3000)
            try expectEqual(try answer.asRegistered(), session, "the session answered")
            try expectEqual(try await harness.session(session.id), session, "the session read")
        },
        Case("a session need not have a pid or labels") { harness in
            var session = harness.newSession()
            session.pid = nil
            session.labels = []
            try await harness.answer(.register(session, lease: Milliseconds(3000)))
            try expectEqual(try await harness.session(session.id).pid, nil, "pid")
            try expectEqual(try await harness.session(session.id).labels, [], "labels")
        },
        Case("an unknown session is nothing and holds nothing") { harness in
            try expectEqual(try await harness.store.session(harness.newID()), nil, "session")
            try expectEqual(try await harness.store.leases(of: harness.newID()), [], "leases")
        },
        Case("a session shows how many leases it holds, and which") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            let tokens = try await harness.lease(ids, to: session).granted.map(\.token)
            try expectEqual(try await harness.session(session).running, 3, "running")
            try expectEqual(Set(try await harness.store.leases(of: session)), Set(tokens), "leases")
            _ = try await harness.reports(session, [(tokens[1], .success)])
            try expectEqual(try await harness.session(session).running, 2, "running")
            try expectEqual(Set(try await harness.store.leases(of: session)), [tokens[0], tokens[2]], "leases")
            let listed = try await harness.store.sessions()
            try expectEqual(listed.map(\.running), [2], "running in the list")
        },
        Case("a drained session lives on, and its polls must hear of it once") { harness in
            let session = try await harness.register()
            let batch = try await harness.batch(.drain(session))
            try batch.answers[0].expectDone()
            try expectEqual(batch.notices, [.sessionDraining(session)], "notices")
            let shown = try await harness.session(session)
            try expectEqual(shown.isDraining, true, "isDraining")
            try expectEqual(shown.endedAt, nil, "endedAt")
            let again = try await harness.batch(.drain(session))
            try again.answers[0].expectDone()
            try expectEqual(again.notices, [], "notices of the second order")
        },
        Case("an unknown or ended session cannot be drained") { harness in
            try await harness.answer(.drain(harness.newID())).expectNotFound()
            let session = try await harness.register()
            try await harness.answer(.goodbye(session, random: 0))
            let batch = try await harness.batch(.drain(session))
            try batch.answers[0].expectNotFound()
            try expectEqual(batch.notices, [], "notices")
        },
        Case("goodbye ends the session and gives its jobs back at no cost") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 2)
            let start = harness.now
            _ = try await harness.lease(ids, to: session)
            harness.advance(500)
            let batch = try await harness.batch(.goodbye(session, random: 3))
            try batch.answers[0].expectDone()
            try expectEqual(batch.notices, [.sessionEnded(session, wasLost: false)], "notices")
            try expectEqual(Set(batch.moves), Set(ids.map { Move($0, .running, .available) }), "moves")
            try expectEqual(Set(batch.changes.map(\.outcome)), [.released], "outcomes")
            for id in ids {
                let job = try await harness.job(id)
                try expectEqual(job.state, .available, "state")
                try expectEqual(job.runAt, start, "run_at")
                try expectEqual([job.failures, job.losses], [0, 0], "budgets used")
                try expectEqual(job.attempts.map(\.outcome), [.released], "outcomes")
            }
            let ended = try await harness.session(session)
            try expectEqual(ended.endedAt, harness.now, "endedAt")
            try expectEqual(ended.running, 0, "running")
        },
        Case("goodbye from an unknown or ended session finds nothing") { harness in
            try await harness.answer(.goodbye(harness.newID(), random: 0)).expectNotFound()
            let session = try await harness.register()
            try await harness.answer(.goodbye(session, random: 0)).expectDone()
            let before = try await harness.session(session)
            harness.advance(10)
            let batch = try await harness.batch(.goodbye(session, random: 0))
            try batch.answers[0].expectNotFound()
            try expectEqual(batch.notices, [], "notices")
            try expectEqual(try await harness.session(session), before, "the session")
        },
        Case("a release takes back the named leases that the session still holds, no others") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 4)
            let tokens = try await harness.lease(ids, to: session).granted.map(\.token)
            let foreign = try await harness.hold()
            var forged = tokens[2]
            forged.nonce ^= 1
            _ = try await harness.reports(session, [(tokens[1], .success)])
            let named = [tokens[0], tokens[1], forged, foreign.token, tokens[0]]
            let batch = try await harness.batch(.release(session, named, random: 0))
            try expectEqual(try batch.answers[0].asCount(), 1, "count")
            try expectEqual(batch.moves, [Move(ids[0], .running, .available)], "moves")
            try expectEqual(batch.changes.first?.outcome, .released, "outcome")
            try expectEqual(Set(try await harness.store.leases(of: session)), [tokens[2], tokens[3]], "leases")
            try expectEqual(try await harness.state(of: foreign.job), .running, "state of another's job")
            try expectEqual(try await harness.session(session).endedAt, nil, "endedAt")
        },
        Case("a release by an unknown or ended session takes nothing") { harness in
            let holding = try await harness.hold()
            let unknown = RecordCommand.release(harness.newID(), [holding.token], random: 0)
            try expectEqual(try await harness.count(unknown), 0, "count")
            try await harness.answer(.goodbye(holding.session, random: 0))
            let ended = RecordCommand.release(holding.session, [holding.token], random: 0)
            try expectEqual(try await harness.count(ended), 0, "count")
        },
        Case("sessions are listed newest first, the ended ones up to 200") { harness in
            let oldest = try await harness.register()
            var ended: [WorkerID] = []
            for _ in 0..<205 {
                harness.advance(1)
                let session = try await harness.register()
                try await harness.answer(.goodbye(session, random: 0))
                ended.append(session)
            }
            let newest = try await harness.register()
            let wanted = [newest] + ended.suffix(200).reversed() + [oldest]
            try expectEqual(try await harness.store.sessions().map(\.id), wanted, "sessions")
        },
        Case("the last renewal is that of any session, ended ones too") { harness in
            try expectEqual(try await harness.store.lastRenewal(), nil, "last renewal")
            let first = try await harness.register()
            _ = try await harness.register()
            try expectEqual(try await harness.store.lastRenewal(), harness.now, "last renewal after registering")
            harness.advance(5000)
            _ = try await harness.renew(first)
            let renewedAt = harness.now
            harness.advance(1000)
            try await harness.answer(.goodbye(first, random: 0))
            try expectEqual(try await harness.store.lastRenewal(), renewedAt, "last renewal")
        },
    ]
}
