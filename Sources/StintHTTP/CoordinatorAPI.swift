// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import StintCoordinator
import StintModel
import StintStorage
import StintWire

/// The worker protocol.
struct CoordinatorAPI: Sendable {
    let coordinator: Coordinator
    let watch: ConnectionWatch

    var routes: [Route] {
        [
            Route(.post, "/v1/workers") { request, _ in try await register(request) },
            Route(.post, "/v1/workers/{id}/poll") { request, context in try await poll(request, context) },
            Route(.post, "/v1/workers/{id}/results") { request, context in try await results(request, context) },
            Route(.post, "/v1/workers/{id}/heartbeat") { request, context in try await heartbeat(request, context) },
            Route(.delete, "/v1/workers/{id}") { request, context in
                try await request.noBody()
                try await coordinator.goodbye(try session(context))
                return Response(status: .noContent)
            },
        ]
    }

    /// A malformed session id is as unknown as a lost one.
    private func session(_ context: StintContext) throws -> WorkerID {
        guard let id = WorkerID(context.parameters.get("id") ?? "") else { throw Problem(ServiceError.sessionLost) }
        return id
    }

    private func register(_ request: Request) async throws -> Response {
        let body = try await request.wholeBody(WorkerProtocolLimits.requestBytesMax)
        let wanted = try RegisterRequest.read(body.readableBytesView)
        let epoch = Timestamp(milliseconds: 0)
        let session = try await coordinator.register(
            WorkerSession(
                id: try await coordinator.newIDs(1)[0],
                name: wanted.name,
                host: wanted.host ?? wanted.name,
                pid: wanted.pid,
                sdk: wanted.sdk,
                capabilities: wanted.capabilities,
                concurrency: wanted.concurrency,
                labels: wanted.labels,
                startedAt: epoch,
                expiresAt: epoch
            )
        )
        let settings = coordinator.settings
        return .message(
            RegisterAnswer(
                workerID: session.id,
                lease: settings.lease,
                heartbeat: settings.heartbeat,
                poll: settings.pollWait
            ),
            .created
        )
    }

    private func poll(_ request: Request, _ context: StintContext) async throws -> Response {
        let id = try session(context)
        let body = try await request.wholeBody(WorkerProtocolLimits.requestBytesMax)
        let wanted = try PollRequest.read(body.readableBytesView)
        let poll = Coordinator.Poll(
            freeSlots: wanted.freeSlots,
            wait: wanted.wait,
            running: wanted.running.compactMap(\.token),
            reports: wanted.results.map { ($0.lease.token, $0.ending) }
        )
        let answer = try await watch.during(context.connection) {
            coordinator.withdrawPoll(of: id)
        } _: {
            try await coordinator.poll(id, poll)
        }
        let view = PollAnswer(
            jobs: answer.jobs.map(GrantedJob.init),
            cancel: answer.cancelled.map { WireLease($0) },
            results: Self.reported(wanted.results, answer.statuses),
            drain: answer.isDraining
        )
        let capacity = 256 + answer.jobs.reduce(0) { $0 + $1.payload.count + 420 } + 120 * answer.statuses.count
        return .json(view.encoded(capacity: capacity))
    }

    private func results(_ request: Request, _ context: StintContext) async throws -> Response {
        let id = try session(context)
        let body = try await request.wholeBody(WorkerProtocolLimits.requestBytesMax)
        let wanted = try ResultsRequest.read(body.readableBytesView)
        let statuses = try await coordinator.report(id, wanted.results.map { ($0.lease.token, $0.ending) })
        return .message(ResultsAnswer(results: Self.reported(wanted.results, statuses)))
    }

    private static func reported(_ results: [WorkerResult], _ statuses: [ReportStatus]) -> [ReportedResult] {
        zip(results, statuses).map { ReportedResult(lease: $0.lease, status: .init($1)) }
    }

    private func heartbeat(_ request: Request, _ context: StintContext) async throws -> Response {
        let id = try session(context)
        let body = try await request.wholeBody(WorkerProtocolLimits.requestBytesMax)
        let wanted = try HeartbeatRequest.read(body.readableBytesView)
        let (verdicts, isDraining) = try await coordinator.heartbeat(
            id,
            wanted.running.map { ($0.lease.token, $0.progress) }
        )
        let leases = zip(wanted.running, verdicts).map { running, verdict in
            HeartbeatAnswer.Lease(lease: running.lease, verdict: .init(verdict))
        }
        return .message(HeartbeatAnswer(leases: leases, drain: isDraining))
    }
}

extension HeartbeatAnswer.Lease.Verdict {
    init(_ verdict: RenewReceipt.Verdict) {
        self =
            switch verdict {
            case .ok: .ok
            case .cancel: .cancel
            case .lost: .lost
            }
    }
}
