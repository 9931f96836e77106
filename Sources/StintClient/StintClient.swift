// SPDX-License-Identifier: Apache-2.0

import StintWire

/// Speaks to a Stint server: submits jobs and asks about them.
///
/// ```swift
/// let client = try StintClient()
/// let job = try await client.submit(SubmitRequest(name: "resize_image", json: #"{"key":"a.png"}"#))
/// let done = try await client.wait(for: job.id)
/// await client.shutdown()
/// ```
///
/// A client keeps connections and can be used from many tasks at once. Calls that are safe to repeat are repeated a few
/// times when the connection breaks or the server is overloaded; a submit always carries an idempotency key, so that it
/// is one of them. Calls throw ``ClientError``, or `CancellationError` when their task is cancelled.
public final class StintClient: Sendable {
    /// How to reach the server.
    public struct Configuration: Sendable {
        /// Where the submitter is.
        public var url: String
        /// The bearer token, where the server asks for one.
        public var token: String?
        /// How long one request may wait for its answer.
        public var timeout: Duration = .seconds(30)
        /// How long making a connection may take.
        public var connectTimeout: Duration = .seconds(5)
        /// How often a call that is safe to repeat is repeated.
        public var retriesMax = 3

        /// Creates a configuration.
        public init(url: String = "http://127.0.0.1:8000", token: String? = nil) {
            self.url = url
            self.token = token
        }
    }

    private let timeout: Duration
    private let retryRule: RetryRule
    private let transport: HTTPTransport

    /// Creates a client; nothing is sent yet.
    ///
    /// - Throws: ``ClientError`` when the address or the token cannot be used.
    public init(_ configuration: Configuration = Configuration()) throws(ClientError) {
        let address = try ServerAddress(configuration.url)
        if let token = configuration.token {
            guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw ClientError(.callInvalid, "the token must be visible ASCII characters")
            }
        }
        var settings = HTTPTransport.Configuration(address: address, token: configuration.token)
        settings.connectTimeout = configuration.connectTimeout
        timeout = configuration.timeout
        retryRule = RetryRule(retriesMax: configuration.retriesMax)
        transport = HTTPTransport(settings)
    }

    /// Closes all connections.
    ///
    /// Must be called before the last reference to the client goes; calls made afterwards fail.
    public func shutdown() async {
        await transport.shutdown()
    }
}

// MARK: Calling

extension StintClient {
    func get<View: WireView>(_ path: String, query: Query = Query()) async throws -> View {
        var call = HTTPCall(.get, path)
        call.query = query.pairs
        return try view(await reply(to: call, .always))
    }

    func post<View: WireView>(
        _ path: String,
        body: [UInt8]? = nil,
        _ repeatability: RetryRule.Repeatability
    ) async throws -> View {
        try view(await reply(to: HTTPCall(.post, path, body: body), repeatability))
    }

    /// The first success, after as many repetitions as the rule allows.
    func reply(
        to call: HTTPCall,
        _ repeatability: RetryRule.Repeatability,
        waiting: Duration = .zero
    ) async throws -> HTTPReply {
        try await repeated(call, repeatability, waiting: waiting).get()
    }

    /// The first success, problem or failure that stands, after as many repetitions as the rule allows.
    ///
    /// - Parameter waiting: How much longer than usual the answer may take, because the server was asked to wait.
    func repeated(
        _ call: HTTPCall,
        _ repeatability: RetryRule.Repeatability,
        waiting: Duration = .zero
    ) async throws -> Answer {
        var call = call
        call.timeout = timeout + waiting
        var retries = 0
        var mayRepeatEffect = false
        while true {
            let result: Answer
            let outcome: RetryRule.Outcome
            do throws(HTTPFailure) {
                let reply = try await transport.send(call)
                result = Answer(reply: reply, mayRepeatEffect: mayRepeatEffect)
                if reply.isSuccess { return result }
                outcome = .answered(
                    status: reply.status,
                    code: reply.problem.code,
                    retryAfterSeconds: reply.retryAfterSeconds
                )
            } catch {
                result = Answer(failure: error, at: transport.configuration.address, timeout: call.timeout)
                outcome = .failed(error)
            }
            let random = Double.random(in: 0..<1)
            guard let delay = retryRule.delaySeconds(after: outcome, repeatability, retries: retries, random: random)
            else { return result }
            try await Task.sleep(for: .seconds(delay))
            mayRepeatEffect = mayRepeatEffect || outcome.isUnknown
            retries += 1
        }
    }

    func view<View: WireView>(_ reply: HTTPReply) throws -> View {
        do {
            return try View.read(reply.body)
        } catch {
            let place = error.pointer.isEmpty ? "" : " at \(error.pointer)"
            throw ClientError(
                .answerNotUnderstood,
                "the answer is not what a Stint server says\(place): \(error.detail); check the address"
            )
        }
    }
}
