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
    ///
    /// To be called on an ``OwnThread`` that lives longer than the program: where the system can, it kills the program when
    /// that thread ends.
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
        let arguments = CStringArray(arguments)
        let environment = CStringArray(environment)
        var pid = pid_t()
        let code = stint_spawn(&pid, program, arguments.pointers, environment.pointers, standard)
        guard code == 0 else { throw ChildLaunchError("\(program) cannot be started", code: code) }
        return pid
    }
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
