// SPDX-License-Identifier: Apache-2.0

public import StintModel
public import StintWire

extension StintClient {
    // MARK: Dead letters

    /// A page of dead letters, newest first, without payloads, results and attempts.
    ///
    /// - Parameters:
    ///   - selection: Which dead letters; ids are not used here.
    ///   - cursor: Where the page before ended.
    ///   - limit: At most this many, up to 200.
    public func deadLetters(
        _ selection: DeadLetterSelection = DeadLetterSelection(),
        cursor: String? = nil,
        limit: Int? = nil
    ) async throws -> PageView<JobView> {
        var query = Self.query(selection)
        query.add("cursor", cursor)
        query.add("limit", limit.map(String.init))
        return try await get("/v1/dead-letters", query: query)
    }

    /// Dead letters by what they died of, largest group first.
    ///
    /// - Parameters:
    ///   - selection: Which dead letters; ids are not used here.
    ///   - limit: At most this many groups, up to 200.
    public func deadLetterGroups(
        _ selection: DeadLetterSelection = DeadLetterSelection(),
        limit: Int? = nil
    ) async throws -> [DeadLetterGroupView] {
        var query = Self.query(selection)
        query.add("limit", limit.map(String.init))
        let page: PageView<DeadLetterGroupView> = try await get("/v1/dead-letters/groups", query: query)
        return page.items
    }

    /// Sends dead letters back, oldest death first.
    ///
    /// - Parameters:
    ///   - selection: Which dead letters.
    ///   - limit: At most this many, up to 10,000.
    ///   - perSecond: How many become due per second; all at once when nil.
    /// - Returns: How many were sent back.
    public func redrive(
        _ selection: DeadLetterSelection,
        limit: Int = 1000,
        perSecond: Double? = nil
    ) async throws -> Int {
        let request = DeadLetterRequest(selection: selection, limit: limit, perSecond: perSecond)
        let body = JSONWriter.write { request.write(to: &$0) }
        let answer: CountView = try await post("/v1/dead-letters/redrive", body: body, .whenNothingWasDone)
        return answer.count
    }

    /// Deletes dead letters for good, oldest death first.
    ///
    /// - Parameters:
    ///   - selection: Which dead letters.
    ///   - limit: At most this many, up to 10,000.
    /// - Returns: How many were deleted.
    public func purge(_ selection: DeadLetterSelection, limit: Int = 1000) async throws -> Int {
        let request = DeadLetterRequest(selection: selection, limit: limit)
        let body = JSONWriter.write { request.write(to: &$0) }
        let answer: CountView = try await post("/v1/dead-letters/purge", body: body, .whenNothingWasDone)
        return answer.count
    }

    private static func query(_ selection: DeadLetterSelection) -> Query {
        var query = Query()
        query.add("queue", selection.queue)
        query.add("name", selection.name)
        query.add("cause", selection.cause?.name)
        query.add("fingerprint", selection.fingerprint)
        return query
    }

    // MARK: Queues

    /// Every queue, by name.
    public func queues() async throws -> [QueueView] {
        let page: PageView<QueueView> = try await get("/v1/queues")
        return page.items
    }

    /// One queue.
    public func queue(_ name: String) async throws -> QueueView {
        try await get("/v1/queues/\(ServerAddress.escaped(name))")
    }

    /// Starts no more jobs of a queue; running ones go on.
    ///
    /// - Parameters:
    ///   - name: The queue.
    ///   - by: Who pauses it, for others to see, up to 128 characters.
    public func pause(queue name: String, by: String? = nil) async throws -> QueueView {
        let body = JSONWriter.write { PauseRequest(by: by).write(to: &$0) }
        return try await post("/v1/queues/\(ServerAddress.escaped(name))/pause", body: body, .always)
    }

    /// Starts jobs of a queue again.
    public func resume(queue name: String) async throws -> QueueView {
        try await post("/v1/queues/\(ServerAddress.escaped(name))/resume", .always)
    }

    // MARK: Workers

    /// Worker sessions, newest first: those that are alive, and some that have ended.
    public func workers() async throws -> [WorkerView] {
        let page: PageView<WorkerView> = try await get("/v1/workers")
        return page.items
    }

    /// Lets a worker take no more jobs; running ones go on.
    public func drain(worker id: WorkerID) async throws -> WorkerView {
        try await post("/v1/workers/\(id)/drain", .always)
    }

    // MARK: The server

    /// Totals by state, and rates.
    public func stats() async throws -> StatsView {
        try await get("/v1/stats")
    }

    /// Whether the server is alive.
    public func health() async throws -> HealthView {
        try await get("/healthz")
    }

    /// Whether the server takes calls; its ``HealthView/status`` is `ok` then, else a word for what is wrong.
    public func readiness() async throws -> HealthView {
        // Not repeated: how it is now is the question.
        let answer = try await repeated(HTTPCall(.get, "/readyz"), .whenNothingWasDone)
        guard answer.status == 503, case .reply(let reply) = answer.kind else { return try view(answer.get()) }
        if let health = try? HealthView.read(reply.body), !health.status.isEmpty { return health }
        return HealthView(status: reply.problem.code, version: nil)
    }
}
