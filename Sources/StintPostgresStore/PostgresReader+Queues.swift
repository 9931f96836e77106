// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// The belt's reads, queues, worker sessions and groups of dead letters.
extension PostgresReader {
    // MARK: The belt

    /// In: queue, name, order key and id of the place before, limit; out: order key, id; locks nothing.
    static let readyAfter = """
        SELECT order_key, id FROM stint.jobs
        WHERE state = 2 AND queue = $1 AND name = $2 AND (order_key, id) > ($3::bigint, $4::uuid)
        ORDER BY order_key, id LIMIT $5::bigint
        """

    /// In: queue, name, place, limit; out: a number; locks nothing.
    static let readyBefore = """
        SELECT count(*) FROM (
          SELECT FROM stint.jobs
          WHERE state = 2 AND queue = $1 AND name = $2 AND (order_key, id) < ($3::bigint, $4::uuid) LIMIT $5::bigint) b
        """

    /// One look at the index per lane that has an available job.
    ///
    /// In: nothing. Out: queue, name, run_at of the head. Locks nothing.
    static let readyLanes = """
        WITH RECURSIVE lanes AS (
          (SELECT queue, name, run_at FROM stint.jobs WHERE state = 2 ORDER BY queue, name, order_key, id LIMIT 1)
          UNION ALL
          SELECT n.queue, n.name, n.run_at FROM lanes l CROSS JOIN LATERAL (
            SELECT j.queue, j.name, j.run_at FROM stint.jobs j WHERE j.state = 2 AND (j.queue, j.name) > (l.queue, l.name)
            ORDER BY j.queue, j.name, j.order_key, j.id LIMIT 1) n)
        SELECT queue, name, run_at FROM lanes
        """

    /// In: nothing; out: run_at; locks nothing.
    static let firstDue = "SELECT run_at FROM stint.jobs WHERE state = 1 ORDER BY run_at, id LIMIT 1"

    func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) throws(PostgresError) -> [ReadyJob] {
        let place = after ?? ServingOrder(key: .min, id: JobID(high: 0, low: 0))
        let result = try rows(Self.readyAfter) { Self.add(lane, place, limit, &$0) }
        return result.rows.map { row in
            ReadyJob(lane: lane, order: ServingOrder(key: row.integer(0), id: JobID(row.uuid(1))))
        }
    }

    func countReady(lane: Lane, before: ServingOrder, limit: Int) throws(PostgresError) -> Int {
        try rows(Self.readyBefore) { Self.add(lane, before, limit, &$0) }.first?.int(0) ?? 0
    }

    private static func add(_ lane: Lane, _ place: ServingOrder, _ limit: Int, _ parameters: inout PostgresParameters) {
        parameters.add(lane.queue as String?)
        parameters.add(lane.name as String?)
        parameters.add(place.key as Int64?)
        parameters.add(place.id)
        parameters.add(limit: limit)
    }

    func readyLanes() throws(PostgresError) -> [Lane] {
        try rows(Self.readyLanes).rows.map { Lane(queue: $0.text(0), name: $0.text(1)) }.sorted()
    }

    func nextDue() throws(PostgresError) -> Timestamp? {
        try rows(Self.firstDue).first?.timeOrNil(0)
    }

    // MARK: Queues

    /// In: nothing; out: queue, state, jobs; locks nothing.
    private static let counts = "SELECT queue, state, sum(jobs)::bigint FROM stint.queue_counts GROUP BY queue, state"

    /// In: nothing; out: queue, by whom; locks nothing.
    private static let paused = "SELECT queue, paused_by FROM stint.paused_queues"

    func queues() throws(PostgresError) -> [QueueStatus] {
        let results = try connection.run([Self.counts, Self.paused, Self.readyLanes].map { PostgresStatement($0) })
        var queues: [String: QueueStatus] = [:]
        func update(_ name: String, _ change: (inout QueueStatus) -> Void) {
            change(&queues[name, default: QueueStatus(queue: name, pausedBy: nil, counts: [:], oldestAvailable: nil)])
        }
        for row in results[0].rows {
            guard let state = JobState(rawValue: row.int(1)) else { continue }
            update(row.text(0)) { if row.int(2) > 0 { $0.counts[state] = row.int(2) } }
        }
        for row in results[1].rows { update(row.text(0)) { $0.pausedBy = row.text(1) } }
        for row in results[2].rows {
            update(row.text(0)) { $0.oldestAvailable = min($0.oldestAvailable ?? row.time(2), row.time(2)) }
        }
        return queues.values.sorted { $0.queue < $1.queue }
    }

    // MARK: Worker sessions

    private static let sessionColumns = """
        s.id, d.name, d.host, d.pid, d.sdk, d.queues, d.job_names, d.concurrency, d.labels, d.started_at,
        s.last_heartbeat_at, s.expires_at, s.is_draining, s.coordinator, s.ended_at
        """
    private static let running = "(SELECT count(*) FROM stint.jobs j WHERE j.state = 3 AND j.worker = s.id)"

    /// In: id; out: a session; locks nothing.
    private static let oneSession = """
        SELECT \(sessionColumns), \(running) FROM stint.worker_sessions s JOIN stint.worker_details d ON d.id = s.id
        WHERE s.id = $1::uuid
        """

    /// In: nothing; out: sessions; locks nothing.
    private static let liveSessions = """
        SELECT \(sessionColumns), \(running) FROM stint.worker_sessions s JOIN stint.worker_details d ON d.id = s.id
        WHERE s.ended_at IS NULL
        """

    /// In: nothing; out: sessions; locks nothing.
    private static let endedSessions = """
        SELECT \(sessionColumns), 0::bigint FROM stint.worker_sessions s JOIN stint.worker_details d ON d.id = s.id
        WHERE s.ended_at IS NOT NULL ORDER BY s.ended_at DESC, s.id DESC LIMIT 200
        """

    func session(_ id: WorkerID) throws(PostgresError) -> WorkerSession? {
        try rows(Self.oneSession) { $0.add(id) }.first.map(Self.session)
    }

    func sessions() throws(PostgresError) -> [WorkerSession] {
        let results = try connection.run([Self.liveSessions, Self.endedSessions].map { PostgresStatement($0) })
        return results.flatMap { $0.rows.map(Self.session) }.sorted { $1.id < $0.id }
    }

    private static func session(_ row: PostgresRow) -> WorkerSession {
        var session = WorkerSession(
            id: WorkerID(row.uuid(0)),
            name: row.text(1),
            host: row.text(2),
            pid: row.integerOrNil(3).map { Int($0) },
            sdk: row.text(4),
            capabilities: Capabilities(queues: row.texts(5), jobNames: row.texts(6)),
            concurrency: row.int(7),
            labels: row.bytes(8),
            startedAt: row.time(9),
            expiresAt: row.time(11)
        )
        session.lastHeartbeatAt = row.time(10)
        session.isDraining = row.bool(12)
        session.coordinator = row.integerOrNil(13).map { CoordinatorID(bits: UInt64(bitPattern: $0)) }
        session.endedAt = row.timeOrNil(14)
        session.running = row.int(15)
        return session
    }

    /// In: session; out: job id, attempt, nonce; locks nothing.
    private static let leases =
        "SELECT id, attempt, nonce FROM stint.jobs WHERE state = 3 AND worker = $1::uuid ORDER BY id"

    func leases(of session: WorkerID) throws(PostgresError) -> [LeaseToken] {
        try rows(Self.leases) { $0.add(session) }.rows.map { row in
            LeaseToken(jobID: JobID(row.uuid(0)), attempt: row.int(1), nonce: UInt64(bitPattern: row.integer(2)))
        }
    }

    func lastRenewal() throws(PostgresError) -> Timestamp? {
        try rows("SELECT max(last_heartbeat_at) FROM stint.worker_sessions").first?.timeOrNil(0)
    }

    // MARK: Dead letters

    /// Dead letters counted by fingerprint and name, with the words of the newest of each group.
    ///
    /// In: queue, name, cause, fingerprint, ids, each or NULL for any; limit. Out: one row per group. Locks nothing.
    static let deadGroups = """
        WITH groups AS (
          SELECT fingerprint, name, count(*) AS jobs, min(finished_at) AS first, max(finished_at) AS last,
            array_agg(DISTINCT queue) AS queues
          FROM stint.dead_letters
          WHERE ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR name = $2)
            AND ($3::bigint IS NULL OR cause = $3) AND ($4::text IS NULL OR fingerprint = $4)
            AND ($5::uuid[] IS NULL OR id = ANY ($5))
          GROUP BY fingerprint, name ORDER BY count(*) DESC, fingerprint, name LIMIT $6::bigint)
        SELECT g.*, e.error_type, e.error_message FROM groups g LEFT JOIN LATERAL (
          SELECT d.error_type, d.error_message FROM stint.dead_letters d
          WHERE d.fingerprint = g.fingerprint AND d.name = g.name ORDER BY d.finished_at DESC, d.id DESC LIMIT 1) e ON true
        ORDER BY g.jobs DESC, g.fingerprint, g.name
        """

    func deadLetterGroups(_ filter: DeadLetterFilter, limit: Int) throws(PostgresError) -> [DeadLetterGroup] {
        let result = try rows(Self.deadGroups) { parameters in
            parameters.add(filter.queue)
            parameters.add(filter.name)
            parameters.add(filter.cause.map { Int64($0.rawValue) })
            parameters.add(filter.fingerprint)
            if let ids = filter.ids { parameters.add(ids: Set(ids).sorted()) } else { parameters.addNoIDs() }
            parameters.add(limit: limit)
        }
        return result.rows.map { row in
            DeadLetterGroup(
                fingerprint: row.text(0),
                name: row.text(1),
                errorType: String(decoding: row.bytes(6), as: UTF8.self),
                message: String(decoding: row.bytes(7), as: UTF8.self),
                count: row.int(2),
                firstSeen: row.time(3),
                lastSeen: row.time(4),
                queues: row.texts(5).sorted()
            )
        }
    }
}
