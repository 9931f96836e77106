// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP server on loopback that answers what a test tells it to and remembers what it was asked.
package final class StubServer: Sendable {
    package struct Request: Sendable {
        package var method: String
        package var uri: String
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]

        package var line: String { "\(method) \(uri)" }

        package var text: String { String(decoding: body, as: UTF8.self) }

        package func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    package enum Answer: Sendable {
        case reply(Int, _ body: String = "", headers: [(name: String, value: String)] = [])
        /// Closes the connection without a word.
        case close
        /// Never answers.
        case silence
    }

    /// How requests are answered.
    package struct Plan: Sendable {
        fileprivate var answer: @Sendable (_ request: Request, _ number: Int) -> Answer

        /// - Parameter answer: Gets the request, and how many came before it.
        package init(_ answer: @escaping @Sendable (_ request: Request, _ number: Int) -> Answer) {
            self.answer = answer
        }

        /// One after the other; the last for all that follow.
        package static func answers(_ answers: Answer...) -> Plan {
            Plan { _, number in answers[min(number, answers.count - 1)] }
        }
    }

    package let url: String
    private let channel: any Channel
    private let log: Log

    package init(_ plan: Plan) async throws {
        let log = Log(plan: plan)
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        self.log = log
        url = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)"
    }

    /// Everything it was asked, in order.
    package var requests: [Request] { log.requests }

    package func stop() async throws {
        try await channel.close()
    }

    /// Runs `body` against a server that is stopped afterwards.
    package static func with<Result>(
        _ plan: Plan,
        _ body: (StubServer) async throws -> Result
    ) async throws -> Result {
        let server = try await StubServer(plan)
        do {
            let result = try await body(server)
            try await server.stop()
            return result
        } catch {
            try await server.stop()
            throw error
        }
    }
}

/// What was asked, and how it is answered.
private final class Log: Sendable {
    private let plan: StubServer.Plan
    private let seen = Mutex<[StubServer.Request]>([])

    init(plan: StubServer.Plan) {
        self.plan = plan
    }

    var requests: [StubServer.Request] { seen.withLock { $0 } }

    func answer(_ request: StubServer.Request) -> StubServer.Answer {
        let number = seen.withLock { seen in
            seen.append(request)
            return seen.count - 1
        }
        return plan.answer(request, number)
    }
}

private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let log: Log
    private var request = StubServer.Request(method: "", uri: "", headers: [], body: [])

    init(log: Log) {
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            let headers = head.headers.map { (name: $0.name, value: $0.value) }
            request = StubServer.Request(method: head.method.rawValue, uri: head.uri, headers: headers, body: [])
        case .body(let buffer): request.body.append(contentsOf: buffer.readableBytesView)
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        switch log.answer(request) {
        case .silence: break
        case .close: context.close(promise: nil)
        case .reply(let status, let body, let headers):
            var fields = HTTPHeaders([("Content-Length", "\(body.utf8.count)"), ("Content-Type", "application/json")])
            for (name, value) in headers { fields.replaceOrAdd(name: name, value: value) }
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: fields)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
