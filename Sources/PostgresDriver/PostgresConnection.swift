// SPDX-License-Identifier: Apache-2.0

import CPostgreSQL
import Glibc

/// One connection, used by one thread at a time.
///
/// Calls block that thread, but never longer than their deadline: libpq is used without blocking, and every wait is a `poll` of our
/// own, so that a peer that went silent costs a caller a bounded time.
package final class PostgresConnection {
    /// A statement's plan is kept for at most this many texts.
    static let preparedMax = 256
    /// The server's own time-out should strike first; after this much more the connection is given up.
    static let marginMilliseconds = 2000

    let handle: OpaquePointer
    let configuration: PostgresConfiguration
    /// Names of the statements that the server keeps, by text.
    var prepared: [String: String] = [:]
    /// Nothing more can be done with it.
    package internal(set) var isBroken = false
    /// Whether a transaction is open, in good or bad order.
    package internal(set) var isInTransaction = false

    private init(handle: OpaquePointer, configuration: PostgresConfiguration) {
        self.handle = handle
        self.configuration = configuration
    }

    deinit {
        PQfinish(handle)
    }

    package static func open(_ configuration: PostgresConfiguration) throws(PostgresError) -> PostgresConnection {
        let words = configuration.connectionWords
        let handle = Self.withCStrings(words.map(\.keyword)) { keywords in
            Self.withCStrings(words.map(\.value)) { values in PQconnectStartParams(keywords, values, 0) }
        }
        guard let handle else { throw PostgresError(.unreachable, "libpq has no memory for a connection") }
        // Notices would go to the process's standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        let connection = PostgresConnection(handle: handle, configuration: configuration)
        try connection.finishConnecting()
        return connection
    }

    private func finishConnecting() throws(PostgresError) {
        let deadline = MonotonicClock.deadline(afterMilliseconds: configuration.connectTimeoutMilliseconds)
        var wanted = PGRES_POLLING_WRITING
        guard PQstatus(handle) != CONNECTION_BAD else { throw connectFailure() }
        while wanted != PGRES_POLLING_OK {
            let events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard Self.wait(PQsocket(handle), for: Int16(events), until: deadline) != 0 else {
                throw PostgresError(.unreachable, "no answer from \(configuration.displayName) while connecting")
            }
            wanted = PQconnectPoll(handle)
            if wanted == PGRES_POLLING_FAILED { throw connectFailure() }
        }
        guard PQsetnonblocking(handle, 1) == 0, PQenterPipelineMode(handle) == 1 else { throw connectFailure() }
    }

    private func connectFailure() -> PostgresError {
        isBroken = true
        return PostgresError(.unreachable, "cannot connect to \(configuration.displayName): \(lastWords())")
    }

    /// What libpq says of the connection; it never quotes a password.
    func lastWords() -> String {
        let text = String(cString: PQerrorMessage(handle))
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.isEmpty ? "the connection is gone" : line
    }

    /// The server process that serves this connection, as it says itself.
    package var serverProcess: Int32 { PQbackendPID(handle) }

    /// Whether nothing has come in while it was idle: a server that goes away says farewell, or the connection just
    /// ends.
    ///
    /// Seldom it is only a notice or a changed setting; a new connection is the simple answer to all of these.
    package func isHealthy() -> Bool {
        guard !isBroken else { return false }
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        isBroken = poll(&descriptor, 1, 0) != 0
        return !isBroken
    }

    /// Something to interrupt this connection's statement with, from any thread.
    package func canceller() -> PostgresCanceller? {
        PQgetCancel(handle).map(PostgresCanceller.init)
    }

    // MARK: Waiting

    /// The events that came, 0 when the deadline did first.
    static func wait(_ socket: Int32, for events: Int16, until deadline: Int64) -> Int16 {
        var descriptor = pollfd(fd: socket, events: events, revents: 0)
        while true {
            let left = deadline - MonotonicClock.nanoseconds()
            guard left > 0 else { return 0 }
            let count = poll(&descriptor, 1, Int32(clamping: left / 1_000_000 + 1))
            if count > 0 { return descriptor.revents }
            if count < 0, errno != EINTR { return Int16(POLLERR) }
        }
    }

    /// Calls with a C array of C strings that ends with a null pointer.
    private static func withCStrings<Value>(
        _ strings: [String],
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Value
    ) -> Value {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        let pointers = copies.map { $0.map { UnsafePointer($0) } } + [nil]
        return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}

/// Asks the server to give up what a connection is doing.
///
/// SAFETY: libpq's cancel object is made to be used from other threads; it holds a copy of the address and key and is never changed.
package final class PostgresCanceller: @unchecked Sendable {
    private let handle: OpaquePointer

    fileprivate init(handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        PQfreeCancel(handle)
    }

    /// Blocks while it connects; the interrupted statement fails with SQLSTATE 57014.
    package func cancel() {
        var words = [CChar](repeating: 0, count: 256)
        _ = PQcancel(handle, &words, Int32(words.count))
    }
}
