// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes

/// HTTP/1.1 with protection against clients that are slow on purpose: a request must be complete, and an answer must be
/// taken, within a set time.
///
/// Hummingbird's own idle time-out starts anew with every byte and does not run while an answer is written.
struct GuardedChannel: ServerChildChannel {
    /// Bounds of one connection.
    struct Limits: Sendable {
        /// From a request's first byte to its last.
        var requestTimeMax = TimeAmount.seconds(30)
        /// While nothing of an answer can be sent.
        var stalledAnswerTimeMax = TimeAmount.seconds(30)
        var idleTimeMax = TimeAmount.seconds(75)
        var headerBytesMax = 32 << 10
        var headerFieldBytesMax = 16 << 10
        var headerFieldsMax = 100
    }

    private let http: HTTP1Channel
    private let limits: Limits

    private let watch: ConnectionWatch?

    /// - Parameter watch: Told of closed connections; then a client that ends its side counts as gone.
    init(responder: @escaping HTTPChannelHandler.Responder, limits: Limits = Limits(), watch: ConnectionWatch? = nil) {
        self.limits = limits
        self.watch = watch
        http = HTTP1Channel(
            responder: responder,
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [RequestEndHandler()],
                idleTimeout: limits.idleTimeMax,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerFieldBytesMax,
                    maxHeaderListSize: limits.headerBytesMax,
                    maxHeaderFieldCount: limits.headerFieldsMax
                )
            )
        )
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(SlowClientHandler(limits: limits, watch: watch))
        }.flatMap {
            http.setup(channel: channel, logger: logger)
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }
}

/// Stands before the HTTP decoder and closes the connection when a request takes too long to arrive or an answer to
/// leave.
///
/// Confined to its channel's event loop.
private final class SlowClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData

    private let limits: GuardedChannel.Limits
    private let watch: ConnectionWatch?
    private var requestSince: NIODeadline?
    /// Requests that came whole, less answers that were given; an early answer makes it negative for a while.
    private var unanswered = 0
    /// Whether more came while an answer was made: its time begins when that has been given.
    private var hasMore = false
    private var stalledSince: NIODeadline?
    private var timer: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(limits: GuardedChannel.Limits, watch: ConnectionWatch?) {
        self.limits = limits
        self.watch = watch
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if unanswered > 0 { hasMore = true } else { begin(context) }
        context.fireChannelRead(data)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard requestSince == nil else { return }
        requestSince = .now()
        arm(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if watch != nil, case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        watch?.closed(ObjectIdentifier(context.channel))
        context.fireChannelInactive()
    }

    func requestEnded() {
        requestSince = nil
        unanswered += 1
    }

    func answerEnded() {
        unanswered -= 1
        guard unanswered <= 0, hasMore, let context else { return }
        hasMore = false
        begin(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stalledSince = context.channel.isWritable ? nil : .now()
        if stalledSince != nil { arm(context) }
        context.fireChannelWritabilityChanged()
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        self.context = nil
    }

    /// One timer at a time: it looks again when it goes off, so that a busy connection sets it rarely.
    private func arm(_ context: ChannelHandlerContext) {
        guard timer == nil, let due = nextDue else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            let (handler, context) = bound.value
            handler.timer = nil
            if let due = handler.nextDue, due <= .now() { return context.close(promise: nil) }
            handler.arm(context)
        }
    }

    private var nextDue: NIODeadline? {
        [
            requestSince.map { $0 + limits.requestTimeMax },
            stalledSince.map { $0 + limits.stalledAnswerTimeMax },
        ].compactMap { $0 }.min()
    }
}

/// Stands behind the HTTP decoder and tells the ``SlowClientHandler`` that a request or its answer is complete.
private final class RequestEndHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var slowClientHandler: SlowClientHandler?

    func handlerAdded(context: ChannelHandlerContext) {
        slowClientHandler = try? context.pipeline.syncOperations.handler(type: SlowClientHandler.self)  // set up above
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end = unwrapInboundIn(data) { slowClientHandler?.requestEnded() }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { slowClientHandler?.answerEnded() }
        context.write(data, promise: promise)
    }
}
