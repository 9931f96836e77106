// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

extension PostgresReader {
    /// What was told to live sessions.
    ///
    /// In: sessions. Out: one row per live session and job of it that was called off, or one with NULLs. Locks nothing.
    private static let noticesOfSessions = """
        SELECT s.id, s.is_draining, j.id, j.attempt, j.nonce
        FROM stint.worker_sessions s LEFT JOIN stint.jobs j ON j.worker = s.id AND j.cancel_requested
        WHERE s.id = ANY ($1::uuid[]) AND s.ended_at IS NULL ORDER BY j.id
        """

    func notices(for sessions: [WorkerID]) throws(PostgresError) -> [RecordNotice] {
        let found = try rows(Self.noticesOfSessions) { $0.add(ids: sessions) }
        let live = Dictionary(grouping: found.rows) { WorkerID($0.uuid(0)) }
        return sessions.flatMap { id -> [RecordNotice] in
            guard let rows = live[id] else { return [.sessionEnded(id, wasLost: true)] }
            let tokens = rows.compactMap { row in
                row.uuidOrNil(2).map {
                    LeaseToken(jobID: JobID($0), attempt: row.int(3), nonce: UInt64(bitPattern: row.integer(4)))
                }
            }
            let isDraining = rows.first?.bool(1) ?? false
            return (isDraining ? [.sessionDraining(id)] : []) + tokens.map { .cancelRequested(id, $0) }
        }
    }
}
