// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// Pages of jobs.
///
/// Nothing here reads more rows than it says.
extension PostgresReader {
    /// A filtered page looks at no more jobs than this.
    static let windowMax = 5000

    /// Ids carry the submitter's time of creation; the record's may differ a little, so bounds by id are wider.
    private static let clockTolerance = Milliseconds(60_000)

    func jobs(_ query: JobQuery) throws(PostgresError) -> JobPage {
        let window = query.isSelective ? Self.windowMax : query.limit + 1
        let result = try connection.run(Self.statement(query, window: window))
        var page = JobPage(jobs: [], next: nil)
        guard let first = result.first else { return page }
        let scanned = first.int(28)
        let lastScanned = JobID(first.uuid(29))
        for row in result.rows where !row.isNull(0) {
            if page.jobs.count == query.limit {
                page.next = page.jobs.last?.id
                return page
            }
            var job = try Self.summary(row, expiresAt: row.timeOrNil(27))
            if query.listsLastErrors { job.lastError = Self.lastError(row) }
            page.jobs.append(job)
        }
        if scanned >= window { page.next = lastScanned }
        return page
    }

    /// A window of the newest jobs below a place, and those of it that the query means.
    ///
    /// In: bounds of ids, sizes of window and page, filters. Out: per job its summary and the end of its session's lease; in every row
    /// how many jobs were looked at and the last of them; for dead letters what they died of. Locks nothing.
    static func statement(_ query: JobQuery, window: Int) -> PostgresStatement {
        let tables = tables(query)
        var parameters = PostgresParameters()
        let last = JobID(high: .max, low: .max)
        let upper = query.createdBefore.map { JobID.lowerBound(at: $0 + clockTolerance) } ?? last
        parameters.add(min(query.before ?? last, upper))
        parameters.add(query.createdAfter.map { JobID.lowerBound(at: $0 - clockTolerance) } ?? JobID(high: 0, low: 0))
        parameters.add(limit: window)
        parameters.add(limit: query.limit + 1)
        var inner = "t.id < $1::uuid AND t.id >= $2::uuid"
        if let tag = query.tag {
            parameters.add([tag.storable as String?])
            inner += " AND t.tags IS NOT NULL AND t.tags @> $\(parameters.count)::text[]"
        }
        // Few jobs run at a time, and few died of one cause: looked for by their own indexes.
        if query.state == .running { inner += " AND t.state = 3" }
        if tables == [.deadLetters], let fingerprint = query.fingerprint {
            parameters.add(fingerprint)
            inner += " AND t.fingerprint = $\(parameters.count)::text"
        }
        let outer = filters(query, &parameters)
        let parts = tables.map { table in
            """
            (SELECT \(summaryColumns(of: table)) FROM stint.\(table.rawValue) t WHERE \(inner)
             ORDER BY t.id DESC LIMIT $3::bigint)
            """
        }
        let (lastError, deadLetters) =
            query.listsLastErrors
            ? (", e.error_type, e.error_message", "LEFT JOIN stint.dead_letters e ON e.id = m.id") : ("", "")
        let sql = """
            WITH seen AS MATERIALIZED (
              SELECT * FROM (\(parts.joined(separator: " UNION ALL "))) u ORDER BY u.id DESC LIMIT $3::bigint),
            bounds AS (SELECT count(*) AS jobs, (SELECT id FROM seen ORDER BY id LIMIT 1) AS last FROM seen),
            meant AS (SELECT * FROM seen w WHERE \(outer) ORDER BY w.id DESC LIMIT $4::bigint)
            SELECT m.*, s.expires_at, b.jobs, b.last\(lastError)
            FROM bounds b LEFT JOIN meant m ON true LEFT JOIN stint.worker_sessions s ON s.id = m.worker AND m.state = 3
            \(deadLetters)
            ORDER BY m.id DESC
            """
        var statement = PostgresStatement(sql)
        statement.parameters = parameters
        return statement
    }

    /// What a dead letter died of, from the columns that a list of them has at its end.
    private static func lastError(_ row: PostgresRow) -> JobError? {
        let (type, message) = (row.bytesOrNil(30) ?? [], row.bytesOrNil(31) ?? [])
        guard !type.isEmpty || !message.isEmpty else { return nil }
        return JobError(type: String(decoding: type, as: UTF8.self), message: String(decoding: message, as: UTF8.self))
    }

    private static func filters(_ query: JobQuery, _ parameters: inout PostgresParameters) -> String {
        var filters = ["true"]
        func add(_ condition: String) { filters.append("\(condition) $\(parameters.count)") }
        if let state = query.state {
            parameters.add(Int64(state.rawValue))
            add("w.state =")
        }
        if let queue = query.queue {
            parameters.add(queue)
            add("w.queue =")
        }
        if let name = query.name {
            parameters.add(name)
            add("w.name =")
        }
        if let cause = query.cause {
            parameters.add(Int64(cause.rawValue))
            add("w.cause =")
        }
        if let fingerprint = query.fingerprint {
            parameters.add(fingerprint)
            add("w.fingerprint =")
        }
        if let after = query.createdAfter {
            parameters.add(after)
            add("w.created_at >=")
        }
        if let before = query.createdBefore {
            parameters.add(before)
            add("w.created_at <")
        }
        return filters.joined(separator: " AND ")
    }

    /// Where the jobs that a query means can be.
    private static func tables(_ query: JobQuery) -> [JobTable] {
        if query.cause != nil || query.fingerprint != nil {
            return [.deadLetters]
        }
        return switch query.state {
        case nil: JobTable.allCases
        case .dead: [.deadLetters]
        case .completed, .cancelled, .expired: [.history]
        case .blocked, .scheduled, .available, .running: [.jobs]
        }
    }
}

extension JobQuery {
    /// Whether jobs that are looked at may not be meant.
    fileprivate var isSelective: Bool {
        queue != nil || name != nil || cause != nil || fingerprint != nil || createdAfter != nil || createdBefore != nil
            || (state != nil && state != .dead)
    }
}
