// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let clock: [Case] = [
        Case("the record tells the time of the clock it was given") { harness in
            try expectEqual(try await harness.store.now(), harness.now, "now")
            harness.advance(1234)
            try expectEqual(try await harness.store.now(), harness.now, "now")
        },
        Case("the record's time never runs backwards") { harness in
            let before = harness.now
            try await harness.submit()
            harness.advance(-60_000)
            try expectEqual(try await harness.store.now(), before, "now")
            let id = try await harness.submit()
            try expectEqual(try await harness.job(id).createdAt, before, "created_at")
            let holding = try await harness.hold(id, by: try await harness.register())
            try await harness.end(holding, .success)
            try expectEqual(try await harness.job(id).finishedAt, before, "finished_at")
            harness.advance(60_500)
            try expectEqual(try await harness.store.now(), before + Milliseconds(500), "now, caught up")
        },
        Case("a time once told is never undercut, by a reading or by a batch") { harness in
            try await harness.submit()
            harness.advance(10_000)
            let told = try await harness.store.now()
            harness.advance(-9000)
            try expectEqual(try await harness.store.now(), told, "now")
            let id = try await harness.submit()
            try expectEqual(try await harness.job(id).createdAt, told, "created_at")
        },
        Case("a clock that runs backwards loses no session and times out no attempt") { harness in
            let holding = try await harness.hold()
            harness.advance(-10_000_000)
            try expectEqual(try await harness.count(.sweepSessions(limit: 9, random: 0)), 0, "swept")
            try expectEqual(try await harness.count(.timeOutAttempts(limit: 9, random: 0)), 0, "timed out")
            try await harness.end(holding, .success)
        },
        Case("a closed record refuses every call, closing again too is harmless") { harness in
            let store = harness.store
            let id = try await harness.submit()
            await store.close()
            await store.close()
            try await expectClosed { _ = try await store.perform([.cancel(id)]) }
            try await expectClosed { _ = try await store.now() }
            try await expectClosed { _ = try await store.job(id) }
            try await expectClosed { _ = try await store.jobs(JobQuery()) }
            try await expectClosed { _ = try await store.readyLanes() }
            try await expectClosed { _ = try await store.sessions() }
            try await expectClosed { _ = try await store.queues() }
        },
        Case("a record can be diagnosed") { harness in
            try expect(!(try await harness.store.diagnostics()).isEmpty, "diagnostics say something")
        },
    ]
}

private func expectClosed(_ call: () async throws -> Void, line: Int = #line) async throws {
    let place = SourcePlace(file: #fileID, line: line)
    do {
        try await call()
    } catch {
        guard error as? StorageError == .closed else { throw ContractFailure("threw \(error)", at: place) }
        return
    }
    throw ContractFailure("a closed record answered", at: place)
}
