// SPDX-License-Identifier: Apache-2.0

import NIOCore
import StintClient
import StintModel
import StintWire
import Synchronization

/// Where a worker's calls go.
protocol WorkerLink: Sendable {
    func perform(_ call: WorkerCall) async throws(CallFailure) -> WorkerAnswer
    func shutdown() async
}

/// Makes a worker's calls over HTTP, to one of several coordinators: any of them serves any session.
final class CoordinatorLink: WorkerLink {
    private let transports: [HTTPTransport]
    private let registration: [UInt8]
    /// Which coordinator is called; another one after a failure.
    private let current = Atomic(0)
    /// How long a heartbeat may take: a third of the lease, so that another fits before its end.
    private let heartbeatSeconds = Mutex(10.0)

    init(_ addresses: [ServerAddress], token: String?, registration: RegisterRequest, on group: any EventLoopGroup) {
        self.registration = registration.encoded()
        transports = addresses.map { address in
            var configuration = HTTPTransport.Configuration(address: address, token: token)
            configuration.connectTimeout = .seconds(3)
            return HTTPTransport(configuration, on: group)
        }
    }

    func shutdown() async {
        for transport in transports { await transport.shutdown() }
    }

    func perform(_ call: WorkerCall) async throws(CallFailure) -> WorkerAnswer {
        let index = current.load(ordering: .relaxed)
        let reply: HTTPReply
        do throws(HTTPFailure) {
            reply = try await transports[index].send(request(for: call))
        } catch {
            advance(from: index)
            throw CallFailure(.passing, "\(transports[index].configuration.address.text): \(error.sentence)")
        }
        guard reply.isSuccess else {
            if reply.status >= 500 { advance(from: index) }
            throw CallFailure.from(reply, call)
        }
        return try answer(reply, to: call)
    }

    private func advance(from index: Int) {
        _ = current.compareExchange(expected: index, desired: (index + 1) % transports.count, ordering: .relaxed)
    }

    private func request(for call: WorkerCall) -> HTTPCall {
        switch call {
        case .register:
            return HTTPCall(.post, "/v1/workers", body: registration)
        case .poll(let id, let poll):
            var request = HTTPCall(.post, "/v1/workers/\(id)/poll", body: poll.encoded(capacity: poll.bytesEstimate))
            request.timeout = .seconds((poll.wait?.seconds ?? WorkerProtocolLimits.waitSecondsMax) + 10)
            request.answerBytesMax = WorkerProtocolLimits.answerBytesMax
            return request
        case .report(let id, let report):
            let body = report.encoded(capacity: 64 + 160 * report.results.count)
            var request = HTTPCall(.post, "/v1/workers/\(id)/results", body: body)
            request.timeout = .seconds(10)
            return request
        case .heartbeat(let id, let heartbeat):
            let body = heartbeat.encoded(capacity: 64 + 96 * heartbeat.running.count)
            var request = HTTPCall(.post, "/v1/workers/\(id)/heartbeat", body: body)
            request.timeout = .seconds(heartbeatSeconds.withLock { $0 })
            return request
        case .goodbye(let id):
            var request = HTTPCall(.delete, "/v1/workers/\(id)")
            request.timeout = .seconds(2)
            return request
        }
    }

    private func answer(_ reply: HTTPReply, to call: WorkerCall) throws(CallFailure) -> WorkerAnswer {
        do throws(JSONProblem) {
            switch call {
            case .register:
                let answer = try RegisterAnswer.read(reply.body)
                heartbeatSeconds.withLock { $0 = min(10, answer.lease.seconds / 3) }
                return .registered(answer)
            case .poll: return .polled(try PollAnswer.read(reply.body))
            case .report: return .reported(try ResultsAnswer.read(reply.body))
            case .heartbeat: return .beaten(try HeartbeatAnswer.read(reply.body))
            case .goodbye: return .saidGoodbye
            }
        } catch {
            throw CallFailure(.passing, "the answer makes no sense: \(error.detail)")
        }
    }
}

extension CallFailure {
    fileprivate static func from(_ reply: HTTPReply, _ call: WorkerCall) -> CallFailure {
        let problem = reply.problem
        let message = "\(problem.detail) (\(problem.code), status \(reply.status))"
        let retryAfter = reply.retryAfterSeconds.map(Milliseconds.seconds)
        let kind: Kind
        switch reply.status {
        case 404, 410: kind = call == .register ? .passing : .sessionLost
        case 401, 403: kind = .unauthorized
        case 408, 425, 429: kind = .passing
        case 400..<500: kind = .refused
        default: kind = .passing
        }
        return CallFailure(kind, message, retryAfter: retryAfter)
    }
}

extension HTTPFailure {
    fileprivate var sentence: String {
        switch self {
        case .notSent(let reason), .connectionBroken(let reason), .callInvalid(let reason): reason
        case .timedOut: "no answer in time"
        case .answerTooLong: "the answer is too long"
        case .cancelled: "the worker stops"
        case .closed: "the connection is closed"
        }
    }
}

extension PollRequest {
    fileprivate var bytesEstimate: Int { 96 + 60 * running.count + 160 * results.count }
}
