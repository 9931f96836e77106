// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import NIOCore
import StintCoordinator
import StintModel
import StintStorage
import StintWire

extension Response {
    /// A JSON body.
    static func json(_ bytes: [UInt8], _ status: HTTPResponse.Status = .ok, _ fields: HTTPFields = [:]) -> Response {
        var headers = fields
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func view(
        _ view: some WireView,
        _ status: HTTPResponse.Status = .ok,
        _ fields: HTTPFields = [:]
    ) -> Response {
        json(view.encoded(capacity: 1024), status, fields)
    }

    static func message(_ message: some WireMessage, _ status: HTTPResponse.Status = .ok) -> Response {
        json(message.encoded(capacity: 1024), status)
    }

    static func problem(_ problem: Problem, requestID: String) -> Response {
        var headers: HTTPFields = [.contentType: ProblemView.mediaType]
        if let retryAfter = problem.retryAfter { headers[.retryAfter] = String(retryAfter) }
        if let allow = problem.allow { headers[.allow] = allow }
        if problem.status == .unauthorized { headers[.wwwAuthenticate] = "Bearer" }
        let bytes = problem.view(requestID: requestID).encoded()
        return Response(
            status: problem.status,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }
}

extension QueueView {
    init(_ status: QueueStatus, now: Timestamp) {
        self.init(
            queue: status.queue,
            pausedBy: status.pausedBy,
            counts: status.counts,
            oldestAvailableAgeSeconds: status.oldestAvailable.map { max(0, now.since($0).seconds) }
        )
    }
}

extension DeadLetterGroupView {
    init(_ group: DeadLetterGroup) {
        self.init(
            fingerprint: group.fingerprint,
            name: group.name,
            errorType: group.errorType,
            message: group.message,
            count: group.count,
            firstSeen: group.firstSeen,
            lastSeen: group.lastSeen,
            queues: group.queues
        )
    }
}

extension StatsView.Rates {
    init(_ rates: RateMeter.Rates) {
        self.init(
            oneMinute: rates.oneMinute,
            fiveMinutes: rates.fiveMinutes,
            fifteenMinutes: rates.fifteenMinutes
        )
    }
}

extension GrantedJob {
    init(_ job: LeasedJob) {
        self.init(
            lease: WireLease(job.token),
            id: job.token.jobID,
            lane: job.lane,
            payload: job.payload,
            attempt: job.token.attempt,
            maxAttempts: job.maxAttempts,
            timeout: job.timeout,
            createdAt: job.createdAt,
            metadata: job.metadata,
            traceparent: job.traceparent
        )
    }
}

extension ReportedResult.Status {
    init(_ status: ReportStatus) {
        self =
            switch status {
            case .accepted: .accepted
            case .leaseLost: .leaseLost
            case .alreadyReported: .alreadyReported
            }
    }
}
