// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import NIOCore
import StintCoordinator
import StintModel
import StintStorage
import StintWire

/// Dead letters, queues, workers, totals.
extension SubmitterAPI {
    var operatingRoutes: [Route] {
        [
            Route(.get, "/v1/dead-letters") { request, _ in try await deadLetters(request) },
            Route(.get, "/v1/dead-letters/groups") { request, _ in try await groups(request) },
            Route(.post, "/v1/dead-letters/redrive") { request, _ in try await redrive(request) },
            Route(.post, "/v1/dead-letters/purge") { request, _ in try await purge(request) },
            Route(.get, "/v1/queues") { request, _ in try await queues(request) },
            Route(.get, "/v1/queues/{queue}") { request, context in
                _ = try request.query()
                return try await view(try await coordinator.queue(try context.queue()))
            },
            Route(.post, "/v1/queues/{queue}/pause") { request, context in
                let wanted = try PauseRequest.read(try await request.wholeBody(4096).readableBytesView)
                return try await view(try await coordinator.pause(try context.queue(), by: wanted.by ?? "api"))
            },
            Route(.post, "/v1/queues/{queue}/resume") { request, context in
                try await request.noBody()
                return try await view(try await coordinator.resume(try context.queue()))
            },
            Route(.get, "/v1/workers") { request, _ in
                _ = try request.query()
                return .view(PageView(items: try await coordinator.sessions().map(WorkerView.init)))
            },
            Route(.post, "/v1/workers/{id}/drain") { request, context in
                try await request.noBody()
                return .view(WorkerView(try await coordinator.drain(try context.id("worker session"))))
            },
            Route(.get, "/v1/stats") { request, _ in try await stats(request) },
        ]
    }

    private func deadLetters(_ request: Request) async throws -> Response {
        let parameters = try request.query("queue", "name", "cause", "fingerprint", "cursor", "limit")
        var query = JobQuery(limit: try parameters.int("limit", 1...200, default: 50))
        query.state = .dead
        query.queue = try parameters.laneName("queue")
        query.name = try parameters.laneName("name")
        query.cause = try parameters.cause()
        query.fingerprint = try parameters.text("fingerprint", charactersMax: 256)
        query.before = try parameters.cursor()
        return try await page(query) { JobView(deadLetter: $0) }
    }

    private func groups(_ request: Request) async throws -> Response {
        let parameters = try request.query("queue", "name", "cause", "fingerprint", "limit")
        let filter = DeadLetterFilter(
            queue: try parameters.laneName("queue"),
            name: try parameters.laneName("name"),
            cause: try parameters.cause(),
            fingerprint: try parameters.text("fingerprint", charactersMax: 256)
        )
        let limit = try parameters.int("limit", 1...200, default: 200)
        let groups = try await coordinator.deadLetterGroups(filter, limit: limit)
        return .view(PageView(items: groups.map(DeadLetterGroupView.init)))
    }

    private func redrive(_ request: Request) async throws -> Response {
        let body = try await request.wholeBody(1 << 20)
        let wanted = try DeadLetterRequest.read(redrive: body.readableBytesView)
        let count = try await coordinator.redrive(
            DeadLetterFilter(wanted.selection),
            limit: wanted.limit,
            perSecond: wanted.perSecond
        )
        return .view(CountView(count: count), .accepted)
    }

    private func purge(_ request: Request) async throws -> Response {
        let body = try await request.wholeBody(1 << 20)
        let wanted = try DeadLetterRequest.read(purge: body.readableBytesView)
        let count = try await coordinator.purge(DeadLetterFilter(wanted.selection), limit: wanted.limit)
        return .view(CountView(count: count), .accepted)
    }

    private func queues(_ request: Request) async throws -> Response {
        _ = try request.query()
        let now = try await coordinator.recordNow()
        return .view(PageView(items: try await coordinator.queues().map { QueueView($0, now: now) }))
    }

    private func view(_ queue: QueueStatus) async throws -> Response {
        .view(QueueView(queue, now: try await coordinator.recordNow()))
    }

    private func stats(_ request: Request) async throws -> Response {
        _ = try request.query()
        var counts = Dictionary(uniqueKeysWithValues: JobState.allCases.map { ($0, 0) })
        for queue in try await coordinator.queues() {
            counts.merge(queue.counts) { $0 + $1 }
        }
        let rates = coordinator.rates
        return .view(
            StatsView(
                counts: counts,
                submitted: StatsView.Rates(rates.rates(.submitted)),
                completed: StatsView.Rates(rates.rates(.completed)),
                failed: StatsView.Rates(rates.rates(.failed))
            )
        )
    }
}

extension DeadLetterFilter {
    init(_ selection: DeadLetterSelection) {
        self.init(
            queue: selection.queue,
            name: selection.name,
            cause: selection.cause,
            fingerprint: selection.fingerprint,
            ids: selection.ids
        )
    }
}
