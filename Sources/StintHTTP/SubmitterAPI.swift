// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import NIOCore
import StintCoordinator
import StintCore
import StintModel
import StintStorage
import StintWire

/// The calls of the submitter: everything that clients and people ask of jobs.
struct SubmitterAPI: Sendable {
    /// More than a job's largest payload and its other fields can take.
    static let jobBytesMax = 512 << 10
    static let resultWaitSecondsMax = 60.0

    let coordinator: Coordinator

    var routes: [Route] {
        [
            Route(.post, "/submit_job") { request, _ in try await submitShort(request) },
            Route(.post, "/v1/jobs") { request, _ in try await submit(request) },
            Route(.post, "/v1/jobs/batch") { request, _ in try await submitBatch(request) },
            Route(.get, "/v1/jobs") { request, _ in try await list(request) },
            Route(.get, "/v1/jobs/{id}") { request, context in try await show(request, context) },
            Route(.delete, "/v1/jobs/{id}") { request, context in try await delete(request, context) },
            Route(.get, "/v1/jobs/{id}/result") { request, context in try await result(request, context) },
            Route(.get, "/v1/jobs/{id}/explain") { request, context in try await explain(request, context) },
            Route(.post, "/v1/jobs/{id}/cancel") { request, context in
                try await request.noBody()
                return .view(JobView(try await coordinator.cancel(try context.id("job"))))
            },
            Route(.post, "/v1/jobs/{id}/retry") { request, context in
                try await request.noBody()
                return .view(JobView(try await coordinator.retry(try context.id("job"))))
            },
        ] + operatingRoutes
    }

    // MARK: Submitting

    private func submitShort(_ request: Request) async throws -> Response {
        let body = try await request.wholeBody(Self.jobBytesMax)
        let job = try JSONCursor.read(body.readableBytesView) { (json) throws(JSONProblem) in
            try SubmitRequest.readShortForm(from: &json)
        }
        let id = try await coordinator.newIDs(1)[0]
        let idempotency = try idempotency(request, kind: "submit_job") { SHA256.digest(of: body.readableBytesView) }
        let receipt = try await coordinator.submit([job.newJob(id: id)], idempotency: idempotency)
        let state =
            if let placed = receipt.placed.first { placed.state } else {
                try await coordinator.job(receipt.ids[0]).state
            }
        return .view(
            SubmittedView(jobID: receipt.ids[0], state: state),
            receipt.isReplay ? .ok : .created,
            replayed(receipt)
        )
    }

    private func submit(_ request: Request) async throws -> Response {
        let body = try await request.wholeBody(Self.jobBytesMax)
        let job = try SubmitRequest.read(body.readableBytesView)
        let id = try await coordinator.newIDs(1)[0]
        let new = job.newJob(id: id)
        let idempotency = try idempotency(request, kind: "job") { SHA256.digest(of: body.readableBytesView) }
        let receipt = try await coordinator.submit([new], idempotency: idempotency)
        var fields = replayed(receipt)
        fields[.location] = "/v1/jobs/\(receipt.ids[0])"
        if receipt.isReplay {
            return .view(JobView(try await coordinator.job(receipt.ids[0])), .ok, fields)
        }
        let placed = receipt.placed[0]
        let stored = Job(
            id: id,
            lane: new.lane,
            payload: new.payload,
            state: placed.state,
            options: new.options,
            createdAt: receipt.createdAt,
            runAt: placed.runAt
        )
        return .view(JobView(stored), .created, fields)
    }

    private func submitBatch(_ request: Request) async throws -> Response {
        let key = try request.idempotencyKey()
        let (jobs, digest) = try await BatchReading.read(request, wantsDigest: key != nil)
        let ids = try await coordinator.newIDs(jobs.count)
        let new = zip(jobs, ids).map { $0.newJob(id: $1) }
        let idempotency = try idempotency(request, kind: "batch") { digest }
        let receipt = try await coordinator.submit(new, idempotency: idempotency)
        return .json(
            IDsView(ids: receipt.ids).encoded(capacity: 16 + 40 * receipt.ids.count),
            receipt.isReplay ? .ok : .created,
            replayed(receipt)
        )
    }

    /// The same key on another call is another body: the call is part of what is digested.
    private func idempotency(_ request: Request, kind: String, digest: () -> [UInt8]) throws -> Idempotency? {
        guard let key = try request.idempotencyKey() else { return nil }
        return Idempotency(
            key: key,
            digest: Array(kind.utf8) + digest(),
            retention: coordinator.settings.idempotencyRetention
        )
    }

    private func replayed(_ receipt: SubmitReceipt) -> HTTPFields {
        receipt.isReplay ? [.idempotencyReplayed: "true"] : [:]
    }

    // MARK: One job

    private func show(_ request: Request, _ context: StintContext) async throws -> Response {
        _ = try request.query()
        return .view(JobView(try await coordinator.job(try context.id("job"))))
    }

    private func delete(_ request: Request, _ context: StintContext) async throws -> Response {
        try await request.noBody()
        try await coordinator.delete(try context.id("job"))
        return Response(status: .noContent)
    }

    private func result(_ request: Request, _ context: StintContext) async throws -> Response {
        let wait = try request.query("wait").seconds("wait", max: Self.resultWaitSecondsMax)
        let job = try await coordinator.result(of: try context.id("job"), wait: wait ?? Milliseconds(0))
        return .view(JobView(job), job.state.isTerminal ? .ok : .accepted)
    }

    private func explain(_ request: Request, _ context: StintContext) async throws -> Response {
        _ = try request.query()
        let explanation = try await coordinator.explain(try context.id("job"))
        let reasons = explanation.reasons.map {
            ExplainView.Reason(code: $0.code, message: $0.message, until: $0.until)
        }
        return .view(ExplainView(isRunnable: explanation.isRunnable, reasons: reasons))
    }

    // MARK: Lists

    private func list(_ request: Request) async throws -> Response {
        let parameters = try request.query(
            "queue",
            "state",
            "name",
            "tag",
            "created_after",
            "created_before",
            "cursor",
            "limit"
        )
        var query = JobQuery(limit: try parameters.int("limit", 1...200, default: 50))
        query.queue = try parameters.laneName("queue")
        query.state = try parameters.state()
        query.name = try parameters.laneName("name")
        query.tag = try parameters.text("tag", charactersMax: 128)
        query.createdAfter = try parameters.time("created_after")
        query.createdBefore = try parameters.time("created_before")
        query.before = try parameters.cursor()
        return try await page(query) { JobView($0, isSummary: true) }
    }

    func page(_ query: JobQuery, as view: (Job) -> JobView) async throws -> Response {
        let page = try await coordinator.jobs(query)
        return .view(PageView(items: page.jobs.map(view), nextCursor: page.next.map(PageCursor.encode)))
    }
}
