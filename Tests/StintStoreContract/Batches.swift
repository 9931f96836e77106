// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let batches: [Case] = [
        Case("an empty batch is answered by nothing") { harness in
            let batch = try await harness.batch()
            try expectEqual(batch.changes, [], "changes")
            try expectEqual(batch.notices, [], "notices")
        },
        Case("each command sees what those before it did") { harness in
            let new = harness.newJob()
            let session = harness.newSession()
            let token = LeaseToken(jobID: new.id, attempt: 1, nonce: 42)
            let batch = try await harness.batch(
                .submit(Submission(jobs: [new])),
                .register(session, lease: Milliseconds(30_000)),
                .lease(LeaseRequest(session: session.id, grants: [LeaseRequest.Grant(jobID: new.id, nonce: 42)])),
                harness.reportCommand(session.id, [(token, .success)]),
                .delete(new.id)
            )
            try expectEqual(try batch.answers[2].asLeased().granted.map(\.token), [token], "granted")
            try expectEqual(try batch.answers[3].asReported(), [.accepted], "statuses")
            try batch.answers[4].expectDone()
            let moves = [
                Move(new.id, nil, .available), Move(new.id, .available, .running),
                Move(new.id, .running, .completed), Move(new.id, .completed, nil),
            ]
            try expectEqual(batch.moves, moves, "moves")
            try expectEqual(try await harness.store.job(new.id), nil, "the job")
        },
        Case("a command that is refused fails none of its neighbours") { harness in
            let key = Idempotency(key: "k", digest: [1], retention: Milliseconds(60_000))
            let other = Idempotency(key: "k", digest: [2], retention: Milliseconds(60_000))
            _ = try await harness.submit([harness.newJob()], under: key)
            let holding = try await harness.hold()
            let jobs = [harness.newJob(), harness.newJob(), harness.newJob()]
            let batch = try await harness.batch(
                .submit(Submission(jobs: [jobs[0]])),
                .submit(Submission(jobs: [jobs[1]], idempotency: other)),
                .cancel(harness.newID()),
                .delete(holding.job),
                harness.reportCommand(harness.newID(), [(holding.token, .success)]),
                .submit(Submission(jobs: [jobs[2]])),
                harness.reportCommand(holding.session, [(holding.token, .success)])
            )
            try batch.answers[1].expectMismatch()
            try batch.answers[2].expectNotFound()
            try batch.answers[3].expectWrongState(.running)
            try expectEqual(try batch.answers[4].asReported(), nil, "statuses for an unknown session")
            try expectEqual(try batch.answers[6].asReported(), [.accepted], "statuses")
            let moves = [
                Move(jobs[0].id, nil, .available), Move(jobs[2].id, nil, .available),
                Move(holding.job, .running, .completed),
            ]
            try expectEqual(batch.moves, moves, "moves")
            try expectEqual(try await harness.store.job(jobs[1].id), nil, "the refused job")
        },
        Case("the order within a batch decides: cancel then complete, or the reverse") { harness in
            let first = try await harness.hold()
            let second = try await harness.hold()
            let batch = try await harness.batch(
                .cancel(first.job),
                harness.reportCommand(first.session, [(first.token, .success)]),
                harness.reportCommand(second.session, [(second.token, .success)]),
                .cancel(second.job)
            )
            try expectEqual(try await harness.state(of: first.job), .completed, "state of the first")
            try batch.answers[3].expectWrongState(.completed)
            try expectEqual(batch.notices, [.cancelRequested(first.session, first.token)], "notices")
        },
        Case("all of a batch happens at one instant of the record's clock") { harness in
            let holding = try await harness.hold()
            harness.advance(123)
            let batch = try await harness.batch(
                .submit(Submission(jobs: [harness.newJob(), harness.newJob()])),
                harness.reportCommand(holding.session, [(holding.token, .failure)]),
                .register(harness.newSession(), lease: Milliseconds(1000))
            )
            try expectEqual(Set(batch.changes.map(\.at)), [harness.now], "instants of the changes")
            try expectEqual(try batch.answers[2].asRegistered().startedAt, harness.now, "start of the session")
        },
        Case("a batch of many kinds keeps changes and notices in the order made") { harness in
            let waiting = try await harness.submit()
            let sessions = [try await harness.register(), try await harness.register()]
            let held = try await harness.hold(try await harness.submit(), by: sessions[1])
            let batch = try await harness.batch(
                .pause(queue: "slow", by: "ann"),
                .cancel(waiting),
                .drain(sessions[0]),
                .goodbye(sessions[1], random: 0),
                .resume(queue: "slow")
            )
            let notices: [RecordNotice] = [
                .queuePaused("slow"), .sessionDraining(sessions[0]), .sessionEnded(sessions[1], wasLost: false),
                .queueResumed("slow"),
            ]
            try expectEqual(batch.notices, notices, "notices")
            let moves = [Move(waiting, .available, .cancelled), Move(held.job, .running, .available)]
            try expectEqual(batch.moves, moves, "moves")
        },
        Case("a batch that cannot be carried out leaves nothing behind, and the next one works") { harness in
            let store = harness.store
            let old = harness.newJob()
            _ = try await harness.submit([old])
            let holding = try await harness.hold()
            let lane = Lane(queue: "new", name: "new")
            let session = harness.newSession()
            let counts = try await store.queues()
            do {
                _ = try await store.perform([
                    .submit(Submission(jobs: [harness.newJob(lane)])),
                    .pause(queue: "default", by: "ann"),
                    .register(session, lease: Milliseconds(1000)),
                    .goodbye(holding.session, random: 0),
                    .submit(Submission(jobs: [old])),
                ])
                throw ContractFailure("a second job of one id", at: SourcePlace(file: #fileID, line: #line))
            } catch is StorageError {}
            try expectEqual(try await store.queues(), counts, "queues")
            try expectEqual(try await store.session(session.id), nil, "session")
            try await harness.end(holding, .released)
            let batch = try await harness.batch(.submit(Submission(jobs: [harness.newJob(lane)])))
            try expectEqual(batch.changes.map(\.lane), [lane], "lanes told")
            try expectEqual(try await store.readyLanes(), [.work, lane], "lanes")
            _ = try await harness.hold(old.id, by: holding.session)
        },
        Case("a batch in a cancelled task is carried out whole or not at all") { harness in
            let store = harness.store
            let jobs = [harness.newJob(), harness.newJob()]
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await store.perform([.submit(Submission(jobs: jobs))])
            }
            let isDone = if case .success = await task.result { true } else { false }
            try expectEqual(try await harness.listed(JobQuery()).count, isDone ? 2 : 0, "number of jobs")
        },
        Case("concurrent batches lease a job once") { harness in
            let store = harness.store
            let ids = try await harness.submit(count: 40)
            var sessions: [WorkerID] = []
            for _ in 0..<8 { sessions.append(try await harness.register()) }
            let granted = try await withThrowingTaskGroup(of: [JobID].self) { group in
                for session in sessions {
                    let grants = ids.map { LeaseRequest.Grant(jobID: $0, nonce: harness.number()) }
                    group.addTask {
                        let batch = try await store.perform([
                            .lease(LeaseRequest(session: session, grants: grants))
                        ])
                        return try batch.answers[0].asLeased().granted.map(\.token.jobID)
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            try expectEqual(granted.sorted(), ids, "granted, all together")
        },
    ]
}
