// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage
import StintTestKit
import Synchronization
import Testing

@testable import StintCoordinator

private func ready(_ key: Int, _ lane: Lane = .work) -> ReadyJob {
    ReadyJob(lane: lane, order: ServingOrder(key: Int64(key), id: JobID(high: 0, low: UInt64(key))))
}

private let everything = LaneDemand(queues: ["default": LaneDemand.Names(isEveryName: true)])

@Suite("A belt in process takes the place of the shared one while that is away")
struct FallbackReadyQueueTests {
    let primary = SwitchableBelt()
    let fallback = SwitchableBelt()
    let time = ManualTime()
    let switches = Switches()
    let belt: FallbackReadyQueue

    final class Switches: Sendable {
        private let states = Mutex<[Bool]>([])
        var all: [Bool] { states.withLock { $0 } }
        func note(_ isUp: Bool) { states.withLock { $0.append(isUp) } }
    }

    init() {
        let switches = switches
        belt = FallbackReadyQueue(primary: primary, fallback: fallback, time: time) { switches.note($0) }
    }

    private func take(_ limit: Int = 100) async throws -> [Int] {
        try await belt.take(everything, limit: limit).map { Int($0.order.key) }
    }

    /// Answers every refill from a record that holds these jobs.
    private func refill(from record: [ReadyJob]) async throws {
        for request in try await belt.refillRequests() {
            let jobs = record.filter { job in
                job.lane == request.lane && request.after.map { $0 < job.order } ?? true
            }
            try await belt.refill(Refill(request: request, jobs: Array(jobs.prefix(request.limit))))
        }
    }

    @Test func theFallbackIsNotTouchedWhileThePrimaryWorks() async throws {
        try await belt.put([ready(1)])
        #expect(try await take() == [1])
        #expect(try await belt.depth() == 0)
        #expect(try await belt.missing(among: [.work]) == [.work])
        #expect(fallback.calls == 0)
        #expect(belt.isPrimaryUp)
        #expect(switches.all == [])
    }

    @Test func aPutThatFindsThePrimaryAwayIsReadFromTheRecord() async throws {
        primary.fail()
        try await belt.put([ready(2)])
        #expect(!belt.isPrimaryUp)
        #expect(switches.all == [false])
        // The record may hold more of the lane than was put here.
        #expect(try await take() == [])
        try await refill(from: [ready(1), ready(2)])
        #expect(try await take() == [1, 2])
    }

    @Test func everyLaneIsMissingOnceWhenAnOutageBegins() async throws {
        primary.fail()
        #expect(try await belt.missing(among: [.work, .mail]) == [.work, .mail])
        try await belt.reset([.work])
        #expect(try await belt.missing(among: [.work, .mail]) == [.mail])
    }

    @Test func eachCallSurvivesTheMomentThePrimaryGoes() async throws {
        primary.fail()
        #expect(try await belt.take(everything, limit: 1) == [])
        #expect(try await belt.refillRequests() == [])
        #expect(try await belt.depth() == 0)
        #expect(try await belt.absent(among: [ready(1)]) == [])
        try await belt.reset([.work])
        #expect(try await belt.refillRequests().map(\.lane) == [.work])
        #expect(switches.all == [false])
    }

    @Test func anErrorThatIsNoOutageIsThrown() async throws {
        primary.fail(.closed)
        await #expect(throws: StorageError.closed) { try await belt.put([ready(1)]) }
        await #expect(throws: StorageError.closed) { try await belt.refillRequests() }
        #expect(belt.isPrimaryUp)
        #expect(fallback.calls == 0)
    }

    @Test func thePrimaryIsTriedOutNoMoreOftenThanEveryHalfSecond() async throws {
        primary.fail()
        _ = try await take()
        let calls = primary.calls
        for _ in 0..<10 { _ = try await take() }
        #expect(primary.calls == calls)
        time.advance(seconds: 0.5)
        for _ in 0..<10 { _ = try await take() }
        #expect(primary.calls == calls + 1)
        time.advance(seconds: 0.4)
        _ = try await take()
        #expect(primary.calls == calls + 1)
        #expect(!belt.isPrimaryUp)
    }

    @Test func whatTheOutageTouchedIsResetOnThePrimaryBeforeItIsUsedAgain() async throws {
        try await belt.put([ready(1, .mail)])
        primary.fail()
        try await belt.put([ready(2)])
        primary.work()
        time.advance(seconds: 0.5)
        #expect(try await take() == [1], "the untouched lane's job; the other lane is to be read")
        #expect(belt.isPrimaryUp)
        #expect(switches.all == [false, true])
        #expect(primary.resets == [[.work]])
        try await refill(from: [ready(2)])
        #expect(try await take() == [2])
        #expect(try await fallback.depth() == 0)
    }

    @Test func anOutageWithoutATraceEndsWithAnAnswerToAQuestion() async throws {
        primary.fail()
        _ = try await take()
        primary.work()
        time.advance(seconds: 0.5)
        _ = try await take()
        #expect(belt.isPrimaryUp)
        #expect(primary.resets == [])
    }

    @Test func aSecondOutageRemembersNothingOfTheFirst() async throws {
        primary.fail()
        try await belt.put([ready(1)])
        try await refill(from: [ready(1)])
        primary.work()
        time.advance(seconds: 0.5)
        _ = try await belt.depth()
        primary.fail()
        #expect(try await take() == [], "1 may long be done")
        #expect(try await belt.missing(among: [.work]) == [.work])
    }

    @Test func anAnswerGoesToTheBeltThatAsked() async throws {
        try await belt.reset([.work])
        let asked = try #require(try await belt.refillRequests().first)
        primary.fail()
        _ = try await take()
        try await belt.reset([.work])
        let askedByFallback = try #require(try await belt.refillRequests().first)
        try await belt.refill(Refill(request: askedByFallback, jobs: [ready(1)]))
        try await belt.refill(Refill(request: asked, jobs: [ready(9)]))
        #expect(try await take() == [1], "9 was read for another belt, and too early for this one")
        primary.work()
        time.advance(seconds: 0.5)
        _ = try await belt.depth()
        try await belt.refill(Refill(request: askedByFallback, jobs: [ready(1)]))
        #expect(try await fallback.depth() == 0)
    }

    @Test func jobsPutFromManyTasksThroughOutagesAreAllServedInTheEnd() async throws {
        let record = (1...400).map { ready($0, $0 % 3 == 0 ? .mail : .work) }
        let belt = belt
        let primary = primary
        let time = time
        try await withThrowingTaskGroup(of: Void.self) { group in
            for part in 0..<4 {
                group.addTask {
                    for job in record where Int(job.order.key) % 4 == part { try await belt.put([job]) }
                }
            }
            group.addTask {
                for round in 0..<40 {
                    if round % 2 == 0 { primary.fail() } else { primary.work() }
                    time.advance(seconds: 0.5)
                    for _ in 0..<5 { _ = try await belt.depth() }
                    await Task.yield()
                }
                primary.work()
            }
            try await group.waitForAll()
        }
        time.advance(seconds: 1)
        var open = Set(record)
        for _ in 0..<record.count where !open.isEmpty {
            for job in try await belt.take(everything, limit: 50) { open.remove(job) }
            let missing = try await belt.missing(among: Array(Set(open.map(\.lane))))
            if !missing.isEmpty { try await belt.reset(missing) }
            try await refill(from: open.sorted { $0.order < $1.order })
        }
        #expect(open.count == 0)
        #expect(belt.isPrimaryUp)
    }
}
