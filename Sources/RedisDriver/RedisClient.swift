// SPDX-License-Identifier: Apache-2.0

import Dispatch
package import Logging
import Synchronization

/// A connection to Redis that many share: what they send while a round trip is under way goes out together in the next.
///
/// It connects again for ever. While Redis is away callers fail at once; nobody waits longer than the command time-out for
/// the round trip under way and for their own.
package final class RedisClient: Sendable {
    package let configuration: RedisConfiguration
    private let room: Mutex<WaitingRoom>
    private let serverRun = Mutex("")
    private let queue = DispatchQueue(label: "stint.redis")
    private let desk: Desk
    let digests = Mutex<[String: String]>([:])

    /// Creates a client that does nothing until ``connect()``.
    package init(_ configuration: RedisConfiguration, logger: Logger) {
        self.configuration = configuration
        room = Mutex(WaitingRoom(configuration))
        desk = Desk(configuration, logger)
    }

    /// Whether commands can be sent now.
    package var isUp: Bool { room.withLock { $0.status == .up } }

    /// Names the server's present run: it changes when the server restarts or another takes its place; empty when the server
    /// does not tell.
    package var serverRunID: String { serverRun.withLock { $0 } }

    /// Connects; to be called once.
    ///
    /// - Throws: Why the first connection failed; trying goes on all the same.
    package func connect() async throws(RedisError) {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Void, RedisError>, Never>) in
            queue.async {
                let result = self.open()
                self.scheduleIdleCheck()
                continuation.resume(returning: result)
            }
        }
        try result.get()
    }

    /// Sends commands together and in order.
    ///
    /// - Returns: One reply each, in order; a server's error is a reply.
    /// - Throws: When the connection could not carry all of them; some may have been carried out.
    package func send(_ commands: [RedisCommand]) async throws(RedisError) -> [RedisReply] {
        guard !commands.isEmpty else { return [] }
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<[RedisReply], RedisError>, Never>) in
            admit(WaitingRoom.Group(commands: commands) { continuation.resume(returning: $0) })
        }
        return try result.get()
    }

    /// Sends one command; a server's error is thrown.
    package func call(_ command: RedisCommand) async throws(RedisError) -> RedisReply {
        let replies = try await send([command])
        guard let reply = replies.first else { throw RedisError(.unexpectedReply, "Redis gave no reply") }
        return try reply.get()
    }

    /// Sends commands and waits for nothing; what cannot be sent is dropped.
    package func post(_ commands: [RedisCommand]) {
        guard !commands.isEmpty else { return }
        admit(WaitingRoom.Group(commands: commands) { _ in })
    }

    /// Closes the connection; everybody who waits gets an error.
    package func close() async {
        let evicted = room.withLock { $0.close() }
        for group in evicted { group.answer(.failure(RedisError(.closed, "the Redis client is closed"))) }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            queue.async {
                self.desk.socket = nil
                continuation.resume()
            }
        }
    }

    private func admit(_ group: WaitingRoom.Group) {
        switch room.withLock({ $0.admit(group) }) {
        case .waits(let mustServe): if mustServe { queue.async { self.serve() } }
        case .refused(let error): group.answer(.failure(error))
        }
    }
}

// MARK: - On the queue

extension RedisClient {
    /// What belongs to the serial queue.
    ///
    /// `@unchecked Sendable`: the only reference is private to ``RedisClient``, and everything in it is touched by blocks of its serial
    /// queue alone, so never by two threads at once.
    private final class Desk: @unchecked Sendable {
        var socket: RedisSocket?
        var pause: ReconnectPause
        var log: OutageLog
        var lastUse = ContinuousClock.now

        init(_ configuration: RedisConfiguration, _ logger: Logger) {
            pause = ReconnectPause(configuration)
            log = OutageLog(logger, configuration, purpose: "commands")
        }
    }

    /// Round trips until nothing waits.
    private func serve() {
        while true {
            let groups = room.withLock { $0.nextRoundTrip() }
            if groups.isEmpty { return }
            carryOut(groups)
        }
    }

    private func carryOut(_ groups: [WaitingRoom.Group]) {
        let outcome: Result<[RedisReply], RedisError>
        do throws(RedisError) {
            guard let socket = desk.socket else { throw RedisError(.notConnected, "Redis is away") }
            outcome = .success(try socket.roundTrip(groups.flatMap(\.commands)))
            desk.lastUse = .now
        } catch {
            outcome = .failure(error)
        }
        switch outcome {
        case .success(let replies):
            var next = 0
            for group in groups {
                group.answer(.success(Array(replies[next..<next + group.commands.count])))
                next += group.commands.count
            }
        case .failure(let error):
            if desk.socket != nil { wentAway(error) }
            for group in groups { group.answer(.failure(error)) }
        }
    }

    private func wentAway(_ error: RedisError) {
        desk.socket = nil
        let evicted = room.withLock { $0.disconnected(error) }
        desk.log.wentAway(error)
        for group in evicted { group.answer(.failure(error)) }
        let pause = desk.pause.next()
        queue.asyncAfter(deadline: .now() + .milliseconds(Int(pause.milliseconds))) { [weak self] in
            _ = self?.open()
        }
    }

    private func open() -> Result<Void, RedisError> {
        guard room.withLock({ $0.status != .closed }), desk.socket == nil else { return .success(()) }
        do throws(RedisError) {
            let socket = try RedisSocket(configuration)
            let run = try Self.runID(socket)
            serverRun.withLock { $0 = run }
            desk.socket = socket
        } catch {
            wentAway(error)
            return .failure(error)
        }
        desk.pause.succeeded()
        desk.log.cameBack()
        desk.lastUse = .now
        room.withLock { $0.connected() }
        return .success(())
    }

    private static func runID(_ socket: RedisSocket) throws(RedisError) -> String {
        // A user may be allowed to do everything but this.
        guard let text = try socket.roundTrip([RedisCommand("INFO", "server")]).first?.asText else { return "" }
        return RedisInfo(text)["run_id"] ?? ""
    }

    /// Finds out that the server has gone before a caller does.
    private func scheduleIdleCheck() {
        let wait = DispatchTimeInterval.milliseconds(Int(configuration.idleCheck.milliseconds))
        queue.asyncAfter(deadline: .now() + wait) { [weak self] in
            guard let self, self.room.withLock({ $0.status != .closed }) else { return }
            self.checkIdle()
            self.scheduleIdleCheck()
        }
    }

    private func checkIdle() {
        guard let socket = desk.socket, desk.lastUse.duration(to: .now) >= configuration.idleCheck else { return }
        do throws(RedisError) {
            _ = try socket.roundTrip([RedisCommand("PING")])
            desk.lastUse = .now
        } catch {
            wentAway(error)
        }
    }
}
