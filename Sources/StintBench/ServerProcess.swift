// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A child process of the benchmark: a server or a worker, the same binary as this one.
final class ChildProcess {
    let pid: pid_t
    private let output: Int32
    private var read: [UInt8] = []

    /// Starts this binary with other arguments; its standard output comes here.
    init(_ arguments: [String]) throws {
        var pipes: [Int32] = [0, 0]
        guard pipe(&pipes) == 0 else { throw BenchError("cannot make a pipe") }
        for end in pipes { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var child: pid_t = 0
        let argv = (["stint"] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        let result = posix_spawn(&child, "/proc/self/exe", &actions, nil, argv, environ)
        close(pipes[1])
        guard result == 0 else { throw BenchError("cannot start \(arguments): \(String(cString: strerror(result)))") }
        pid = child
        output = pipes[0]
    }

    deinit {
        stop(SIGKILL)
        close(output)
    }

    /// The rest of the first line of output that starts with `prefix`.
    func line(startingWith prefix: String) throws -> String {
        while true {
            while let end = read.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: read[..<end], as: UTF8.self)
                read.removeFirst(end + 1)
                if line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
            }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(output, &chunk, chunk.count)
            guard count > 0 else { throw BenchError("the child process ended before it said '\(prefix)'") }
            read += chunk[..<count]
        }
    }

    private var isStopped = false

    func stop(_ signal: Int32 = SIGTERM) {
        guard !isStopped else { return }
        isStopped = true
        kill(pid, signal)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// Processor seconds used so far, and resident memory now.
    var usage: (cpuSeconds: Double, residentMB: Double) { ProcessUsage.of(pid) }
}

/// What the kernel tells of a process.
enum ProcessUsage {
    static func of(_ pid: pid_t) -> (cpuSeconds: Double, residentMB: Double) {
        let stat = text("/proc/\(pid)/stat")
        let fields = (stat.split(separator: ")").last ?? "").split(separator: " ")
        let ticks = fields.count > 12 ? (Double(fields[11]) ?? 0) + (Double(fields[12]) ?? 0) : 0
        let resident = text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        let kilobytes = resident?.split(separator: " ").compactMap { Double($0) }.first ?? 0
        return (ticks / Double(sysconf(Int32(_SC_CLK_TCK))), kilobytes / 1024)
    }

    static func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { text += chunk[..<count] }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Monotonic seconds.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Runs `body` on `count` threads of its own and waits for all; the first error is thrown.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let failure = FirstError()
    let threads = (0..<count).map { index in
        BenchThread {
            do { try body(index) } catch { failure.keep(error) }
        }
    }
    for thread in threads { thread.join() }
    try failure.throwIfAny()
}

private final class FirstError: Sendable {
    private let error = Mutex<(any Error)?>(nil)

    func keep(_ new: any Error) {
        error.withLock { $0 = $0 ?? new }
    }

    func throwIfAny() throws {
        if let error = error.withLock({ $0 }) { throw error }
    }
}

/// A thread of the operating system.
final class BenchThread {
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(body))
        pthread_create(
            &thread,
            nil,
            { pointer in
                if let pointer { Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            },
            box.toOpaque()
        )
    }

    func join() {
        pthread_join(thread, nil)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }
}
