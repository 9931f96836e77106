// SPDX-License-Identifier: Apache-2.0

import Logging
import StintWire
import Synchronization
import Testing

import enum StintModel.Ending
import struct StintModel.JobError
import struct StintModel.JobProgress
import struct StintModel.Milliseconds

// Not all of StintModel: it has a `Job` of its own, which users of the library do not see.
@testable import StintWorker

@Suite("A running worker", .timeLimit(.minutes(1)))
struct StintWorkerTests {
    private struct Resize: Codable, Sendable {
        var key: String
        var width: Int
    }

    private struct Thumbnail: Codable, Sendable {
        var key: String
    }

    private func worker(_ link: FakeLink, concurrency: Int = 4, drain: Duration = .seconds(25)) -> StintWorker {
        var configuration = WorkerConfiguration(name: "test", concurrency: concurrency, drainTimeout: drain)
        configuration.cancelGrace = .milliseconds(20)
        return StintWorker(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            link: link
        )
    }

    /// Runs the worker until `count` results are there, then drains it.
    private func results(_ count: Int, of link: FakeLink, _ worker: StintWorker) async throws -> [WorkerResult] {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            var results: [WorkerResult] = []
            for await result in link.results {
                results.append(result)
                if results.count == count { break }
            }
            worker.drain()
            try await group.waitForAll()
            return results
        }
    }

    private func ending(of job: GrantedJob, _ add: (StintWorker) -> Void) async throws -> Ending {
        let link = FakeLink()
        let worker = worker(link)
        add(worker)
        link.submit([job])
        let results = try await results(1, of: link, worker)
        #expect(link.goodbyes == 1)
        #expect(results[0].lease == job.lease)
        #expect(results[0].jobID == job.id)
        return results[0].ending
    }

    @Test func aTypedHandlerGetsItsPayloadAndGivesItsResult() async throws {
        let job = GrantedJob.sample(1, payload: #"{"key":"a/b.png","width":320}"#)
        let ending = try await ending(of: job) { worker in
            worker.handle("work") { (job: Job<Resize>, context) async throws -> Thumbnail in
                #expect(job.payload.width == 320)
                #expect(context.lease == "\(MachineDesk.lease(1))")
                #expect((job.attempt, context.attempt, job.queue) == (1, 1, "default"))
                return Thumbnail(key: job.payload.key)
            }
        }
        #expect(ending == .completed(result: Array(#"{"key":"a/b.png"}"#.utf8)))
    }

    @Test func aHandlerWithoutResultCompletesWithNone() async throws {
        let ending = try await ending(of: .sample(1, payload: "7")) { worker in
            worker.handle("work") { (job: Job<Int>, _) async throws -> Void in #expect(job.payload == 7) }
        }
        #expect(ending == .completed(result: nil))
    }

    @Test func aPayloadThatDoesNotDecodeSetsTheJobAside() async throws {
        let ending = try await ending(of: .sample(1, payload: "[]")) { worker in
            worker.handle("work") { (_: Job<Resize>, _) async throws -> Void in Issue.record("never called") }
        }
        guard case .failed(let error, isRetryable: false, nil) = ending else {
            Issue.record("\(ending)")
            return
        }
        #expect(error.type == "PayloadInvalid")
    }

    @Test func rawHandlersGetAndGiveTheBytesAsTheyAre() async throws {
        let payload = #"{"a":1.0e0,  "a":"\u0000"}"#
        let ending = try await ending(of: .sample(1, name: "anything", payload: payload)) { worker in
            worker.handleRaw("*") { job, _ in job.payload }
        }
        #expect(ending == .completed(result: Array(payload.utf8)))
    }

    @Test(arguments: [
        ("not json", "ResultInvalid"), ("1 2", "ResultInvalid"), ("", "ResultInvalid"), ("big", "ResultTooLarge"),
    ])
    func aResultThatTheServerWouldRefuseFailsTheJobForGood(text: String, type: String) async throws {
        let bytes = text == "big" ? [UInt8](repeating: UInt8(ascii: "1"), count: 1 << 20 + 1) : Array(text.utf8)
        let ending = try await ending(of: .sample(1)) { worker in worker.handleRaw("*") { _, _ in bytes } }
        guard case .failed(let error, isRetryable: false, nil) = ending else {
            Issue.record("\(ending)")
            return
        }
        #expect(error.type == type)
    }

    private struct Broken: Error {}

    @Test func whatAHandlerThrowsDecidesTheOutcome() async throws {
        let cases: [(any Error, Ending)] = [
            (
                Broken(),
                .failed(error: JobError(type: "Broken", message: "Broken()"), isRetryable: true, retryAfter: nil)
            ),
            (
                JobFailure("no such key", type: "NotFound", isRetryable: false),
                .failed(error: JobError(type: "NotFound", message: "no such key"), isRetryable: false, retryAfter: nil)
            ),
            (
                JobFailure("later", retryAfter: .milliseconds(1500)),
                .failed(
                    error: JobError(type: "JobFailure", message: "later"),
                    isRetryable: true,
                    retryAfter: .seconds(1.5)
                )
            ),
            (Snooze(for: .seconds(60)), .snoozed(.seconds(60))),
            (
                CancellationError(),
                .failed(
                    error: JobError(type: "CancellationError", message: "CancellationError()"),
                    isRetryable: true,
                    retryAfter: nil
                )
            ),
        ]
        for (error, expected) in cases {
            let ending = try await ending(of: .sample(1)) { $0.handleRaw("*") { _, _ in throw error } }
            #expect(ending == expected)
        }
    }

    @Test func aJobThatIsCalledOffCancelsItsHandler() async throws {
        let link = FakeLink()
        let worker = worker(link)
        worker.handleRaw("work") { job, context in
            link.callOff(MachineDesk.lease(1))
            do {
                try await Task.sleep(for: .seconds(60))  // until it is cancelled
            } catch {
                #expect(context.isCancelled)
                throw error
            }
            return nil
        }
        link.submit([.sample(1)])
        #expect(try await results(1, of: link, worker).map(\.ending) == [.cancelled])
    }

    @Test func progressGoesWithTheHeartbeat() async throws {
        let link = FakeLink(leaseSeconds: 0.09)
        let worker = worker(link)
        worker.handleRaw("work") { _, context in
            context.progress(percent: 140, message: "half")
            for await heartbeat in link.heartbeats where heartbeat.running.contains(where: { $0.progress != nil }) {
                #expect(heartbeat.running.first?.progress == JobProgress(percent: 100, message: "half"))
                break
            }
            return nil
        }
        link.submit([.sample(1)])
        _ = try await results(1, of: link, worker)
    }

    @Test func heartbeatsGoOnWhileHandlersKeepEveryThreadBusy() async throws {
        let isReleased = Atomic(false)
        let link = FakeLink(leaseSeconds: 0.3) { count in
            if count == 3 { isReleased.store(true, ordering: .relaxed) }
        }
        let worker = worker(link, concurrency: 64)
        worker.handleRaw("work") { _, _ in
            // Holds its thread as a long computation does; nothing but the third heartbeat ends it.
            while !isReleased.load(ordering: .relaxed) {}
            return nil
        }
        link.submit((1...64).map { .sample($0) })
        let endings = try await results(64, of: link, worker).map(\.ending)
        #expect(endings.allSatisfy { $0 == .completed(result: nil) })
    }

    @Test func aDrainThatLastsTooLongReleasesWhatRuns() async throws {
        let link = FakeLink()
        let worker = worker(link, drain: .zero)
        let (heeding, stubborn) = (GrantedJob.sample(1, name: "heeding"), GrantedJob.sample(2, name: "stubborn"))
        let isOver = AsyncStream<Void>.makeStream()
        worker.handleRaw("heeding") { _, _ in
            worker.drain()
            try await Task.sleep(for: .seconds(60))  // until it is cancelled
            return nil
        }
        worker.handleRaw("stubborn") { _, _ in
            await Task.detached { for await _ in isOver.stream {} }.value
            return nil
        }
        link.submit([stubborn, heeding])
        let results = try await results(2, of: link, worker)
        isOver.continuation.finish()
        #expect(Set(results.map(\.lease)) == [heeding.lease, stubborn.lease])
        #expect(results.allSatisfy { $0.ending == .released })
        #expect(link.goodbyes == 1)
    }

    @Test func aWorkerThatWasDrainedBeforeItRanReturnsAtOnce() async throws {
        let worker = worker(FakeLink())
        worker.drain()
        try await worker.run()
    }

    @Test func aWorkerRunsOnlyOnce() async throws {
        let worker = worker(FakeLink())
        worker.handleRaw("*") { _, _ in nil }
        async let first: Void = worker.run()
        worker.drain()
        try await first
        await #expect(throws: WorkerError.self) { try await worker.run() }
    }

    @Test(arguments: [
        WorkerConfiguration(coordinatorURLs: []),
        WorkerConfiguration(coordinatorURLs: ["ftp://example.org"]),
        WorkerConfiguration(coordinatorURLs: ["http://user:secret@example.org"]),
        WorkerConfiguration(queues: []),
        WorkerConfiguration(queues: ["no spaces"]),
        WorkerConfiguration(concurrency: 0),
        WorkerConfiguration(concurrency: 10_001),
        WorkerConfiguration(name: "line\nbreak"),
    ])
    func aConfigurationThatCannotWorkIsRefused(configuration: WorkerConfiguration) async throws {
        let worker = StintWorker(configuration: configuration)
        worker.handleRaw("*") { _, _ in nil }
        let error = await #expect(throws: WorkerError.self) { try await worker.run() }
        #expect(error?.code == .configurationInvalid)
        #expect(error?.message.contains("secret") == false)
    }
}
