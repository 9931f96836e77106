// SPDX-License-Identifier: Apache-2.0

public import StintModel
public import StintWire

/// Which jobs to list; all that is set must hold.
public struct JobFilter: Hashable, Sendable {
    /// Jobs of this queue.
    public var queue: String?
    /// Jobs in this state.
    public var state: JobState?
    /// Jobs of this name.
    public var name: String?
    /// Jobs with this tag.
    public var tag: String?
    /// Jobs submitted then or later.
    public var createdAfter: Timestamp?
    /// Jobs submitted before then.
    public var createdBefore: Timestamp?

    /// Creates a filter that lets every job through.
    public init() {}
}

extension StintClient {
    /// Submits a job.
    ///
    /// - Parameter idempotencyKey: Submitting again with the same key gives the same job. Without one, a key is made up,
    ///   which protects this call's own repetitions only.
    /// - Returns: The job as the server stored it: it is safe on disk.
    public func submit(_ request: SubmitRequest, idempotencyKey: String? = nil) async throws -> JobView {
        try request.checkJSON()
        return try view(await submit(to: "/v1/jobs", body: request.encoded(), idempotencyKey))
    }

    /// Submits up to 10,000 jobs: all of them, or none.
    ///
    /// - Parameter idempotencyKey: As for a single job.
    /// - Returns: Their ids, in order.
    public func submitBatch(_ requests: [SubmitRequest], idempotencyKey: String? = nil) async throws -> [JobID] {
        for request in requests { try request.checkJSON() }
        let body = SubmitRequest.writeBatch(requests)
        let answer: IDsView = try view(await submit(to: "/v1/jobs/batch", body: body, idempotencyKey))
        return answer.ids
    }

    private func submit(to path: String, body: [UInt8], _ key: String?) async throws -> HTTPReply {
        if let key {
            let isValid = (1...SubmitLimits.idempotencyKeyBytesMax).contains(key.utf8.count)
            guard isValid, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw ClientError(.callInvalid, "an idempotency key has 1 to 255 visible ASCII characters")
            }
        }
        var call = HTTPCall(.post, path, body: body)
        call.headers.append((name: "Idempotency-Key", value: key ?? Self.randomKey()))
        return try await reply(to: call, .always)
    }

    private static func randomKey() -> String {
        var digits: [UInt8] = []
        for _ in 0..<2 { Hex.append(UInt64.random(in: 0...UInt64.max), width: 16, to: &digits) }
        return "auto-\(String(decoding: digits, as: UTF8.self))"
    }

    /// A job with its attempts.
    public func job(_ id: JobID) async throws -> JobView {
        try await get("/v1/jobs/\(id)")
    }

    /// A page of jobs, newest first, without payloads, results and attempts.
    ///
    /// - Parameters:
    ///   - filter: Which jobs.
    ///   - cursor: Where the page before ended.
    ///   - limit: At most this many, up to 200.
    public func jobs(
        _ filter: JobFilter = JobFilter(),
        cursor: String? = nil,
        limit: Int? = nil
    ) async throws -> PageView<JobView> {
        var query = Query()
        query.add("queue", filter.queue)
        query.add("state", filter.state?.name)
        query.add("name", filter.name)
        query.add("tag", filter.tag)
        query.add("created_after", filter.createdAfter.map(RFC3339.format))
        query.add("created_before", filter.createdBefore.map(RFC3339.format))
        query.add("cursor", cursor)
        query.add("limit", limit.map(String.init))
        return try await get("/v1/jobs", query: query)
    }

    /// The job as soon as it has come to its end, or as it is after `seconds`.
    ///
    /// - Parameter seconds: How long the server waits, at most 60.
    public func result(of id: JobID, waitSeconds seconds: Double = 0) async throws -> JobView {
        var call = HTTPCall(.get, "/v1/jobs/\(id)/result")
        let wait = min(max(0, seconds), 60)
        if wait > 0 { call.query = [(name: "wait", value: "\(wait)")] }
        return try view(await reply(to: call, .always, waiting: .seconds(wait)))
    }

    /// The job once it has come to its end.
    ///
    /// - Parameter timeout: How long to wait, nil for ever.
    /// - Throws: ``ClientError`` with the code `timed_out` when it takes longer.
    public func wait(for id: JobID, timeout: Duration? = nil) async throws -> JobView {
        let clock = ContinuousClock()
        let deadline = timeout.map { clock.now + $0 }
        while true {
            let left = deadline.map { clock.now.duration(to: $0) / .seconds(1) } ?? 60
            let began = clock.now
            let job = try await result(of: id, waitSeconds: min(30, max(0, left)))
            if job.state.isTerminal { return job }
            if let deadline, clock.now >= deadline {
                throw ClientError(.timedOut, "the job is still \(job.state.name)")
            }
            // A server that is stopping answers at once: it is not asked again in a tight loop.
            if clock.now - began < .milliseconds(100) { try await Task.sleep(for: .milliseconds(250)) }
        }
    }

    /// Why a job is not running.
    public func explain(_ id: JobID) async throws -> ExplainView {
        try await get("/v1/jobs/\(id)/explain")
    }

    /// Calls a job off: a waiting one at once, a running one as soon as its worker learns of it.
    public func cancel(_ id: JobID) async throws -> JobView {
        try await post("/v1/jobs/\(id)/cancel", .always)
    }

    /// Sends a dead, cancelled or expired job back, or starts a scheduled one now.
    public func retry(_ id: JobID) async throws -> JobView {
        try await post("/v1/jobs/\(id)/retry", .whenNothingWasDone)
    }

    /// Deletes a job that has come to its end.
    public func delete(_ id: JobID) async throws {
        let answer = try await repeated(HTTPCall(.delete, "/v1/jobs/\(id)"), .always)
        // The answer to an earlier try may have been lost: then the job is gone because of this very call.
        if answer.status == 404, answer.mayRepeatEffect { return }
        _ = try answer.get()
    }
}

extension SubmitRequest {
    /// The raw parts must be JSON, for they stand in the body as they are.
    fileprivate func checkJSON() throws(ClientError) {
        for (what, bytes) in [("payload", payload), ("metadata", metadataBytes)] where !bytes.isEmpty {
            do throws(JSONProblem) {
                try JSONCursor.read(bytes) { json throws(JSONProblem) in try json.skip() }
            } catch {
                throw ClientError(.callInvalid, "the \(what) is not JSON: \(error.detail)")
            }
        }
    }
}
