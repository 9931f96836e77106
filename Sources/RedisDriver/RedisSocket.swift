// SPDX-License-Identifier: Apache-2.0

import CHiredis
import Glibc

/// One connection to Redis: hiredis's context, used by one thread at a time.
///
/// Every wait has a deadline. After an error the socket is useless and must be dropped.
final class RedisSocket {
    private let context: UnsafeMutablePointer<redisContext>
    private let timeout: Duration
    private var outgoing: [UInt8] = []

    /// Connects, authenticates and selects the database.
    init(_ configuration: RedisConfiguration) throws(RedisError) {
        let wait = timeval(configuration.connectTimeout)
        guard let context = redisConnectWithTimeout(configuration.host, Int32(configuration.port), wait) else {
            throw RedisError(.notConnected, "cannot connect to Redis: out of memory")
        }
        self.context = context
        timeout = configuration.commandTimeout
        guard context.pointee.err == 0 else {
            throw RedisError(
                .notConnected,
                "cannot connect to Redis at \(configuration.address): \(Self.reason(context))"
            )
        }
        // Bounds writing; reading is bounded by `poll`.
        _ = redisSetTimeout(context, timeval(configuration.commandTimeout))
        _ = redisEnableKeepAlive(context)
        try greet(configuration)
    }

    deinit {
        redisFree(context)
    }

    private func greet(_ configuration: RedisConfiguration) throws(RedisError) {
        var greetings: [RedisCommand] = []
        if let password = configuration.password {
            var command = RedisCommand("AUTH")
            if let username = configuration.username { command.append(username) }
            command.append(password)
            greetings.append(command)
        }
        if configuration.database != 0 { greetings.append(RedisCommand("SELECT", String(configuration.database))) }
        greetings.append(RedisCommand("PING"))
        for reply in try roundTrip(greetings) { _ = try reply.get() }
    }

    /// Sends the commands together and waits for all their answers.
    func roundTrip(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply] {
        try write(commands)
        var replies: [RedisReply] = []
        replies.reserveCapacity(commands.count)
        var deadline = ContinuousClock.now + timeout
        while replies.count < commands.count {
            if let reply = try nextBuffered() {
                replies.append(reply)
                continue
            }
            guard try hasInput(until: deadline) else {
                throw RedisError(.timedOut, "Redis did not answer within \(timeout)")
            }
            try fill()
            deadline = ContinuousClock.now + timeout
        }
        return replies
    }

    /// Sends without waiting for answers.
    ///
    /// Not with hiredis's own writer, which would raise SIGPIPE when the server has gone.
    func write(_ commands: [RedisCommand]) throws(RedisError) {
        outgoing.removeAll(keepingCapacity: true)
        for command in commands { command.encode(into: &outgoing) }
        var sent = 0
        while sent < outgoing.count {
            let count = outgoing.withUnsafeBytes { bytes in
                send(context.pointee.fd, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                throw RedisError(.timedOut, "Redis took nothing for \(timeout)")
            } else if errno != EINTR {
                throw RedisError(.connectionLost, "the connection to Redis broke: \(String(cString: strerror(errno)))")
            }
        }
        // A burst must not keep its memory for ever.
        if outgoing.capacity > 4 << 20 { outgoing = [] }
    }

    /// The next answer that has arrived, nil when none is complete.
    func nextBuffered() throws(RedisError) -> RedisReply? {
        var raw: UnsafeMutableRawPointer?
        guard redisGetReplyFromReader(context, &raw) == REDIS_OK else { throw lost() }
        guard let raw else { return nil }
        defer { freeReplyObject(raw) }
        return RedisReply(raw.assumingMemoryBound(to: redisReply.self))
    }

    /// Reads what has arrived; to be called when there is input.
    func fill() throws(RedisError) {
        guard redisBufferRead(context) == REDIS_OK else { throw lost() }
    }

    /// Waits for input or the end of the connection; false at the deadline.
    func hasInput(until deadline: ContinuousClock.Instant) throws(RedisError) -> Bool {
        while true {
            let left = max(.zero, ContinuousClock.now.duration(to: deadline)).milliseconds
            var descriptor = pollfd(fd: context.pointee.fd, events: Int16(POLLIN), revents: 0)
            let count = poll(&descriptor, 1, Int32(clamping: left))
            if count > 0 { return true }
            if count == 0 { return false }
            guard errno == EINTR else { throw RedisError(.connectionLost, "the connection to Redis broke") }
        }
    }

    private func lost() -> RedisError {
        RedisError(.connectionLost, "the connection to Redis broke: \(Self.reason(context))")
    }

    /// The library's own words: the system's text for an error, never data.
    private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: &context.pointee.errstr) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension timeval {
    fileprivate init(_ duration: Duration) {
        let parts = duration.components
        self.init(tv_sec: Int(parts.seconds), tv_usec: Int(parts.attoseconds / 1_000_000_000_000))
    }
}

extension Duration {
    /// Whole milliseconds, rounded up.
    var milliseconds: Int64 {
        components.seconds * 1000 + (components.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
