// SPDX-License-Identifier: Apache-2.0

import StintModel
import Testing

@Suite("Numbers in the record and words in the API never change")
struct StoredNumbersTests {
    @Test func statesKeepTheirNumbersAndNames() {
        let known = [
            "0 blocked", "1 scheduled", "2 available", "3 running", "4 completed", "5 dead", "6 cancelled", "7 expired",
        ]
        #expect(JobState.allCases.map { "\($0.rawValue) \($0.name)" } == known)
    }

    @Test func outcomesKeepTheirNumbersAndNames() {
        let known = ["0 completed", "1 failed", "2 timed_out", "3 lost", "4 released", "5 snoozed", "6 cancelled"]
        #expect(AttemptOutcome.allCases.map { "\($0.rawValue) \($0.name)" } == known)
    }

    @Test func causesKeepTheirNumbersAndNames() {
        #expect(
            DeadCause.allCases.map { "\($0.rawValue) \($0.name)" }
                == ["0 attempts_exhausted", "1 not_retryable", "2 crash_loop"]
        )
    }

    @Test func jittersAndWorkerStatesKeepTheirWords() {
        #expect(RetryPolicy.Jitter.allCases.map(\.rawValue) == ["none", "equal", "full", "decorrelated"])
        #expect(WorkerState.allCases.map(\.rawValue) == ["available", "busy", "draining", "unavailable"])
    }

    @Test func everyNameIsReadBackAndNoOther() {
        #expect(JobState.allCases.allSatisfy { JobState(name: $0.name) == $0 })
        #expect(AttemptOutcome.allCases.allSatisfy { AttemptOutcome(name: $0.name) == $0 })
        #expect(DeadCause.allCases.allSatisfy { DeadCause(name: $0.name) == $0 })
        for word in ["", "Running", "timedOut", "available ", "3"] {
            #expect(JobState(name: word) == nil && AttemptOutcome(name: word) == nil && DeadCause(name: word) == nil)
        }
    }

    @Test func aStateIsWaitingOrRunningOrTerminal() {
        #expect(JobState.allCases.filter(\.isWaiting) == [.blocked, .scheduled, .available])
        #expect(JobState.allCases.filter(\.isTerminal) == [.completed, .dead, .cancelled, .expired])
        #expect(JobState.allCases.filter { !$0.isWaiting && !$0.isTerminal } == [.running])
    }

    @Test func theDefaultsOfAJobAreThoseOfTheContract() {
        let options = JobOptions()
        #expect(options.maxAttempts == 12 && options.maxLosses == 3 && options.timeout.seconds == 1800)
        let retry = RetryPolicy.standard
        #expect(retry.baseSeconds == 2 && retry.factor == 2 && retry.capSeconds == 3600 && retry.jitter == .equal)
    }
}
