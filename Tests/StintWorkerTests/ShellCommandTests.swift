// SPDX-License-Identifier: Apache-2.0

import Glibc
import StintModel
import StintWire
import Testing

@testable import StintWorker

// One at a time: a test counts the children and descriptors of the process.
@Suite("Shell commands as handlers", .serialized, .timeLimit(.minutes(1)))
struct ShellCommandTests {
    private final class NoSink: ProgressSink {
        func progressed(_ lease: WireLease, _ progress: JobProgress) {}
    }

    private func run(_ template: String, payload: String = "null", grace: Double = 5) async throws -> [UInt8]? {
        let context = JobContext(.sample(1, payload: payload), sink: NoSink())
        var launch = try ShellCommand(name: "work", template: template)
            .launch(context, environment: ["PATH=/usr/bin:/bin", "KEPT=yes"])
        launch.killGraceSeconds = grace
        return try ShellCommand.result(await ChildProcess.run(launch))
    }

    private func text(_ template: String, payload: String = "null") async throws -> String? {
        try await run(template, payload: payload).map { String(decoding: $0, as: UTF8.self) }
    }

    private func failure(_ template: String, payload: String = "null") async throws -> JobFailure {
        try #require(await #expect(throws: JobFailure.self) { try await run(template, payload: payload) })
    }

    @Test(arguments: [
        ("resize=convert {payload}", "resize", "convert {payload}"), ("*=true", "*", "true"), ("a=b=c", "a", "b=c"),
    ])
    func nameAndCommandAreTakenApart(text: String, name: String, template: String) {
        #expect(ShellCommand(text) == ShellCommand(name: name, template: template))
    }

    @Test(arguments: ["", "name", "=command", "name=", "name=  "])
    func anythingElseIsRefused(text: String) {
        #expect(ShellCommand(text) == nil)
    }

    @Test func thePayloadIsOnTheStandardInputAsItIs() async throws {
        #expect(try await text("cat", payload: #"{"a": 1.0e0}"#) == #"{"a": 1.0e0}"#)
    }

    @Test func aLargePayloadPassesThroughWhileOutputComesBack() async throws {
        let payload = "\"" + String(repeating: "x", count: 250_000) + "\""
        #expect(try await text("cat", payload: payload) == payload)
    }

    @Test func aCommandThatDoesNotReadItsInputIsNoMistake() async throws {
        let payload = "\"" + String(repeating: "x", count: 250_000) + "\""
        #expect(try await text("exec 0<&-; echo 1", payload: payload) == "1")
    }

    @Test(arguments: ["\"it's\"", #"{"a":"$(touch /tmp/never) `id` \\ ;&|"}"#, "\"\u{2028}'''\""])
    func thePlaceholderBecomesOneWordWhateverIsInIt(payload: String) async throws {
        #expect(try await text("printf %s {payload}", payload: payload) == payload)
        #expect(try await text("printf '[\"%s\"]' x; : {payload} {payload}", payload: payload) == "[\"x\"]")
    }

    @Test func theEnvironmentTellsOfTheJob() async throws {
        let command =
            #"printf '%s|%s|%s|%s|%s|%s' "$STINT_JOB_NAME" "$STINT_QUEUE" "$STINT_ATTEMPT" "$STINT_LEASE" "$STINT_PAYLOAD" "$KEPT""#
        #expect(try await text(command, payload: "[7]") == "\"work|default|1|\(MachineDesk.lease(1))|[7]|yes\"")
        #expect(try await text(#"printf '"%s"' "$STINT_JOB_ID""#) == "\"\(JobID(high: 1, low: 1))\"")
    }

    @Test func aPayloadTooLongForTheEnvironmentIsOnlyOnTheInput() async throws {
        let payload = "\"" + String(repeating: "x", count: 125 << 10) + "\""
        #expect(try await text(#"printf '"%s"' "${STINT_PAYLOAD-none}""#, payload: payload) == "\"none\"")
        #expect(try await failure("echo {payload}", payload: payload).isRetryable == false)
    }

    @Test(arguments: [
        ("printf '{\"a\": 1}'", "{\"a\": 1}"), ("echo 42", "42"), ("echo hello", "\"hello\\n\""),
        ("printf '1 2'", "\"1 2\""), ("printf '\\377'", "\"\u{FFFD}\""),
    ])
    func theOutputIsTheResult(command: String, result: String) async throws {
        #expect(try await text(command) == result)
    }

    @Test func noOutputIsNoResult() async throws {
        #expect(try await run("true") == nil)
    }

    @Test func tooMuchOutputIsCut() async throws {
        let result = try #require(await run("head -c 3000000 /dev/zero | tr '\\0' x"))
        #expect(result.count <= 1 << 20)
        #expect(String(decoding: result.suffix(32), as: UTF8.self).contains("more bytes"))
        let escaped = try #require(await run("head -c 1000000 /dev/zero | tr '\\0' '\\001'"))
        #expect(escaped.count <= 1 << 20)
    }

    @Test(arguments: [(1, true), (75, true), (65, false), (100, false), (127, true)])
    func theExitCodeDecides(code: Int, isRetryable: Bool) async throws {
        let failure = try await failure("echo on the way >&2; exit \(code)")
        #expect((failure.type, failure.message) == ("ExitCode\(code)", "on the way"))
        #expect(failure.isRetryable == isRetryable)
    }

    @Test func theEndOfALongErrorOutputIsKept() async throws {
        let failure = try await failure("seq 1 20000 >&2; exit 1")
        #expect(failure.message.hasSuffix("19999\n20000"))
        #expect(failure.message.utf8.count <= 8 << 10)
    }

    @Test func aSignalIsAFailure() async throws {
        #expect(try await failure("kill -KILL $$").type == "Signal9")
    }

    @Test func aChildThatIsLeftBehindDoesNotHoldTheJob() async throws {
        #expect(try await text("sleep 30 & echo 1") == "1")
    }

    // MARK: Cancelling

    /// Cancels the command when it has said that it runs, by writing to the pipe `ready`.
    private func cancelled(_ template: String, grace: Double) async throws -> ChildEnd {
        let context = JobContext(.sample(1), sink: NoSink())
        let ready = try ChildLaunch.pipe()
        var launch = try ShellCommand(name: "work", template: template)
            .launch(context, environment: ["PATH=/usr/bin:/bin", "READY=/proc/self/fd/\(ready.write)"])
        launch.killGraceSeconds = grace
        // No descriptor is inherited: the child opens this process's by its name.
        launch.environment.append("READY_PIPE=/proc/\(getpid())/fd/\(ready.write)")
        let task = Task { [launch] in try await ChildProcess.run(launch) }
        await withCheckedContinuation { continuation in
            _ = OwnThread.start {
                var byte: UInt8 = 0
                _ = read(ready.read, &byte, 1)
                continuation.resume()
            }
        }
        task.cancel()
        let end = try await task.value
        close(ready.read)
        close(ready.write)
        return end
    }

    @Test func cancellingTerminatesTheWholeGroup() async throws {
        let end = try await cancelled("sleep 60 & echo go > $READY_PIPE; wait", grace: 30)
        #expect(end.wasTerminated)
        #expect(end.status == .signalled(SIGTERM))
        #expect(throws: CancellationError.self) { try ShellCommand.result(end) }
    }

    @Test func whatIgnoresTheSignalIsKilledAfterTheGrace() async throws {
        let end = try await cancelled("trap '' TERM; echo go > $READY_PIPE; while :; do sleep 1; done", grace: 0.05)
        #expect(end.wasTerminated)
        #expect(end.status == .signalled(SIGKILL))
    }

    @Test func aCommandMayTidyUpWhenItIsTerminated() async throws {
        let end = try await cancelled(
            "trap 'echo tidied; exit 7' TERM; echo go > $READY_PIPE; while :; do sleep 0.01; done",
            grace: 30
        )
        #expect(end.status == .exited(7))
        #expect(String(decoding: end.output, as: UTF8.self) == "tidied\n")
    }

    @Test func aGrandchildThatIgnoresTheSignalIsKilledTooThoughItsParentHasGone() async throws {
        let end = try await cancelled(
            "sh -c 'trap \"\" TERM; echo go > $READY_PIPE; while :; do sleep 1; done' & wait",
            grace: 0.05
        )
        #expect(end.wasTerminated)
    }

    @Test func aCommandThatWasCancelledBeforeItBeganNeverRuns() async throws {
        let launch = ChildLaunch(program: "/bin/sh", arguments: ["sh", "-c", "true"], environment: [], input: [])
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await ChildProcess.run(launch)
        }
        #expect(try await task.value.wasTerminated)
    }

    @Test func manyAtOnceLeaveNoZombieAndNoDescriptor() async throws {
        // A name of its own, by which the children are told from those of other tests in this process.
        let program = "/tmp/stint-\(getpid())-cat"
        unlink(program)
        try #require(symlink("/bin/cat", program) == 0)
        defer { unlink(program) }
        let before = try openDescriptors()
        try await withThrowingTaskGroup(of: String?.self) { group in
            for number in 0..<40 { group.addTask { try await text("exec \(program)", payload: "\(number)") } }
            var seen: Set<String> = []
            for try await result in group { seen.insert(try #require(result)) }
            #expect(seen.count == 40)
        }
        #expect(try openDescriptors() <= before + 8, "other tests of this process run beside")
        #expect(try children(named: "stint-\(getpid())-cat").isEmpty, "no child is left to wait for")
    }

    /// Zombies among them; the system keeps the first 15 bytes of a name.
    private func children(named name: String) throws -> [String] {
        let directory = try #require(opendir("/proc"))
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let number = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let pid = Int32(number), let file = fopen("/proc/\(pid)/stat", "r") else { continue }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 512)
            guard fgets(&line, 512, file) != nil else { continue }
            let stat = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let parts = stat.split(separator: ")").last?.split(separator: " ") ?? []
            if stat.contains("(\(name.prefix(15)))"), parts.count > 1, parts[1] == "\(getpid())" { found.append(stat) }
        }
        return found
    }

    private func openDescriptors() throws -> Int {
        let directory = try #require(opendir("/proc/self/fd"))
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }

    @Test func aProgramThatDoesNotExistIsAnErrorWithItsName() async throws {
        let launch = ChildLaunch(program: "/nowhere/sh", arguments: ["sh"], environment: [], input: [])
        let error = await #expect(throws: ChildLaunchError.self) { try await ChildProcess.run(launch) }
        #expect(error?.description.contains("/nowhere/sh") == true)
    }
}
