// SPDX-License-Identifier: Apache-2.0

import Dispatch
package import Logging
import Synchronization

/// A connection that listens to one channel, and subscribes again for ever.
package final class RedisSubscriber: Sendable {
    package enum Event: Hashable, Sendable {
        /// Listening begins, or something was missed: earlier messages may have passed unheard.
        case subscribed
        case message([UInt8])
    }

    /// Messages that may wait for a slow reader; more are dropped, which counts as a gap.
    private static let waitingMax = 4096
    /// How often the thread looks whether it is to stop.
    private static let tick = Duration.milliseconds(250)

    private let configuration: RedisConfiguration
    private let channel: String
    private let queue = DispatchQueue(label: "stint.redis.subscriber")
    private let isStopped = Atomic(false)
    private let desk: Desk

    package init(_ configuration: RedisConfiguration, channel: String, logger: Logger) {
        self.configuration = configuration
        self.channel = channel
        desk = Desk(configuration, logger)
    }

    /// Starts listening, until the stream is let go of or its task is cancelled.
    ///
    /// To be called once.
    package func events() -> AsyncStream<Event> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self,
            bufferingPolicy: .bufferingOldest(Self.waitingMax)
        )
        continuation.onTermination = { _ in self.isStopped.store(true, ordering: .relaxed) }
        queue.async { self.listen(continuation) }
        return stream
    }
}

// MARK: - On the queue

extension RedisSubscriber {
    /// What belongs to the serial queue.
    ///
    /// `@unchecked Sendable`: the only reference is private to ``RedisSubscriber``, and everything in it is touched by blocks of its
    /// serial queue alone.
    private final class Desk: @unchecked Sendable {
        var pause: ReconnectPause
        var log: OutageLog
        /// A message was dropped, and the reader does not know yet.
        var hasGap = false

        init(_ configuration: RedisConfiguration, _ logger: Logger) {
            pause = ReconnectPause(configuration)
            log = OutageLog(logger, configuration, purpose: "subscription")
        }
    }

    private typealias Sink = AsyncStream<Event>.Continuation

    private var mustStop: Bool { isStopped.load(ordering: .relaxed) }

    private func listen(_ sink: Sink) {
        guard !mustStop else { return }
        do throws(RedisError) {
            try listenOnce(sink)
        } catch {
            desk.log.wentAway(error)
        }
        guard !mustStop else { return }
        let pause = desk.pause.next()
        queue.asyncAfter(deadline: .now() + .milliseconds(Int(pause.milliseconds))) { self.listen(sink) }
    }

    /// One connection, until it breaks or listening ends.
    private func listenOnce(_ sink: Sink) throws(RedisError) {
        let socket = try RedisSocket(configuration)
        try socket.write([RedisCommand("SUBSCRIBE", channel)])
        var silentSince = ContinuousClock.now
        var isTriedOut = true  // an answer is due, to SUBSCRIBE
        while !mustStop {
            while let reply = try socket.nextBuffered() { try hear(reply, sink) }
            if desk.hasGap { deliver(.subscribed, to: sink) }
            if try socket.hasInput(until: .now + Self.tick) {
                try socket.fill()
                silentSince = .now
                isTriedOut = false
            } else if silentSince.duration(to: .now) > configuration.commandTimeout {
                guard !isTriedOut else { throw RedisError(.timedOut, "Redis did not answer") }
                try socket.write([RedisCommand("PING")])
                silentSince = .now
                isTriedOut = true
            }
        }
    }

    private func hear(_ reply: RedisReply, _ sink: Sink) throws(RedisError) {
        guard let parts = try reply.get().asArray, let kind = parts.first?.asText else { return }
        switch kind {
        case "subscribe":
            desk.pause.succeeded()
            desk.log.cameBack()
            deliver(.subscribed, to: sink)
        case "message":
            if parts.count == 3, let bytes = parts[2].asBytes { deliver(.message(bytes), to: sink) }
        default: break  // the answer to PING
        }
    }

    private func deliver(_ event: Event, to sink: Sink) {
        switch sink.yield(event) {
        case .dropped: desk.hasGap = true
        case .enqueued: if event == .subscribed { desk.hasGap = false }
        default: break  // terminated: listening ends at the next tick
        }
    }
}
