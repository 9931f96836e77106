// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Runs one program to its end.
///
/// Two threads serve it. One only waits for the end, without taking the child's status away. The other starts it, moves its
/// input and output, sends it signals and at last takes the status: since one thread does all of this, no signal can ever
/// reach a process that has got the number of one that is gone. It lives until the child has ended, too: at the end of the
/// thread that started it, which `kill -9` of this process is as well, Linux kills the child.
final class ChildProcess: Sendable {
    private struct State {
        /// Wakes the thread that moves the data; nil when there is none.
        var wakeWriter: Int32?
        var isTerminationWanted = false
        var hasExited = false
    }

    private let launch: ChildLaunch
    private let state = Mutex(State())

    private init(_ launch: ChildLaunch) {
        self.launch = launch
    }

    /// Starts the program and returns when it has ended; cancelling the task terminates its process group.
    static func run(_ launch: ChildLaunch) async throws(ChildLaunchError) -> ChildEnd {
        let child = ChildProcess(launch)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let hasStarted = OwnThread.start { continuation.resume(returning: child.serve()) }
                if !hasStarted {
                    continuation.resume(returning: .failure(ChildLaunchError("no thread", code: EAGAIN)))
                }
            }
        } onCancel: {
            child.terminate()
        }
        return try result.get()
    }

    private func terminate() {
        state.withLock { state in
            state.isTerminationWanted = true
            Self.wake(state)
        }
    }

    private static func wake(_ state: State) {
        guard let descriptor = state.wakeWriter else { return }
        var byte: UInt8 = 0
        // A full pipe wakes just as well.
        _ = write(descriptor, &byte, 1)
    }

    // MARK: The serving thread

    private func serve() -> Result<ChildEnd, ChildLaunchError> {
        do throws(ChildLaunchError) {
            let wake = try ChildLaunch.pipe()
            for descriptor in [wake.read, wake.write] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
            defer {
                // Nobody writes to a number that may soon be another's.
                state.withLock { $0.wakeWriter = nil }
                close(wake.read)
                close(wake.write)
            }
            if state.withLock({ $0.isTerminationWanted }) { return .success(.neverStarted) }
            let (pid, pipes) = try launch.spawn()
            var pump = ChildPump(launch, pipes, wakeReader: wake.read)
            defer { pump.closeAll() }
            state.withLock { $0.wakeWriter = wake.write }
            watch(pid)
            let wasTerminated = attend(pid, &pump)
            return .success(pump.end(Self.reap(pid), wasTerminated: wasTerminated))
        } catch {
            return .failure(error)
        }
    }

    /// Moves data and sends signals until the child has exited and nothing more is to be expected.
    ///
    /// True: it was terminated.
    private func attend(_ pid: pid_t, _ pump: inout ChildPump) -> Bool {
        var killAt: Double?
        var isKilled = false
        while true {
            let (isTerminationWanted, hasExited) = state.withLock { ($0.isTerminationWanted, $0.hasExited) }
            if isTerminationWanted, killAt == nil, !hasExited {
                kill(-pid, SIGTERM)
                killAt = Self.now() + launch.killGraceSeconds
            }
            if let killAt, !isKilled, Self.now() >= killAt || (hasExited && pump.isDry) {
                kill(-pid, SIGKILL)
                isKilled = true
            }
            // Once terminated, others of its group may live longer than the child itself: they get the same grace.
            if hasExited, killAt == nil || isKilled {
                pump.drain()
                return killAt != nil
            }
            pump.step(timeoutSeconds: isKilled ? nil : killAt.map { max(0, $0 - Self.now()) })
        }
    }

    /// Has a thread of its own wait for the exit; where there is none left, the child is killed and waited for at once.
    private func watch(_ pid: pid_t) {
        let hasStarted = OwnThread.start { [self] in
            var information = siginfo_t()
            while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            exited()
        }
        if !hasStarted {
            kill(-pid, SIGKILL)
            exited()
        }
    }

    private func exited() {
        state.withLock { state in
            state.hasExited = true
            Self.wake(state)
        }
    }

    private static func reap(_ pid: pid_t) -> ChildEnd.Status {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return ChildEnd.Status(waitStatus: status)
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// Moves a child's input and output.
private struct ChildPump {
    private let launch: ChildLaunch
    private let wakeReader: Int32
    private var input: Int32
    private var output: Int32
    private var error: Int32
    private var written = 0
    private var kept: [UInt8] = []
    private var dropped = 0
    private var tail: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 65_536)

    init(_ launch: ChildLaunch, _ pipes: ChildPipes, wakeReader: Int32) {
        self.launch = launch
        self.wakeReader = wakeReader
        input = pipes.input
        output = pipes.output
        error = pipes.error
    }

    /// Whether nobody can write any more.
    var isDry: Bool { output < 0 && error < 0 }

    /// Waits until something can be moved, the wake pipe is written to, or the time is up.
    mutating func step(timeoutSeconds: Double?) {
        // A negative number is passed over by the system.
        var polled = [
            pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: error, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = timeoutSeconds.map { Int32(min(3_600_000, ($0 * 1000).rounded(.up))) } ?? -1
        guard poll(&polled, nfds_t(polled.count), milliseconds) > 0 else { return }
        if polled[0].revents != 0 { writeInput() }
        if polled[1].revents != 0 { readOutput() }
        if polled[2].revents != 0 { readError() }
        if polled[3].revents != 0 { _ = chunk.withUnsafeMutableBytes { systemRead(wakeReader, $0) } }
    }

    /// Reads what is there already: others may hold the pipes open for ever.
    mutating func drain() {
        while output >= 0, readOutput() {}
        while error >= 0, readError() {}
    }

    private mutating func writeInput() {
        if input < 0 { return }
        let count = launch.input.withUnsafeBytes { bytes -> Int in
            guard let start = bytes.baseAddress, written < bytes.count else { return 0 }
            return write(input, start + written, bytes.count - written)
        }
        if count > 0 { written += count }
        let isBroken = count < 0 && errno != EAGAIN && errno != EINTR
        if written == launch.input.count || isBroken { Self.close(&input) }
    }

    /// False when nothing is there now.
    @discardableResult
    private mutating func readOutput() -> Bool {
        guard let count = take(from: \.output) else { return false }
        let room = min(count, launch.outputBytesMax - kept.count)
        kept.append(contentsOf: chunk[..<room])
        dropped += count - room
        return true
    }

    @discardableResult
    private mutating func readError() -> Bool {
        guard let count = take(from: \.error) else { return false }
        tail.append(contentsOf: chunk[..<count])
        let excess = tail.count - launch.errorBytesMax
        if excess > 0 { tail.removeFirst(excess) }
        return true
    }

    private mutating func take(from pipe: WritableKeyPath<ChildPump, Int32>) -> Int? {
        let descriptor = self[keyPath: pipe]
        let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0) }
        if count > 0 { return count }
        if count == 0 || (errno != EAGAIN && errno != EINTR) { Self.close(&self[keyPath: pipe]) }
        return nil
    }

    mutating func closeAll() {
        Self.close(&input)
        Self.close(&output)
        Self.close(&error)
    }

    private static func close(_ descriptor: inout Int32) {
        guard descriptor >= 0 else { return }
        closeDescriptor(descriptor)
        descriptor = -1
    }

    func end(_ status: ChildEnd.Status, wasTerminated: Bool) -> ChildEnd {
        ChildEnd(
            status: status,
            wasTerminated: wasTerminated,
            output: kept,
            outputDropped: dropped,
            errorTail: tail
        )
    }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
    read(descriptor, bytes.baseAddress, bytes.count)
}

private func closeDescriptor(_ descriptor: Int32) {
    close(descriptor)
}
