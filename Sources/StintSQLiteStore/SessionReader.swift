// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import GRDB
import StintModel
import StintStorage

/// Reads worker sessions.
struct SessionReader {
    let db: Database

    init(_ db: Database) {
        self.db = db
    }

    private static let columns = """
        s.*, (SELECT count(*) FROM jobs j WHERE j.state = 3 AND j.worker = s.seq) AS running
        """

    func session(_ id: WorkerID) throws -> WorkerSession? {
        let sql = "SELECT \(Self.columns) FROM sessions s WHERE s.id = ?"
        return try Row.fetchOne(db, cached: sql, arguments: [id.blob]).map(Self.session)
    }

    func sessions() throws -> [WorkerSession] {
        let live = try Row.fetchAll(
            db,
            sql: "SELECT \(Self.columns) FROM sessions s WHERE s.ended_at IS NULL ORDER BY s.seq DESC"
        )
        let ended = try Row.fetchAll(
            db,
            sql: """
                SELECT s.*, 0 AS running FROM sessions s WHERE s.ended_at IS NOT NULL ORDER BY s.ended_at DESC LIMIT 200
                """
        )
        return try (live + ended).map(Self.session).sorted { $1.id < $0.id }
    }

    func leases(of id: WorkerID) throws -> [LeaseToken] {
        let sql = """
            SELECT id, attempt, nonce FROM jobs WHERE state = 3 AND worker = (SELECT seq FROM sessions WHERE id = ?)
            """
        return try Row.fetchAll(db, cached: sql, arguments: [id.blob]).map(Self.token)
    }

    func notices(for id: WorkerID) throws -> [RecordNotice] {
        let find = "SELECT is_draining FROM sessions WHERE id = ? AND ended_at IS NULL"
        guard let found = try Row.fetchOne(db, cached: find, arguments: [id.blob]) else {
            return [.sessionEnded(id, wasLost: true)]
        }
        let isDraining: Bool = found["is_draining"]
        let calledOff = """
            SELECT id, attempt, nonce FROM jobs
            WHERE state = 3 AND worker = (SELECT seq FROM sessions WHERE id = ?) AND cancel_requested = 1 ORDER BY id
            """
        let tokens = try Row.fetchAll(db, cached: calledOff, arguments: [id.blob]).map(Self.token)
        return (isDraining ? [.sessionDraining(id)] : []) + tokens.map { .cancelRequested(id, $0) }
    }

    private static func token(_ row: Row) throws -> LeaseToken {
        guard let job = JobID(blob: row["id"]) else { throw CorruptRow(description: "an unreadable job") }
        return LeaseToken(jobID: job, attempt: row["attempt"], nonce: UInt64(bitPattern: row["nonce"] as Int64))
    }

    func lastRenewal() throws -> Timestamp? {
        try Int64.fetchOne(db, sql: "SELECT max(last_heartbeat_at) FROM sessions").map { Timestamp(milliseconds: $0) }
    }

    private static func session(_ row: Row) throws -> WorkerSession {
        guard let id = WorkerID(blob: row["id"]) else { throw CorruptRow(description: "an unreadable worker session") }
        var session = WorkerSession(
            id: id,
            name: row["name"],
            host: row["host"],
            pid: row["pid"],
            sdk: row["sdk"],
            capabilities: Capabilities(
                queues: TagText.decode(row["queues"]),
                jobNames: TagText.decode(row["job_names"])
            ),
            concurrency: row["concurrency"],
            labels: JobReader.bytes(row, "labels") ?? [],
            startedAt: Timestamp(milliseconds: row["started_at"]),
            expiresAt: Timestamp(milliseconds: row["expires_at"])
        )
        session.lastHeartbeatAt = Timestamp(milliseconds: row["last_heartbeat_at"])
        session.isDraining = row["is_draining"]
        session.coordinator = (row["coordinator"] as Int64?).map { CoordinatorID(bits: UInt64(bitPattern: $0)) }
        session.endedAt = JobReader.time(row, "ended_at")
        session.running = row["running"]
        return session
    }
}
