// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import StintTestKit
import Testing

@Suite("What the end of an attempt leads to")
struct EndingDecisionTests {
    /// Budgets as `used/most`.
    ///
    /// `kept` is the old place; a number is seconds from now. Base 2 s, factor 2, cap 100 s, no jitter.
    private static let table = """
        ending    flag failures losses | state     failures losses cause              run_at
        completed -    0/3      0/3    | completed 0        0      -                  kept
        completed set  2/3      2/3    | completed 2        2      -                  kept
        failed    -    0/3      0/3    | scheduled 1        0      -                  2
        failed    -    1/3      2/3    | scheduled 2        2      -                  4
        failed    -    2/3      0/3    | dead      3        0      attempts_exhausted kept
        failed    -    0/1      0/3    | dead      1        0      attempts_exhausted kept
        failed    -    8/99     0/3    | scheduled 9        0      -                  100
        failed    set  0/3      0/3    | cancelled 1        0      -                  kept
        failed    set  2/3      0/3    | cancelled 3        0      -                  kept
        fatal     -    0/3      0/3    | dead      1        0      not_retryable      kept
        fatal     -    2/3      0/3    | dead      3        0      not_retryable      kept
        fatal     set  0/3      0/3    | cancelled 1        0      -                  kept
        after7200 -    0/3      0/3    | scheduled 1        0      -                  7200
        after7200 -    2/3      0/3    | dead      3        0      attempts_exhausted kept
        after0    -    1/3      0/3    | scheduled 2        0      -                  0
        snoozed   -    2/3      2/3    | scheduled 2        2      -                  90
        snoozed   set  0/3      0/3    | cancelled 0        0      -                  kept
        released  -    2/3      2/3    | available 2        2      -                  kept
        released  set  0/3      0/3    | cancelled 0        0      -                  kept
        cancelled -    0/3      0/3    | cancelled 0        0      -                  kept
        cancelled set  0/3      0/3    | cancelled 0        0      -                  kept
        timed_out -    0/3      0/3    | scheduled 1        0      -                  2
        timed_out -    2/3      2/3    | dead      3        2      attempts_exhausted kept
        timed_out set  0/3      0/3    | cancelled 1        0      -                  kept
        lost      -    0/3      0/3    | available 0        1      -                  kept
        lost      -    2/3      0/3    | available 2        1      -                  kept
        lost      -    0/3      1/3    | scheduled 0        2      -                  2
        lost      -    0/9      2/9    | scheduled 0        3      -                  4
        lost      -    0/3      2/3    | dead      0        3      crash_loop         kept
        lost      -    0/3      0/1    | dead      0        1      crash_loop         kept
        lost      set  0/3      0/3    | cancelled 0        1      -                  kept
        lost      set  0/3      2/3    | cancelled 0        3      -                  kept
        """

    static let rows = table.split(separator: "\n").dropFirst().map(String.init)

    private static let error = JobError(type: "Oops", message: "it broke", stack: "here")
    private static let now = ManualTime.epoch
    private static let runAt = ManualTime.epoch - Milliseconds(500_000)

    private static func ending(_ word: Substring) -> Ending? {
        switch word {
        case "completed": .completed(result: nil)
        case "failed": .failed(error: error, isRetryable: true, retryAfter: nil)
        case "fatal": .failed(error: error, isRetryable: false, retryAfter: nil)
        case "after7200": .failed(error: error, isRetryable: true, retryAfter: .seconds(7200))
        case "after0": .failed(error: error, isRetryable: true, retryAfter: .seconds(0))
        case "snoozed": .snoozed(.seconds(90))
        case "released": .released
        case "cancelled": .cancelled
        case "timed_out": .timedOut
        case "lost": .lost
        default: nil
        }
    }

    private static func job(
        failures: (Int, Int) = (0, 3),
        losses: (Int, Int) = (0, 3),
        isCancelled: Bool = false
    ) -> RunningJob {
        RunningJob(
            id: JobID(high: 1, low: 1),
            lane: Lane(queue: "default", name: "work"),
            attempt: 4,
            failures: failures.0,
            losses: losses.0,
            maxAttempts: failures.1,
            maxLosses: losses.1,
            retry: RetryPolicy(baseSeconds: 2, factor: 2, capSeconds: 100, jitter: .none),
            previousDelay: nil,
            runAt: runAt,
            priority: 0,
            timeout: .seconds(1800),
            cancelRequested: isCancelled
        )
    }

    private static func budget(_ word: Substring) throws -> (Int, Int) {
        let numbers = word.split(separator: "/").compactMap { Int($0) }
        return (try #require(numbers.first), try #require(numbers.last))
    }

    @Test(arguments: rows)
    func theTableHolds(_ row: String) throws {
        let words = row.split(separator: " ").filter { $0 != "|" }
        let ending = try #require(Self.ending(words[0]))
        let job = Self.job(
            failures: try Self.budget(words[2]),
            losses: try Self.budget(words[3]),
            isCancelled: words[1] == "set"
        )
        let effect = EndingDecision.decide(job, ending, now: Self.now, random: 0)
        #expect(effect.state.name == words[4])
        #expect(String(effect.failures) == words[5] && String(effect.losses) == words[6])
        #expect(effect.cause?.name ?? "-" == words[7])
        #expect(effect.runAt == (Double(words[8]).map { Self.now + .seconds($0) } ?? Self.runAt))
        #expect(effect.outcome == ending.outcome, "an attempt is remembered as it ended, cancel flag or not")
        #expect((effect.fingerprint != nil) == (effect.state == .dead))
    }

    @Test func theTableHasEveryEndingWithAndWithoutTheFlag() {
        let found = Set(Self.rows.map { $0.split(separator: " ").prefix(2).joined(separator: " ") })
        for ending in ["completed", "failed", "fatal", "snoozed", "released", "cancelled", "timed_out", "lost"] {
            #expect(found.contains("\(ending) -") && found.contains("\(ending) set"), "\(ending)")
        }
    }

    @Test func theWorkersOwnErrorIsKeptAndTheServersSaysWhatHappened() {
        let job = Self.job()
        func error(_ ending: Ending) -> JobError? {
            EndingDecision.decide(job, ending, now: Self.now, random: 0).error
        }
        #expect(error(.failed(error: Self.error, isRetryable: true, retryAfter: nil)) == Self.error)
        #expect(error(.timedOut)?.message.contains("1800 s") == true)
        #expect(error(.lost)?.type == "WorkerLost")
        #expect(error(.released) == nil && error(.completed(result: nil)) == nil && error(.snoozed(.seconds(1))) == nil)
    }

    @Test func aChosenDelayIsKeptForDecorrelatedJitter() {
        var job = Self.job(failures: (1, 12))
        job.retry.jitter = .decorrelated
        job.previousDelay = .seconds(20)
        let failure = Ending.failed(error: Self.error, isRetryable: true, retryAfter: nil)
        let effect = EndingDecision.decide(job, failure, now: Self.now, random: .max)
        #expect(effect.delay.map { abs($0.seconds - 60) < 0.01 } == true)
        #expect(effect.runAt.since(Self.now) == effect.delay)
        let released = EndingDecision.decide(job, .released, now: Self.now, random: .max)
        #expect(released.delay == nil)
    }

    @Test func theRulesForStoresAreTheDecision() {
        let job = Self.job(failures: (1, 12))
        let failure = Ending.failed(error: Self.error, isRetryable: true, retryAfter: nil)
        let decided = EndingDecision.decide(job, failure, now: Self.now, random: 77)
        #expect(EndingDecision.rules(job, failure, Self.now, 77) == decided)
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func everyDecisionIsAMoveOfTheTransitionTable(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let words = [
            "completed", "failed", "fatal", "after7200", "snoozed", "released", "cancelled", "timed_out", "lost",
        ]
        for _ in 0..<100 {
            let (most, losses) = (random.int(1...5), random.int(1...5))
            let job = Self.job(
                failures: (random.int(0...most - 1), most),
                losses: (random.int(0...losses - 1), losses),
                isCancelled: random.oneIn(3)
            )
            guard let ending = Self.ending(words[random.int(0...words.count - 1)][...]) else { continue }
            let effect = EndingDecision.decide(job, ending, now: Self.now, random: random.next())
            let reachable = JobEvent.allCases.compactMap { JobTransition.next(from: .running, on: $0) }
            #expect(reachable.contains(effect.state) && effect.state != .running, "seed \(seed): \(ending)")
            #expect((effect.state == .dead) == (effect.cause != nil), "seed \(seed): \(ending)")
            #expect(effect.failures - job.failures + effect.losses - job.losses <= 1, "seed \(seed): \(ending)")
        }
    }
}
