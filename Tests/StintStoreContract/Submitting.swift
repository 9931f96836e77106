// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension StoreContract {
    static let submitting: [Case] = [
        Case("a job comes back as it was sent, with all its options") { harness in
            var options = JobOptions()
            options.priority = -100
            options.maxAttempts = 1000
            options.maxLosses = 100
            options.timeout = Milliseconds(604_800_000)
            options.retry = RetryPolicy(baseSeconds: 0.25, factor: 1.5, capSeconds: 7, jitter: .decorrelated)
            options.tags = ["a", "ünï", "c d"]
            options.metadata = Array(#"{ "k":"v" , "k2":"" }"#.utf8)
            options.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            let new = NewJob(id: harness.newID(), lane: .slow, payload: Array("[1]".utf8), options: options)
            _ = try await harness.submit([new])
            let wanted = Job(
                id: new.id,
                lane: .slow,
                payload: new.payload,
                state: .available,
                options: options,
                createdAt: harness.now,
                runAt: harness.now
            )
            try expectEqual(try await harness.job(new.id), wanted, "the job")
        },
        Case("a job without options gets the defaults") { harness in
            let new = NewJob(id: harness.newID(), lane: .work, payload: Array("null".utf8))
            _ = try await harness.submit([new])
            try expectEqual(try await harness.job(new.id).options, JobOptions(), "the options")
        },
        Case("a payload keeps its exact bytes") { harness in
            let texts = [
                "null", "\"\"", "  { \"b\" : 1 ,\r\n\t\"a\" : 2, \"a\" : 3 }  ", "1e400", "-0.0",
                "1.000000000000000000001",
                #""\u0000 \ud800 \u00e9""#, "\"\u{7f}\u{2028}\u{FEFF}😀e\u{301}é'%_\\\\\"", "[[],{}]",
            ]
            for text in texts {
                let id = try await harness.submit { $0.payload = Array(text.utf8) }
                try expectEqual(try await harness.job(id).payload, Array(text.utf8), "payload \(text)")
                let holding = try await harness.lease([id], to: try await harness.register())
                try expectEqual(holding.granted.first?.payload, Array(text.utf8), "leased payload \(text)")
            }
        },
        Case("a payload of 200 KiB keeps its exact bytes") { harness in
            let payload = [UInt8](unsafeUninitializedCapacity: 200 * 1024) { buffer, count in
                for index in buffer.indices { buffer[index] = UInt8(32 + index % 90) }
                count = buffer.count
            }
            let id = try await harness.submit { $0.payload = payload }
            try expect(try await harness.job(id).payload == payload, "the payload read is the payload sent")
            let receipt = try await harness.lease([id], to: try await harness.register())
            try expect(receipt.granted.first?.payload == payload, "the payload leased is the payload sent")
        },
        Case("payloads and results of every size keep their length") { harness in
            let session = try await harness.register()
            for power in 0...16 {
                for size in [(1 << power) - 1, 1 << power, (1 << power) + 1] where size > 0 {
                    let bytes = [UInt8](repeating: UInt8(ascii: "7"), count: size)
                    let id = try await harness.submit { $0.payload = bytes }
                    try await harness.end(try await harness.hold(id, by: session), .completed(result: bytes))
                    let job = try await harness.job(id)
                    try expect(job.payload == bytes, "a payload of \(size) bytes, found \(job.payload.count)")
                    try expect(job.result == bytes, "a result of \(size) bytes, found \(job.result?.count ?? -1)")
                }
            }
        },
        Case("several jobs are stored and answered in order") { harness in
            let jobs = [
                harness.newJob(),
                harness.newJob { $0.schedule = .after(Milliseconds(500)) },
                harness.newJob(.slow),
            ]
            let receipt = try await harness.submit(jobs)
            try expectEqual(receipt.ids, jobs.map(\.id), "ids")
            try expectEqual(receipt.isReplay, false, "isReplay")
            try expectEqual(receipt.createdAt, harness.now, "createdAt")
            try expectEqual(receipt.placed.map(\.state), [.available, .scheduled, .available], "states")
            let later = harness.now + Milliseconds(500)
            try expectEqual(receipt.placed.map(\.runAt), [harness.now, later, harness.now], "run_at")
            for job in jobs {
                try expectEqual(try await harness.job(job.id).lane, job.lane, "lane")
            }
        },
        Case("a submission tells of each new job in order") { harness in
            let first = harness.newJob(.mail) { $0.options.priority = 7 }
            let second = harness.newJob { $0.schedule = .after(Milliseconds(9)) }
            let batch = try await harness.batch(.submit(Submission(jobs: [first, second])))
            let wanted = [(first, JobState.available, Int64(0)), (second, .scheduled, 9)].map { job, state, delay in
                JobChange(
                    id: job.id,
                    lane: job.lane,
                    from: nil,
                    to: state,
                    attempt: 0,
                    priority: job.options.priority,
                    createdAt: harness.now,
                    runAt: harness.now + Milliseconds(delay),
                    at: harness.now
                )
            }
            try expectEqual(batch.changes, wanted, "changes")
            try expectEqual(batch.notices, [], "notices")
        },
        Case("a submission of two thousand jobs stores them all") { harness in
            let ids = try await harness.submit(count: 2000)
            try expectEqual(try await harness.listed(JobQuery(limit: 200)), ids.reversed(), "ids")
        },
        Case("an unknown job is nothing") { harness in
            try expectEqual(try await harness.store.job(harness.newID()), nil, "job")
        },
    ]

    static let submittingTimes: [Case] = [
        Case("a delayed job is scheduled for its time") { harness in
            let id = try await harness.submit { $0.schedule = .after(Milliseconds(1)) }
            let job = try await harness.job(id)
            try expectEqual(job.state, .scheduled, "state")
            try expectEqual(job.runAt, harness.now + Milliseconds(1), "run_at")
            try expectEqual(job.createdAt, harness.now, "created_at")
        },
        Case("a job delayed by nothing is available") { harness in
            let id = try await harness.submit { $0.schedule = .after(Milliseconds(0)) }
            try expectEqual(try await harness.state(of: id), .available, "state")
        },
        Case("a job for an instant to come is scheduled for it") { harness in
            let instant = harness.now + Milliseconds(86_400_123)
            let id = try await harness.submit { $0.schedule = .at(instant) }
            let job = try await harness.job(id)
            try expectEqual(job.state, .scheduled, "state")
            try expectEqual(job.runAt, instant, "run_at")
        },
        Case("an instant in the past counts as now") { harness in
            let past = harness.now - Milliseconds(5000)
            let id = try await harness.submit { $0.schedule = .at(past) }
            let job = try await harness.job(id)
            try expectEqual(job.state, .available, "state")
            try expectEqual(job.runAt, harness.now, "run_at")
        },
        Case("start_by counts from run_at, not from the submission") { harness in
            let id = try await harness.submit {
                $0.schedule = .after(Milliseconds(1000))
                $0.startWithin = Milliseconds(250)
            }
            try expectEqual(try await harness.job(id).startBy, harness.now + Milliseconds(1250), "start_by")
            let past = harness.now - Milliseconds(5000)
            let late = try await harness.submit {
                $0.schedule = .at(past)
                $0.startWithin = Milliseconds(250)
            }
            try expectEqual(try await harness.job(late).startBy, harness.now + Milliseconds(250), "start_by")
        },
    ]
}
