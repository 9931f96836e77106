// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let repeatedReports: [Case] = [
        Case("a report sent twice is accepted twice and counts once") { harness in
            for ending in [Ending.success, .failure, .fatal, .snoozed(Milliseconds(5)), .released, .cancelled] {
                let holding = try await harness.hold()
                try await harness.end(holding, ending)
                let before = try await harness.job(holding.job)
                harness.advance(77)
                let batch = try await harness.batch(
                    harness.reportCommand(holding.session, [(holding.token, ending)])
                )
                try expectEqual(try batch.answers[0].asReported(), [.accepted], "status of \(ending)")
                try expectEqual(batch.changes, [], "changes")
                try expectEqual(try await harness.job(holding.job), before, "the job after \(ending)")
            }
        },
        Case("the first result stands") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .completed(result: Array("1".utf8)))
            try await harness.end(holding, .completed(result: Array("2".utf8)))
            try expectEqual(try await harness.job(holding.job).result, Array("1".utf8), "result")
        },
        Case("another outcome for a reported attempt is refused") { harness in
            let pairs: [(Ending, Ending)] = [
                (.success, .failure), (.failure, .success), (.success, .released), (.released, .success),
                (.snoozed(Milliseconds(1)), .success), (.cancelled, .failure), (.fatal, .snoozed(Milliseconds(1))),
            ]
            for (first, second) in pairs {
                let holding = try await harness.hold()
                try await harness.end(holding, first)
                let before = try await harness.job(holding.job)
                let status = try await harness.report(holding, second)
                try expectEqual(status, .alreadyReported, "status of \(second) after \(first)")
                try expectEqual(try await harness.job(holding.job), before, "the job")
            }
        },
        Case("a repeat in the same request counts once") { harness in
            let holding = try await harness.hold()
            let statuses = try await harness.reports(
                holding.session,
                [(holding.token, .failure), (holding.token, .failure), (holding.token, .success)]
            )
            try expectEqual(statuses, [.accepted, .accepted, .alreadyReported], "statuses")
            try expectEqual(try await harness.job(holding.job).failures, 1, "failures")
        },
        Case("an old attempt's report is remembered while a newer one runs") { harness in
            let session = try await harness.register()
            let first = try await harness.hold(try await harness.submit(), by: session)
            try await harness.end(first, .released)
            _ = try await harness.hold(first.job, by: session)
            let before = try await harness.job(first.job)
            try expectEqual(try await harness.report(first, .released), .accepted, "status of the same")
            try expectEqual(try await harness.report(first, .success), .alreadyReported, "status of another")
            try expectEqual(try await harness.job(first.job), before, "the job")
        },
        Case("a remembered attempt is known by its nonce and its session") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .success)
            var forged = holding
            forged.token.nonce ^= 1
            try expectEqual(try await harness.report(forged, .success), .leaseLost, "status with a wrong nonce")
            var stranger = holding
            stranger.session = try await harness.register()
            try expectEqual(try await harness.report(stranger, .success), .leaseLost, "status from another session")
        },
        Case("an attempt that the server timed out is lost to its worker") { harness in
            let holding = try await harness.hold { $0.options.timeout = Milliseconds(1000) }
            harness.advance(1001)
            try expectEqual(try await harness.count(.timeOutAttempts(limit: 9, random: 0)), 1, "timed out")
            for ending in [Ending.success, .failure, .released, .cancelled] {
                try expectEqual(try await harness.report(holding, ending), .leaseLost, "status of \(ending)")
            }
            try expectEqual(try await harness.job(holding.job).failures, 1, "failures")
        },
        Case("a lease that the server took back is lost, unless it is given back") { harness in
            let holding = try await harness.hold()
            let release = RecordCommand.release(holding.session, [holding.token], random: 0)
            try expectEqual(try await harness.count(release), 1, "released")
            for ending in [Ending.success, .failure, .snoozed(Milliseconds(1)), .cancelled] {
                try expectEqual(try await harness.report(holding, ending), .leaseLost, "status of \(ending)")
            }
            try expectEqual(try await harness.report(holding, .released), .accepted, "status of released")
            try expectEqual(try await harness.state(of: holding.job), .available, "state")
        },
        Case("a failure after the cancel flag is remembered as a failure") { harness in
            let holding = try await harness.hold()
            try await harness.answer(.cancel(holding.job))
            try await harness.end(holding, .failure)
            try expectEqual(try await harness.report(holding, .failure), .accepted, "status of the same")
            try expectEqual(try await harness.report(holding, .cancelled), .alreadyReported, "status of another")
        },
        Case("a redriven job remembers its old reports") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .fatal)
            try await harness.answer(.retry(holding.job))
            let before = try await harness.job(holding.job)
            try expectEqual(try await harness.report(holding, .fatal), .accepted, "status of the same")
            try expectEqual(try await harness.report(holding, .success), .alreadyReported, "status of another")
            try expectEqual(try await harness.job(holding.job), before, "the job")
        },
        Case("reports of a deleted job are lost") { harness in
            let holding = try await harness.hold()
            try await harness.end(holding, .success)
            try await harness.answer(.delete(holding.job)).expectDone()
            try expectEqual(try await harness.report(holding, .success), .leaseLost, "status")
        },
    ]
}
