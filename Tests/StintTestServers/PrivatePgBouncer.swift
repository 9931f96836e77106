// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A PgBouncer in transaction mode in front of a ``PrivatePostgres``, on a free port.
package final class PrivatePgBouncer: Sendable {
    package let port: Int
    private let directory: String
    private let process = Mutex<ServerProcess?>(nil)

    package init(_ server: PrivatePostgres) throws {
        port = try freePort()
        directory = try PostgresFiles.makeDirectory("stint-pgbouncer")
        let password = PrivatePostgres.password
        let configuration = """
            [databases]
            * = host=127.0.0.1 port=\(server.port) user=postgres password='\(password)'
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            max_client_conn = 500
            default_pool_size = 8
            server_idle_timeout = 2
            logfile = \(directory)/pgbouncer.log
            """
        let path = directory + "/pgbouncer.ini"
        try PostgresFiles.write(configuration + "\n", to: path)
        let command = PostgresFiles.asPostgres(["/usr/sbin/pgbouncer", path])
        let bouncer = try ServerProcess(command, log: directory + "/log")
        process.withLock { $0 = bouncer }
        for _ in 0..<600 {
            if isListening() { return }
            if bouncer.hasEnded {
                throw PrivateServerError("pgbouncer ended at once: is the package pgbouncer installed?")
            }
            usleep(20_000)  // as in PrivatePostgres
        }
        throw PrivateServerError("pgbouncer does not listen")
    }

    deinit {
        process.withLock { $0?.stop(SIGINT) }
        PostgresFiles.remove(directory)
    }

    private func isListening() -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return LoopbackAddress.with(port) { connect(descriptor, $0, $1) == 0 }
    }
}

/// 127.0.0.1 as the C library wants it.
enum LoopbackAddress {
    static func with<Value>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }
}
