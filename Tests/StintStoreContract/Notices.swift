// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// What a coordinator that has missed the news finds in the record for its parked polls.
extension StoreContract {
    static let sessionNotices: [Case] = [
        Case("a session that nothing happened to has no notices") { harness in
            let holding = try await harness.hold()
            try expectEqual(try await harness.store.notices(for: [holding.session]), [], "notices")
            try expectEqual(try await harness.store.notices(for: []), [], "notices for nobody")
        },
        Case("a session is told of the jobs that were called off, of those it holds") { harness in
            let session = try await harness.register()
            let ids = try await harness.submit(count: 3)
            let tokens = try await harness.lease(ids, to: session).granted.map(\.token)
            let foreign = try await harness.hold()
            for id in [ids[0], ids[2], foreign.job] { try await harness.answer(.cancel(id)) }
            let wanted = [tokens[0], tokens[2]].map { RecordNotice.cancelRequested(session, $0) }
            try expectEqual(try await harness.store.notices(for: [session]), wanted, "notices")
            _ = try await harness.reports(session, [(tokens[0], .cancelled)])
            try expectEqual(try await harness.store.notices(for: [session]), [wanted[1]], "after a report")
        },
        Case("a session is told to drain") { harness in
            let session = try await harness.register()
            try await harness.answer(.drain(session))
            try expectEqual(try await harness.store.notices(for: [session]), [.sessionDraining(session)], "notices")
        },
        Case("sessions that ended or are unknown are told so, in the order asked") { harness in
            let (ended, live, unknown) = (try await harness.register(), try await harness.register(), harness.newID())
            try await harness.answer(.goodbye(ended, random: 0))
            let wanted = [unknown, ended].map { RecordNotice.sessionEnded($0, wasLost: true) }
            try expectEqual(try await harness.store.notices(for: [unknown, live, ended]), wanted, "notices")
        },
    ]
}
