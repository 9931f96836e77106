// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import GRDB
import StintModel
import StintStorage

/// Pages and totals. Nothing here reads more rows than it says.
extension JobReader {
    /// A page looks at no more rows than this.
    static let scanMax = 20_000

    /// How a list walks: over jobs by id, over the dead or the running ones, or over a tag's.
    private enum Walk {
        case everything
        case dead
        case running
        case tag(String)
    }

    func jobs(_ query: JobQuery) throws -> JobPage {
        var page = JobPage(jobs: [], next: nil)
        let (sql, arguments) = Self.statement(query)
        let rows = try Row.fetchCursor(try db.cachedStatement(sql: sql), arguments: arguments)
        var scanned = 0
        while let row = try rows.next() {
            scanned += 1
            guard let id = JobID(blob: row["id"]) else { throw CorruptRow(description: "an unreadable job") }
            if let after = query.createdAfter, id < JobID.lowerBound(at: after - Milliseconds(60_000)) { return page }
            if Self.matches(row, query) {
                var job = try summary(row)
                if query.listsLastErrors { job.lastError = Self.error(row) }
                page.jobs.append(job)
            }
            if page.jobs.count == query.limit || scanned == Self.scanMax {
                page.next = id
                return page
            }
        }
        return page
    }

    static func statement(_ query: JobQuery) -> (sql: String, arguments: StatementArguments) {
        let walk: Walk =
            if let tag = query.tag { .tag(tag) } else if query.listsLastErrors {
                .dead
            } else if query.state == .running { .running } else { .everything }
        let last = JobID(high: .max, low: .max)
        let bounds: StatementArguments = [(query.before ?? last).blob, (upperBound(query) ?? last).blob]
        let isNewer = "j.id < ? AND j.id < ?"
        let from = "SELECT \(summaryColumns) FROM jobs j JOIN lanes l ON l.id = j.lane"
        switch walk {
        case .everything: return ("\(from) WHERE \(isNewer) ORDER BY j.id DESC", bounds)
        case .dead:
            let sql = """
                SELECT \(summaryColumns), a.error_type, a.error_message
                FROM dead_letters d JOIN jobs j ON j.id = d.job_id JOIN lanes l ON l.id = j.lane
                  LEFT JOIN attempts a ON a.job_id = j.id AND a.attempt = j.attempt
                WHERE d.job_id < ? AND d.job_id < ? ORDER BY d.job_id DESC
                """
            return (sql, bounds)
        case .running: return ("\(from) WHERE j.state = 3 AND \(isNewer) ORDER BY j.id DESC", bounds)
        case .tag(let tag):
            let sql = """
                SELECT \(summaryColumns) FROM job_tags t JOIN jobs j ON j.id = t.job_id JOIN lanes l ON l.id = j.lane
                WHERE t.tag = ? AND t.job_id < ? AND t.job_id < ? ORDER BY t.job_id DESC
                """
            return (sql, [tag] + bounds)
        }
    }

    /// Ids carry the submitter's time of creation; the record's may differ a little, so bounds by id are wide and
    /// ``matches(_:_:)`` is exact.
    private static func upperBound(_ query: JobQuery) -> JobID? {
        query.createdBefore.map { JobID.lowerBound(at: $0 + Milliseconds(60_000)) }
    }

    private static func matches(_ row: Row, _ query: JobQuery) -> Bool {
        let createdAt = Timestamp(milliseconds: row["created_at"])
        return (query.state.map { row["state"] == $0.rawValue } ?? true)
            && (query.queue.map { row["queue"] == $0 } ?? true) && (query.name.map { row["name"] == $0 } ?? true)
            && (query.cause.map { row["cause"] == $0.rawValue } ?? true)
            && (query.fingerprint.map { row["fingerprint"] == $0 } ?? true)
            && (query.createdAfter.map { createdAt >= $0 } ?? true)
            && (query.createdBefore.map { createdAt < $0 } ?? true)
    }

    // MARK: The belt's reads

    static let readyAfter = """
        SELECT order_key, id FROM jobs WHERE state = 2 AND lane = ? AND (order_key, id) > (?, ?)
        ORDER BY order_key, id LIMIT ?
        """
    static let readyCount = """
        SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 2 AND lane = ? AND (order_key, id) < (?, ?) LIMIT ?)
        """
    static let nextReadyLane = "SELECT lane FROM jobs WHERE state = 2 AND lane > ? ORDER BY lane LIMIT 1"
    static let headOfLane = "SELECT run_at FROM jobs WHERE state = 2 AND lane = ? ORDER BY order_key, id LIMIT 1"
    static let nextDueSQL = "SELECT run_at FROM jobs WHERE state = 1 ORDER BY run_at LIMIT 1"

    func laneID(_ lane: Lane) throws -> Int64? {
        try Int64.fetchOne(
            db,
            sql: "SELECT id FROM lanes WHERE queue = ? AND name = ?",
            arguments: [lane.queue, lane.name]
        )
    }

    func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) throws -> [ReadyJob] {
        guard let id = try laneID(lane) else { return [] }
        let from = after ?? ServingOrder(key: .min, id: JobID(high: 0, low: 0))
        let rows = try Row.fetchAll(
            db,
            cached: Self.readyAfter,
            arguments: [id, from.key, from.id.blob, limit]
        )
        return try rows.map { row in
            guard let id = JobID(blob: row["id"]) else { throw CorruptRow(description: "an unreadable job") }
            return ReadyJob(lane: lane, order: ServingOrder(key: row["order_key"], id: id))
        }
    }

    func countReady(lane: Lane, before: ServingOrder, limit: Int) throws -> Int {
        guard let id = try laneID(lane) else { return 0 }
        return try Int.fetchOne(
            try db.cachedStatement(sql: Self.readyCount),
            arguments: [id, before.key, before.id.blob, limit]
        ) ?? 0
    }

    /// One index seek per lane that has an available job.
    func readyLaneIDs() throws -> [Int64] {
        var ids: [Int64] = []
        let statement = try db.cachedStatement(sql: Self.nextReadyLane)
        while let id = try Int64.fetchOne(statement, arguments: [ids.last ?? -1]) { ids.append(id) }
        return ids
    }

    func lane(_ id: Int64) throws -> Lane {
        let sql = "SELECT queue, name FROM lanes WHERE id = ?"
        guard let row = try Row.fetchOne(db, cached: sql, arguments: [id]) else {
            throw CorruptRow(description: "a job of an unknown lane")
        }
        return Lane(queue: row["queue"], name: row["name"])
    }

    func nextDue() throws -> Timestamp? {
        try Int64.fetchOne(try db.cachedStatement(sql: Self.nextDueSQL)).map { Timestamp(milliseconds: $0) }
    }

    // MARK: Queues

    func queues() throws -> [QueueStatus] {
        var queues: [String: QueueStatus] = [:]
        func update(_ name: String, _ change: (inout QueueStatus) -> Void) {
            change(&queues[name, default: QueueStatus(queue: name, pausedBy: nil, counts: [:], oldestAvailable: nil)])
        }
        for row in try Row.fetchAll(db, sql: "SELECT queue, state, jobs FROM queue_counts") {
            guard let state = JobState(rawValue: row["state"]) else { continue }
            let jobs: Int = row["jobs"]
            update(row["queue"]) { if jobs > 0 { $0.counts[state] = jobs } }
        }
        for row in try Row.fetchAll(db, sql: "SELECT queue, paused_by FROM queues WHERE paused_by IS NOT NULL") {
            update(row["queue"]) { $0.pausedBy = row["paused_by"] }
        }
        for id in try readyLaneIDs() {
            guard let head = try Int64.fetchOne(try db.cachedStatement(sql: Self.headOfLane), arguments: [id]) else {
                continue
            }
            let since = Timestamp(milliseconds: head)
            update(try lane(id).queue) { $0.oldestAvailable = min($0.oldestAvailable ?? since, since) }
        }
        return queues.values.sorted { $0.queue < $1.queue }
    }

    // MARK: Dead letters

    static let deadGroups = """
        SELECT fingerprint, lane, cause, count(*) AS jobs, min(finished_at) AS first, max(finished_at) AS last
        FROM dead_letters GROUP BY fingerprint, lane, cause
        """

    static let deadGroupOfJob = """
        SELECT fingerprint, lane, cause, 1 AS jobs, finished_at AS first, finished_at AS last
        FROM dead_letters WHERE job_id = ?
        """

    func deadLetterGroups(_ filter: DeadLetterFilter, limit: Int) throws -> [DeadLetterGroup] {
        var groups: [String: DeadLetterGroup] = [:]
        for row in try deadLetterRows(filter) {
            let lane = try lane(row["lane"])
            let fingerprint: String = row["fingerprint"] ?? ""
            guard filter.queue.map({ $0 == lane.queue }) ?? true, filter.name.map({ $0 == lane.name }) ?? true,
                filter.cause.map({ row["cause"] == $0.rawValue }) ?? true,
                filter.fingerprint.map({ $0 == fingerprint }) ?? true
            else { continue }
            let part = DeadLetterGroup(
                fingerprint: fingerprint,
                name: lane.name,
                errorType: "",
                message: "",
                count: row["jobs"],
                firstSeen: Timestamp(milliseconds: row["first"]),
                lastSeen: Timestamp(milliseconds: row["last"]),
                queues: [lane.queue]
            )
            groups[fingerprint + "\0" + lane.name] =
                groups[fingerprint + "\0" + lane.name].map { $0.merged(part) } ?? part
        }
        let largest = groups.values.sorted { ($1.count, $0.fingerprint, $0.name) < ($0.count, $1.fingerprint, $1.name) }
        return try largest.prefix(limit).map(withExample)
    }

    /// Totals by fingerprint, lane and cause: of all, or of the jobs the filter names.
    private func deadLetterRows(_ filter: DeadLetterFilter) throws -> [Row] {
        guard let ids = filter.ids else { return try Row.fetchAll(db, sql: Self.deadGroups) }
        return try Set(ids).sorted().flatMap { id in
            try Row.fetchAll(db, cached: Self.deadGroupOfJob, arguments: [id.blob])
        }
    }

    /// Adds the words of the group's newest member.
    private func withExample(_ group: DeadLetterGroup) throws -> DeadLetterGroup {
        let sql = """
            SELECT a.error_type, a.error_message FROM dead_letters d JOIN lanes l ON l.id = d.lane
              JOIN attempts a ON a.job_id = d.job_id
            WHERE d.fingerprint = ? AND l.name = ? ORDER BY d.finished_at DESC, a.attempt DESC LIMIT 1
            """
        guard let row = try Row.fetchOne(db, cached: sql, arguments: [group.fingerprint, group.name]) else {
            return group
        }
        var group = group
        group.errorType = row["error_type"] ?? ""
        group.message = row["error_message"] ?? ""
        return group
    }
}

extension DeadLetterGroup {
    fileprivate func merged(_ other: DeadLetterGroup) -> DeadLetterGroup {
        var group = self
        group.count += other.count
        group.firstSeen = min(firstSeen, other.firstSeen)
        group.lastSeen = max(lastSeen, other.lastSeen)
        group.queues = Array(Set(queues + other.queues)).sorted()
        return group
    }
}
