// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A Redis of a test's own: Debian's `redis-server` on a free port, with its files in a temporary directory.
///
/// It is stopped when it is let go of.
package final class PrivateRedis: Sendable {
    package let port: Int
    private let directory: TemporaryDirectory
    private let password: String?
    private let settings: [String]
    private let process = Mutex<ServerProcess?>(nil)

    /// Starts it and waits until it takes connections.
    ///
    /// - Parameter settings: More of its command line, such as `["--maxmemory", "4mb"]`.
    package init(password: String? = nil, settings: [String] = []) throws {
        directory = try TemporaryDirectory("stint-redis")
        self.password = password
        self.settings = settings
        // Somebody else may take a free port first.
        for _ in 0..<5 {
            let port = try freePort()
            if let server = try Self.start(port, directory, password, settings) {
                self.port = port
                process.withLock { $0 = server }
                return
            }
        }
        throw PrivateServerError("redis-server ends at once")
    }

    /// Starts it again on its port, after ``kill()``.
    package func start() throws {
        guard let server = try Self.start(port, directory, password, settings) else {
            throw PrivateServerError("redis-server ended at once")
        }
        process.withLock { $0 = server }
    }

    /// Nil when it ended by itself: the port is in use.
    private static func start(
        _ port: Int,
        _ directory: TemporaryDirectory,
        _ password: String?,
        _ settings: [String]
    ) throws -> ServerProcess? {
        var command = [
            "redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--dir", directory.path, "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--databases", "16",
        ]
        if let password { command += ["--requirepass", password] }
        let server = try ServerProcess(command + settings, log: directory.path + "/log")
        for _ in 0..<1_500 {
            if server.hasEnded { return nil }
            if isAnswering(port) { return server }
            usleep(10_000)  // between two looks at another process, which cannot call us; the loop bounds them
        }
        throw PrivateServerError("redis-server does not answer")
    }

    /// As a power cut.
    package func kill() {
        process.withLock { $0?.stop(SIGKILL) }
    }

    /// It keeps its connections and answers nothing until ``thaw()``.
    package func freeze() {
        process.withLock { $0?.signal(SIGSTOP) }
    }

    package func thaw() {
        process.withLock { $0?.signal(SIGCONT) }
    }

    package func flushAll() throws {
        try run("FLUSHALL")
    }

    /// Keeps what is there now for a ``restart()`` at any later time.
    package func saveSnapshot() throws {
        try run("SAVE")
    }

    /// Starts it again with what the last snapshot holds: nothing, when there was none.
    package func restart() throws {
        kill()
        try start()
    }

    /// Carries out one command whose words hold no spaces, and returns the answer's text as the protocol writes it.
    @discardableResult
    package func run(_ command: String) throws -> String {
        let text = try Self.exchange(port, (password.map { "AUTH \($0)\r\n" } ?? "") + command + "\r\nQUIT\r\n")
        guard !text.contains("\r\n-"), !text.hasPrefix("-") else { throw PrivateServerError("redis-server: \(text)") }
        return text
    }

    private static func isAnswering(_ port: Int) -> Bool {
        guard let text = try? exchange(port, "PING\r\nQUIT\r\n") else { return false }  // not listening yet
        return text.contains("+PONG") || text.contains("-NOAUTH")
    }

    /// Sends lines over a connection of its own and returns everything that comes back.
    private static func exchange(_ port: Int, _ lines: String) throws -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw PrivateServerError("cannot connect to the private Redis") }
        _ = lines.withCString { send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = recv(descriptor, &chunk, chunk.count, 0), count > 0 { answer += chunk[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }
}
