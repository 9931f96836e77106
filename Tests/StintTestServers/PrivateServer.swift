// SPDX-License-Identifier: Apache-2.0

import CTestServers
import Glibc
import Synchronization

/// Why a private server cannot be used; fails the test.
package struct PrivateServerError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// A child process that serves one test: it is started, frozen and stopped by its id, never by its name.
final class ServerProcess: Sendable {
    let pid: pid_t
    private let isReaped = Mutex(false)

    /// - Parameter log: A file that is given what the process says.
    init(_ command: [String], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // Sockets of other tests in this process would outlive their close in the child.
        test_servers_close_from(&actions, 3)
        let arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let result = posix_spawnp(&child, command[0], &actions, nil, arguments, environ)
        guard result == 0 else {
            throw PrivateServerError("cannot start \(command[0]): \(String(cString: strerror(result)))")
        }
        pid = child
        Leftovers.add(child)
    }

    deinit {
        stop(SIGKILL)
    }

    func signal(_ signal: Int32) {
        isReaped.withLock { if !$0 { kill(pid, signal) } }
    }

    /// Ends the process and waits until it has gone.
    func stop(_ signal: Int32) {
        isReaped.withLock { isReaped in
            guard !isReaped else { return }
            kill(pid, signal)
            kill(pid, SIGCONT)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            isReaped = true
            Leftovers.remove(pid)
        }
    }

    /// Whether it has ended by itself.
    var hasEnded: Bool {
        isReaped.withLock { isReaped in
            var status: Int32 = 0
            if !isReaped, waitpid(pid, &status, WNOHANG) == pid {
                isReaped = true
                Leftovers.remove(pid)
            }
            return isReaped
        }
    }
}

/// What lives as long as the test process at most: a server that all tests share is never let go of.
private enum Leftovers {
    private struct State {
        var isArmed = false
        var children: Set<pid_t> = []
        var directories: Set<String> = []
    }

    private static let state = Mutex(State())

    static func add(_ pid: pid_t) {
        change { $0.children.insert(pid) }
    }

    static func remove(_ pid: pid_t) {
        change { $0.children.remove(pid) }
    }

    static func add(directory path: String) {
        change { $0.directories.insert(path) }
    }

    static func remove(directory path: String) {
        change { $0.directories.remove(path) }
    }

    private static func change(_ change: (inout State) -> Void) {
        state.withLock { state in
            if !state.isArmed { atexit { Leftovers.clean() } }
            state.isArmed = true
            change(&state)
        }
    }

    private static func clean() {
        let left = state.withLock { $0 }
        for pid in left.children {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        for path in left.directories { TemporaryDirectory.remove(path) }
    }
}

/// A directory that goes when it is no longer used.
final class TemporaryDirectory: Sendable {
    let path: String

    init(_ name: String) throws {
        var template = Array("/tmp/\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw PrivateServerError("cannot make a temporary directory") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        Leftovers.add(directory: path)
    }

    deinit {
        Self.remove(path)
        Leftovers.remove(directory: path)
    }

    /// The files of a private server lie flat.
    static func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { unlink("\(path)/\(name)") }
            }
            closedir(directory)
        }
        rmdir(path)
    }
}

/// A port of 127.0.0.1 that nobody listens on now.
///
/// Below those that the system gives to clients, so that it is still free when a server is started on it again.
func freePort() throws -> Int {
    for _ in 0..<1000 {
        let port = PortCounter.next()
        if isFree(port) { return port }
    }
    throw PrivateServerError("no free port")
}

/// Counts through the ports, from a place of each test process's own.
private enum PortCounter {
    private static let ports = 20_000..<32_000
    private static let given = Mutex(Int(getpid()) &* 97)

    static func next() -> Int {
        given.withLock { given in
            given &+= 1
            return ports.lowerBound + given % ports.count
        }
    }
}

private func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
