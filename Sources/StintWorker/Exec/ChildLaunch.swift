// SPDX-License-Identifier: Apache-2.0

import CStintProcess

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A program to start.
struct ChildLaunch: Sendable {
    /// An absolute path.
    var program: String
    /// The first is the program's own name.
    var arguments: [String]
    /// `NAME=value`.
    var environment: [String]
    var input: [UInt8]
    /// What is kept of the output: its beginning.
    var outputBytesMax = 1 << 20
    /// What is kept of the error output: its end.
    var errorBytesMax = 8 << 10
    /// Between SIGTERM and SIGKILL.
    var killGraceSeconds = 5.0
}

/// Why a program could not be started.
struct ChildLaunchError: Error, CustomStringConvertible {
    var description: String

    init(_ what: String, code: Int32) {
        description = "\(what): \(String(cString: strerror(code)))"
    }
}

/// What a program left behind.
struct ChildEnd: Sendable {
    enum Status: Hashable, Sendable {
        case exited(Int32)
        case signalled(Int32)

        /// From the word that `waitpid` gives.
        init(waitStatus: Int32) {
            let signal = waitStatus & 0x7F
            self = signal == 0 ? .exited((waitStatus >> 8) & 0xFF) : .signalled(signal)
        }
    }

    var status: Status
    /// Whether it was told to end before it did.
    var wasTerminated: Bool
    var output: [UInt8]
    /// Bytes of output beyond what was kept.
    var outputDropped: Int
    var errorTail: [UInt8]

    /// It was told to end before it began.
    static let neverStarted = ChildEnd(
        status: .signalled(SIGTERM),
        wasTerminated: true,
        output: [],
        outputDropped: 0,
        errorTail: []
    )
}

// MARK: Starting

/// The ends of the pipes to a child that stay here; all are closed when it is executed.
struct ChildPipes {
    var input: Int32
    var output: Int32
    var error: Int32
}

extension ChildLaunch {
    /// Starts the program as the leader of a process group of its own.
    func spawn() throws(ChildLaunchError) -> (pid: pid_t, pipes: ChildPipes) {
        var open: [Int32] = []
        var isDone = false
        defer { if !isDone { for descriptor in open { close(descriptor) } } }
        var pairs: [(read: Int32, write: Int32)] = []
        for _ in 0..<3 {
            let pair = try Self.pipe()
            open += [pair.read, pair.write]
            pairs.append(pair)
        }
        let theirs = [pairs[0].read, pairs[1].write, pairs[2].write]
        let ours = ChildPipes(input: pairs[0].write, output: pairs[1].read, error: pairs[2].read)
        let pid = try spawn(standard: theirs)
        isDone = true
        for descriptor in theirs { close(descriptor) }
        for descriptor in [ours.input, ours.output, ours.error] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        return (pid, ours)
    }

    static func pipe() throws(ChildLaunchError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        let code = stint_pipe(&ends)
        guard code == 0 else { throw ChildLaunchError("no pipe", code: code) }
        return (ends[0], ends[1])
    }

    private func spawn(standard: [Int32]) throws(ChildLaunchError) -> pid_t {
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #else
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, descriptor) in standard.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
        }
        // Whatever another library has left open without the close-on-exec mark is no business of the child.
        stint_close_from(&actions, 3)
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        Self.resetSignals(&attributes)
        let arguments = CStringArray(arguments)
        let environment = CStringArray(environment)
        var pid = pid_t()
        let code = posix_spawn(&pid, program, &actions, &attributes, arguments.pointers, environment.pointers)
        guard code == 0 else { throw ChildLaunchError("\(program) cannot be started", code: code) }
        return pid
    }

    /// The child is to have no signal blocked or ignored, whatever this process does with them.
    #if canImport(Darwin)
    private static func resetSignals(_ attributes: inout posix_spawnattr_t?) {
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in defaultSignals { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )
    }
    #else
    private static func resetSignals(_ attributes: inout posix_spawnattr_t) {
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in defaultSignals { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )
    }
    #endif

    private static let defaultSignals = [
        SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2,
    ]
}

/// Strings as C takes an argument list: a list of pointers with a null at its end.
private final class CStringArray {
    private(set) var pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        pointers = strings.map { strdup($0) } + [nil]
    }

    deinit {
        for pointer in pointers { free(pointer) }
    }
}
