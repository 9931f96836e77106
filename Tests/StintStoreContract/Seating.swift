// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// Which coordinator may lease to a session: the one that took its latest poll, so that no grant goes out with an answer that
/// nobody waits for.
extension StoreContract {
    static let seating: [Case] = [
        Case("a session belongs to the coordinator that registered it") { harness in
            let session = try await harness.register(at: first)
            try expectEqual(try await harness.session(session).coordinator, first, "coordinator")
            try expectEqual(try await harness.poll(session, at: first)?.isNewHere, false, "isNewHere")
        },
        Case("a poll moves a session to another coordinator, which learns that it is new there, once") { harness in
            let session = try await harness.register(at: first)
            try expectEqual(try await harness.poll(session, at: second)?.isNewHere, true, "isNewHere")
            try expectEqual(try await harness.session(session).coordinator, second, "coordinator")
            try expectEqual(try await harness.poll(session, at: second)?.isNewHere, false, "isNewHere, the second time")
            try expectEqual(try await harness.poll(session, at: first)?.isNewHere, true, "isNewHere, back at the first")
        },
        Case("a heartbeat moves no session") { harness in
            let session = try await harness.register(at: first)
            try expectEqual(try await harness.renew(session)?.isNewHere, false, "isNewHere")
            try expectEqual(try await harness.session(session).coordinator, first, "coordinator")
        },
        Case("only the coordinator that a session polls may lease to it") { harness in
            let session = try await harness.register(at: first)
            let id = try await harness.submit()
            let refused = LeaseReceipt(refused: [.init(jobID: id, reason: .sessionUnfit)])
            try expectEqual(try await harness.lease(id, to: session, at: second), refused, "before it moved")
            _ = try await harness.poll(session, at: second)
            try expectEqual(try await harness.lease(id, to: session, at: first), refused, "from where it left")
            try expectEqual(try await harness.state(of: id), .available, "state")
            try expectEqual(try await harness.lease(id, to: session, at: second).granted.count, 1, "granted")
        },
        Case("a poll and a lease in one batch are of one coordinator") { harness in
            let session = try await harness.register(at: first)
            let id = try await harness.submit()
            let renewal = RenewRequest(session: session, lease: StoreHarness.leaseLength, coordinator: second)
            let grants = [LeaseRequest.Grant(jobID: id, nonce: 1)]
            let lease = LeaseRequest(session: session, coordinator: second, grants: grants)
            let batch = try await harness.batch(.renew(renewal), .lease(lease))
            try expectEqual(try batch.answers[0].asRenewed()?.isNewHere, true, "isNewHere")
            try expectEqual(try batch.answers[1].asLeased().granted.count, 1, "granted")
        },
        Case("a session without a coordinator is new wherever it polls") { harness in
            let session = try await harness.register()
            try expectEqual(try await harness.session(session).coordinator, nil, "coordinator")
            try expectEqual(try await harness.poll(session, at: first)?.isNewHere, true, "isNewHere")
        },
    ]

    private static let first = CoordinatorID(bits: 1)
    private static let second = CoordinatorID(bits: .max)
}

extension StoreHarness {
    fileprivate func register(at coordinator: CoordinatorID) async throws -> WorkerID {
        var session = newSession()
        session.coordinator = coordinator
        try await answer(.register(session, lease: Self.leaseLength))
        return session.id
    }

    fileprivate func poll(_ session: WorkerID, at coordinator: CoordinatorID) async throws -> RenewReceipt? {
        let request = RenewRequest(session: session, lease: Self.leaseLength, coordinator: coordinator)
        return try await answer(.renew(request)).asRenewed()
    }

    fileprivate func lease(
        _ job: JobID,
        to session: WorkerID,
        at coordinator: CoordinatorID
    ) async throws -> LeaseReceipt {
        let grants = [LeaseRequest.Grant(jobID: job, nonce: number())]
        return try await answer(.lease(LeaseRequest(session: session, coordinator: coordinator, grants: grants)))
            .asLeased()
    }
}
