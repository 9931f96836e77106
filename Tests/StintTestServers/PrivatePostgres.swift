// SPDX-License-Identifier: Apache-2.0

import CTestServers
import Glibc
import Synchronization

/// A PostgreSQL server of a test's own: a fresh cluster on a free port and a Unix socket, flushing as in earnest.
///
/// It refuses to run as root, so it runs as Debian's user `postgres`. It is stopped and its files go when it is let go of.
package final class PrivatePostgres: Sendable {
    /// What the superuser `postgres` logs in with: characters that a URL must escape.
    package static let password = "p@ss/w:rd %1"
    private static let programs = "/usr/lib/postgresql/15/bin"

    package let port: Int
    /// Also where the Unix socket is.
    package let directory: String
    private let settings: [String]
    private let process = Mutex<ServerProcess?>(nil)

    /// Makes a cluster, starts the server and waits until it takes connections.
    ///
    /// - Parameter settings: As `name=value`.
    package init(settings: [String] = []) throws {
        port = try freePort()
        directory = try PostgresFiles.makeDirectory("stint-postgres")
        self.settings = settings
        let passwordFile = directory + "/password"
        try PostgresFiles.write(Self.password + "\n", to: passwordFile)
        try PostgresFiles.run(
            PostgresFiles.asPostgres([
                Self.programs + "/initdb", "--pgdata", directory + "/data", "--username", "postgres", "--auth",
                "scram-sha-256", "--pwfile", passwordFile, "--encoding", "UTF8", "--locale", "C", "--no-sync",
            ]),
            log: directory + "/initdb.log"
        )
        try start()
    }

    deinit {
        stop()
        PostgresFiles.remove(directory)
    }

    // MARK: Life

    package func start() throws {
        var command = [
            Self.programs + "/postgres", "-D", directory + "/data", "-p", "\(port)", "-k", directory, "-c",
            "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=128MB",
        ]
        for setting in settings { command += ["-c", setting] }
        let server = try ServerProcess(PostgresFiles.asPostgres(command), log: directory + "/log")
        process.withLock { $0 = server }
        for _ in 0..<600 {
            if isReady() { return }
            if server.hasEnded { throw PrivateServerError("the private PostgreSQL ended at once: see its log") }
            usleep(50_000)  // between two looks at another process, which cannot call us; the loop bounds them
        }
        throw PrivateServerError("the private PostgreSQL does not answer")
    }

    /// Ends it in order: open transactions are rolled back.
    package func stop() {
        process.withLock { $0?.stop(SIGINT) }
    }

    /// As a power cut, for the server's own memory.
    package func crash() {
        process.withLock { $0?.stop(SIGQUIT) }
    }

    /// It and all its processes keep their connections and answer nothing until ``thaw()``.
    package func freeze() {
        for pid in allProcesses() { kill(pid, SIGSTOP) }
    }

    package func thaw() {
        for pid in allProcesses() { kill(pid, SIGCONT) }
    }

    private func allProcesses() -> [pid_t] {
        guard let parent = process.withLock({ $0?.pid }) else { return [] }
        let children = PostgresFiles.read("/proc/\(parent)/task/\(parent)/children").split(separator: " ")
        return [parent] + children.compactMap { pid_t($0) }
    }

    private func isReady() -> Bool {
        let command = [Self.programs + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", "\(port)"]
        return (try? PostgresFiles.run(command, log: directory + "/ready.log")) != nil  // not yet
    }

    /// Makes it take TLS connections too, with a certificate of its own making; it must be started again.
    package func enableTLS() throws {
        let data = directory + "/data"
        try PostgresFiles.run(
            PostgresFiles.asPostgres([
                "openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-text", "-out", data + "/server.crt",
                "-keyout", data + "/server.key", "-subj", "/CN=localhost",
            ]),
            log: directory + "/openssl.log"
        )
        try execute("ALTER SYSTEM SET ssl = on")
        stop()
        try start()
    }

    // MARK: Use

    /// Where it is, over TCP.
    package func url(database: String = "postgres", port: Int? = nil) -> String {
        "postgres://postgres:p%40ss%2Fw%3Ard%20%251@127.0.0.1:\(port ?? self.port)/\(database)"
    }

    /// Carries out statements as the superuser.
    package func execute(_ sql: String, database: String = "postgres") throws {
        try PostgresFiles.run(
            [
                "env", "PGPASSWORD=" + Self.password, Self.programs + "/psql", "-h", "127.0.0.1", "-p", "\(port)", "-U",
                "postgres", "-d", database, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql,
            ],
            log: directory + "/psql.log"
        )
    }
}

/// Files and commands of private servers that run as `postgres`.
enum PostgresFiles {
    private static let leftovers = Mutex<Set<String>>([])
    private static let isArmed = Mutex(false)

    static func asPostgres(_ command: [String]) -> [String] {
        ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", "--"] + command
    }

    /// A directory that `postgres` owns; removed at the latest when the test process ends.
    static func makeDirectory(_ name: String) throws -> String {
        var template = Array("/tmp/\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw PrivateServerError("cannot make a temporary directory") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let user = getpwnam("postgres"), chown(path, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else {
            throw PrivateServerError("there is no user postgres: install the package postgresql")
        }
        isArmed.withLock { isArmed in
            if !isArmed { atexit { PostgresFiles.removeAll() } }
            isArmed = true
        }
        _ = leftovers.withLock { $0.insert(path) }
        return path
    }

    static func remove(_ directory: String) {
        _ = leftovers.withLock { $0.remove(directory) }
        try? run(["rm", "-rf", directory], log: "/dev/null")  // nobody needs it any more
    }

    private static func removeAll() {
        for directory in leftovers.withLock({ $0 }) { remove(directory) }
    }

    static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw PrivateServerError("cannot write \(path)") }
        defer { fclose(file) }
        fputs(text, file)
        chmod(path, 0o644)
    }

    static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Runs a command to its end.
    static func run(_ command: [String], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        let arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        // Sockets of other tests in this process would outlive their close in the child.
        test_servers_close_from(&actions, 3)
        guard posix_spawnp(&child, command[0], &actions, nil, arguments, environ) == 0 else {
            throw PrivateServerError("cannot start \(command[0])")
        }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        guard status == 0 else {
            throw PrivateServerError("\(command.first { $0.contains("/") } ?? command[0]) failed: \(read(log))")
        }
    }
}
