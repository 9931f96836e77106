// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
import NIOPosix
import StintWire

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Sends single HTTP requests to one server over kept connections.
///
/// It repeats nothing and follows no redirect: the token goes to the configured address only.
package final class HTTPTransport: Sendable {
    package struct Configuration: Sendable {
        package var address: ServerAddress
        package var token: String?
        package var userAgent = "stint-swift/\(StintVersion.current)"
        package var connectTimeout: Duration = .seconds(5)
        /// An answer that has begun must not pause for longer; also bounds long polls, so it is longer than any of them.
        package var pauseMax: Duration = .seconds(90)
        package var connectionsMax = 64

        package init(address: ServerAddress, token: String? = nil) {
            self.address = address
            self.token = token
        }
    }

    package let configuration: Configuration
    private let http: HTTPClient

    /// The connections live on `group`, which must outlive the transport.
    package init(
        _ configuration: Configuration,
        on group: any EventLoopGroup = HTTPClient.defaultEventLoopGroup
    ) {
        var settings = HTTPClient.Configuration()
        settings.redirectConfiguration = .disallow
        settings.decompression = .disabled
        settings.timeout = .init(
            connect: TimeAmount(configuration.connectTimeout),
            read: TimeAmount(configuration.pauseMax)
        )
        // The caller repeats; a refused connection is told at once.
        settings.connectionPool.retryConnectionEstablishment = false
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = configuration.connectionsMax
        self.configuration = configuration
        http = HTTPClient(eventLoopGroup: group, configuration: settings)
    }

    /// Closes all connections; must be called before the last reference goes.
    package func shutdown() async {
        // The only failure is a second shutdown.
        try? await http.shutdown()
    }

    package func send(_ call: HTTPCall) async throws(HTTPFailure) -> HTTPReply {
        guard !Task.isCancelled else { throw .cancelled }
        do {
            let response = try await http.execute(request(for: call), timeout: TimeAmount(call.timeout))
            let body = try await response.body.collect(upTo: call.answerBytesMax)
            return HTTPReply(
                status: Int(response.status.code),
                body: Array(body.readableBytesView),
                retryAfterSeconds: response.headers.first(name: "Retry-After").flatMap(Self.seconds)
            )
        } catch {
            throw Self.failure(error)
        }
    }

    private func request(for call: HTTPCall) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: configuration.address.appending(path: call.path, query: call.query))
        request.method = HTTPMethod(rawValue: call.method.rawValue)
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "User-Agent", value: configuration.userAgent)
        if let token = configuration.token {
            request.headers.add(name: "Authorization", value: "Bearer \(token)")
        }
        for (name, value) in call.headers { request.headers.replaceOrAdd(name: name, value: value) }
        if let body = call.body {
            if !request.headers.contains(name: "Content-Type") {
                request.headers.add(name: "Content-Type", value: "application/json")
            }
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        return request
    }

    /// The delay form of `Retry-After`; the date form is not used by Stint and counts as not given.
    private static func seconds(_ text: String) -> Double? {
        guard let seconds = Double(text), seconds.isFinite, seconds >= 0 else { return nil }
        return seconds
    }
}

// MARK: What went wrong

extension HTTPTransport {
    static func failure(_ error: any Error) -> HTTPFailure {
        switch error {
        case let error as HTTPClientError: clientFailure(error)
        case is CancellationError: .cancelled
        case is NIOTooManyBytesError: .answerTooLong
        case let error as NIOConnectionError: .notSent(connectionReason(error))
        case let error as IOError where error.errnoCode == ECONNREFUSED: .notSent("connection refused")
        case let error as IOError: .connectionBroken(reason(error))
        // The type's name only: a description might hold part of the request.
        default: .connectionBroken("\(type(of: error))")
        }
    }

    private static func clientFailure(_ error: HTTPClientError) -> HTTPFailure {
        switch error {
        case .connectTimeout, .getConnectionFromPoolTimeout, .tlsHandshakeTimeout: .notSent("no connection in time")
        case .deadlineExceeded, .readTimeout, .writeTimeout: .timedOut
        case .cancelled: .cancelled
        case .alreadyShutdown: .closed
        case .invalidURL, .emptyHost, .emptyScheme: .callInvalid("the address is no URL")
        case .remoteConnectionClosed: .connectionBroken("the server closed the connection")
        default: other(error)
        }
    }

    /// Failures that carry a value, which cannot be matched by a static member.
    private static func other(_ error: HTTPClientError) -> HTTPFailure {
        let reason = error.shortDescription
        let isHeader = reason.contains("header") || reason.contains("Header")
        return isHeader ? .callInvalid("a header has characters that are not allowed") : .connectionBroken(reason)
    }

    private static func connectionReason(_ error: NIOConnectionError) -> String {
        for failure in error.connectionErrors {
            if let error = failure.error as? IOError { return reason(error) }
        }
        if error.connectionErrors.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
            return "the host's name cannot be resolved"
        }
        return "no connection in time"
    }

    private static func reason(_ error: IOError) -> String {
        switch error.errnoCode {
        case ECONNREFUSED: "connection refused"
        case ECONNRESET, EPIPE: "the connection was reset"
        case EHOSTUNREACH, ENETUNREACH: "there is no route to the host"
        case ETIMEDOUT: "no answer from the host"
        case EMFILE, ENFILE: "this machine has no file descriptor left"
        default: "system error \(error.errnoCode)"
        }
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self =
            .nanoseconds(seconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue)
            + .nanoseconds(attoseconds / 1_000_000_000)
    }
}
