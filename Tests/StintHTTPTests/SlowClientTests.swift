// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import StintCoordinator
import StintCore
import StintMemoryStore
import StintModel
import StintTelemetry
import StintTestKit
import Testing

@testable import StintHTTP

/// A real listener and real sockets: who is slow on purpose is cut off, who waits for an answer is not.
@Suite(.timeLimit(.minutes(2))) struct SlowClientTests {
    private static let limit = TimeAmount.milliseconds(400)

    @Test(arguments: [
        // Headers that never end, a body that never ends, both with ever more bytes; then one byte and silence.
        Trickle("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ", "a"),
        Trickle("POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", " "),
        Trickle("POST /v1/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
        Trickle("G", ""),
    ])
    func aRequestThatTakesTooLongIsCut(_ trickle: Trickle) async throws {
        try await Self.listening { port in
            let begin = ContinuousClock.now
            try await RawClient.connected(to: port) { client in
                try await client.send(trickle.beginning)
                let answer = try await withThrowingTaskGroup(of: String?.self) { group in
                    group.addTask { try await client.receiveToEnd() }
                    group.addTask { await client.trickle(trickle.more) }
                    defer { group.cancelAll() }
                    return try await group.next() ?? nil
                }
                #expect(answer?.hasPrefix("HTTP/1.1 2") != true)
            }
            let took = ContinuousClock.now - begin
            #expect(took >= .milliseconds(350), "cut before its time: \(took)")
        }
    }

    @Test func aConnectionThatSendsOneRequestAfterAnotherIsNotCut() async throws {
        try await Self.listening { port in
            try await RawClient.connected(to: port) { client in
                let begin = ContinuousClock.now
                var count = 0
                while count < 2 || ContinuousClock.now - begin < .milliseconds(1000) {
                    try await client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try await client.receive(until: "\"status\":\"ok\"") != nil)
                    count += 1
                }
                #expect(count > 1)
            }
        }
    }

    /// With the beginning of a next request behind it, which is no reason to cut the poll, but is cut after it.
    @Test(arguments: ["", "GET"], [true, false])
    func aLongPollThatWaitsLongerThanTheLimitIsAnswered(_ next: String, comesBehind: Bool) async throws {
        try await Self.listening { port in
            try await RawClient.connected(to: port) { client in
                let body = "{\"name\":\"a\"}"
                try await client.send(
                    "POST /submit_job HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                let created = try #require(try await client.receive(until: "Job created successfully"))
                let id = try #require(created.split(separator: "\"job_id\":\"").last?.prefix(36))
                let begin = ContinuousClock.now
                let poll = "GET /v1/jobs/\(id)/result?wait=1.2 HTTP/1.1\r\nHost: a\r\n\r\n"
                try await client.send(comesBehind ? poll : poll + next)
                if comesBehind, !next.isEmpty {
                    try await Task.sleep(for: .milliseconds(200))  // so that it comes by itself
                    try await client.send(next)
                }
                #expect(try await client.receive(until: "\"attempts\":[]")?.hasPrefix("HTTP/1.1 202") == true)
                #expect(ContinuousClock.now - begin >= .milliseconds(1150))
                guard !next.isEmpty else { return }
                _ = try await client.receiveToEnd()
                #expect(ContinuousClock.now - begin >= .milliseconds(1550), "cut before its time")
            }
        }
    }

    @Test(arguments: [false, true])
    func anAnswerThatIsNotTakenIsCut(_ isSlow: Bool) async throws {
        let count = 400
        // A reader that only waits for its processor must not pass for one that does not read.
        try await Self.listening(limit: isSlow ? Self.limit : .seconds(60)) { port in
            try await RawClient.connected(to: port) { client in
                let request = "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
                // Far more than the buffers of the system hold; the last one asks for the end of the connection.
                let last = "GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                try await client.send(String(repeating: request, count: count - 1) + last)
                if isSlow { try await Task.sleep(for: .milliseconds(1500)) }  // not reading is what is tested
                let bytes = try await client.countToEnd()
                let whole = count * openAPIDocument().count
                #expect((bytes < whole) == isSlow, "\(bytes) of \(whole) bytes")
            }
        }
    }

    // MARK: Support

    /// What a slow client sends, and what it goes on sending.
    struct Trickle: CustomTestStringConvertible {
        var beginning: String
        var more: String

        init(_ beginning: String, _ more: String) {
            self.beginning = beginning
            self.more = more
        }

        var testDescription: String { String(beginning.prefix(60)) }
    }

    private static func listening(
        limit: TimeAmount = limit,
        _ body: @escaping @Sendable (_ port: Int) async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let coordinator = Coordinator(
            store: MemoryJobStore(rules: EndingDecision.rules, now: { Timestamp(milliseconds: 1_800_000_000_000) }),
            belt: MemoryReadyQueue(),
            backend: "memory",
            settings: CoordinatorSettings(),
            environment: ServiceEnvironment(logger: logger),
            metrics: MetricRegistry()
        )
        try await coordinator.prepare()
        var listener = Listener(role: .api, host: "127.0.0.1", port: 0, token: nil)
        listener.limits.requestTimeMax = limit
        listener.limits.stalledAnswerTimeMax = limit
        // What comes in one read with a request before it is cut by this.
        listener.limits.idleTimeMax = .seconds(5)
        let (addresses, told) = AsyncStream<String>.makeStream()
        let service = listener.service(coordinator, readiness: Readiness(), logger: logger) { _, address in
            told.yield(address)
        }
        try await running(coordinator.services + [service]) {
            var iterator = addresses.makeAsyncIterator()
            let address = try #require(await iterator.next())
            try await body(try #require(address.split(separator: ":").last.flatMap { Int($0) }))
        }
    }
}

/// One connection, byte by byte.
///
/// Bytes are taken from the socket only when asked for.
private struct RawClient: Sendable {
    private typealias Channel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let received: Received
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    static func connected(to port: Int, _ body: @Sendable (RawClient) async throws -> Void) async throws {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.socketOption(.so_rcvbuf), value: 65_536)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try Channel(wrappingChannelSynchronously: channel) }
            }
        do {
            try await channel.executeThenClose { inbound, outbound in
                try await body(RawClient(received: Received(inbound), outbound: outbound))
            }
        } catch is ChannelError {
            // The server closed it first, which is what most of these tests want.
        }
    }

    func send(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// Sends until the connection is closed or the task cancelled.
    func trickle(_ text: String) async -> String? {
        while !Task.isCancelled {
            // As slow as the client that is tested: the server must not take each byte for a new beginning.
            try? await Task.sleep(for: .milliseconds(40))
            if !text.isEmpty { try? await send(text) }  // fails when the server has closed: the reader tells
        }
        return nil
    }

    func receiveToEnd() async throws -> String {
        var text = ""
        while let part = await received.next() { text += String(buffer: part) }
        return text
    }

    func countToEnd() async throws -> Int {
        var count = 0
        while let part = await received.next() { count += part.readableBytes }
        return count
    }

    /// What comes up to some text, or nil when the connection ends before.
    func receive(until end: String) async throws -> String? {
        var text = ""
        while !text.contains(end) {
            guard let part = await received.next() else { return nil }
            text += String(buffer: part)
        }
        return text
    }
}

/// What comes in, to whoever asks.
private actor Received {
    private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator

    init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) {
        iterator = inbound.makeAsyncIterator()
    }

    /// Nil at the end, which a broken connection is too.
    func next() async -> ByteBuffer? {
        var iterator = iterator
        defer { self.iterator = iterator }
        return try? await iterator.next(isolation: self)
    }
}
