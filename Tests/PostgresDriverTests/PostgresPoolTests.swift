// SPDX-License-Identifier: Apache-2.0

import Dispatch
import PostgresDriver
import StintTestServers
import Synchronization
import Testing

@Suite("A pool of PostgreSQL connections")
struct PostgresPoolTests {
    @Test func opensNoMoreThanItsLimit() async throws {
        let pool = DriverServer.pool(
            try DriverServer.configuration(),
            connections: 3,
            waitMilliseconds: 60_000,
            waiters: 100
        )
        let processes = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<30 {
                group.addTask { try await ask(pool, "SELECT pg_backend_pid()::text FROM pg_sleep(0.01)") }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(processes.count <= 3)
        await pool.close()
    }

    @Test func refusesAtOnceWhenTooManyWait() async throws {
        let pool = DriverServer.pool(try DriverServer.configuration(), connections: 1, waiters: 0)
        let isHeld = Signal()
        let mayGo = Signal()
        let holder = Task {
            try await pool.withConnection { _ in
                isHeld.raise()
                mayGo.waitBlocking()
            }
        }
        await isHeld.wait()
        let error = try await awaitedError { _ = try await ask(pool, "SELECT 1::text") }
        #expect(error.kind == .timedOut)
        #expect(error.message.contains("too many"))
        mayGo.raise()
        try await holder.value
        #expect(try await ask(pool, "SELECT 'free'") == "free")
        await pool.close()
    }

    @Test func refusesWhoWaitedTooLong() async throws {
        let pool = DriverServer.pool(try DriverServer.configuration(), connections: 1, waitMilliseconds: 50)
        let isHeld = Signal()
        let mayGo = Signal()
        let holder = Task {
            try await pool.withConnection { _ in
                isHeld.raise()
                mayGo.waitBlocking()
            }
        }
        await isHeld.wait()
        let error = try await awaitedError { _ = try await ask(pool, "SELECT 1::text") }
        #expect(error.kind == .timedOut)
        mayGo.raise()
        try await holder.value
        await pool.close()
    }

    @Test func keepsOneEncryptedConnection() async throws {
        let server = try PrivatePostgres()
        try server.enableTLS()
        let pool = DriverServer.pool(try PostgresConfiguration(url: server.url() + "?sslmode=require"), connections: 1)
        let encrypted = "SELECT pg_backend_pid()::text FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"
        let first = try await ask(pool, encrypted)
        #expect(!first.isEmpty)
        for _ in 0..<50 { #expect(try await ask(pool, encrypted) == first) }
        let block = String(repeating: "x", count: 3_000_000)
        #expect(try await ask(pool, "SELECT '\(block)'") == block)
        await pool.close()
    }

    @Test func rollsBackWhatABodyLeavesOpen() async throws {
        let pool = DriverServer.pool(try DriverServer.configuration(), connections: 1)
        try await pool.withConnection { connection throws(PostgresError) in
            _ = try connection.run([.begin, PostgresStatement("CREATE TABLE left_open (n bigint)", isKept: false)])
        }
        #expect(try await ask(pool, "SELECT coalesce(to_regclass('left_open')::text, 'gone')") == "gone")
        await pool.close()
    }

    @Test func refusesEverythingOnceClosedAndClosesTwiceWithoutHarm() async throws {
        let pool = DriverServer.pool(try DriverServer.configuration())
        #expect(try await ask(pool, "SELECT 'open'") == "open")
        await pool.close()
        await pool.close()
        #expect(try await awaitedError { _ = try await ask(pool, "SELECT 'open'") }.kind == .closed)
    }
}

/// Something that happens once.
final class Signal: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let state = Mutex<(isRaised: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func raise() {
        let waiting = state.withLock { state in
            state.isRaised = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
        semaphore.signal()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isRaised = state.withLock { state in
                if !state.isRaised { state.waiting.append(continuation) }
                return state.isRaised
            }
            if isRaised { continuation.resume() }
        }
    }

    /// For a thread that may block.
    func waitBlocking() {
        semaphore.wait()
        semaphore.signal()
    }
}
