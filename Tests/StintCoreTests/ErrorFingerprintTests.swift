// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import Testing

@Suite("Error fingerprints")
struct ErrorFingerprintTests {
    private func fingerprint(_ message: String, type: String = "Oops", name: String = "work") -> String {
        ErrorFingerprint.of(JobError(type: type, message: message), jobName: name)
    }

    @Test(arguments: [
        ["timeout after 15 s", "timeout after 2000 s"], ["line 12:7", "line 1:40"], ["took 15ms", "took 3ms"],
        ["at 0x1f", "at 0xdeadbeef00"], ["commit 1f4c9a7e2", "commit abcdef0123"],
        [
            "no job 0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01", "no job b3a1c9ef-abcd-4c3e-a1b2-cf2a6e8cabcd",
            "no job FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF",
        ], ["user 17, order 4 (-3)", "user 2, order 99 (-12)"], ["", ""],
    ])
    func whatDiffersInNumbersAndIdsOnlyIsTheSameFailure(_ messages: [String]) {
        #expect(Set(messages.map { fingerprint($0) }).count == 1)
    }

    @Test(arguments: [
        ["connection refused", "connection reset"], ["no such file", "no such user"], ["v2 failed", "x2 failed"],
        ["a", ""], ["code #", "code x"], ["é", "è"], ["dead beef", "dead meat"],
    ])
    func otherWordsAreAnotherFailure(_ messages: [String]) {
        #expect(Set(messages.map { fingerprint($0) }).count == messages.count)
    }

    @Test func theNameAndTheTypeAreParts() {
        let all = [
            fingerprint("x"), fingerprint("x", type: "Other"), fingerprint("x", name: "other"),
            fingerprint("x", type: "", name: "workOops"), fingerprint("Oopsx", type: ""),
        ]
        #expect(Set(all).count == all.count)
    }

    @Test func theStackIsNoPart() {
        let one = JobError(type: "Oops", message: "x", stack: "line 1")
        let other = JobError(type: "Oops", message: "x", stack: "somewhere else")
        #expect(ErrorFingerprint.of(one, jobName: "a") == ErrorFingerprint.of(other, jobName: "a"))
    }

    @Test func itIsSixteenDigitsAndNeverChanges() {
        #expect(fingerprint("it broke 3 times") == "c6ea62ea9167be99")
        #expect(fingerprint(String(repeating: "long ", count: 1000)).count == 16)
    }

    @Test func onlyTheStartOfAVeryLongMessageCounts() {
        let start = String(repeating: "word ", count: 80)
        #expect(fingerprint(start + "one") == fingerprint(start + "two"))
    }
}
