// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintStorage

/// What `doctor` shows of the record.
enum PostgresDiagnostics {
    static func read(_ reader: PostgresReader) throws(PostgresError) -> [RecordDiagnostic] {
        let status = try PostgresMigrator.status(reader.connection)
        var lines = [
            RecordDiagnostic(key: "record", value: "PostgreSQL"),
            RecordDiagnostic(
                key: "postgres_version",
                value: try text(reader, "SELECT current_setting('server_version')")
            ),
            RecordDiagnostic(
                key: "schema",
                value: "\(status.version) of \(status.newest)",
                warning: status.problem?.description
            ),
        ]
        lines += try durability(reader)
        lines.append(try vacuuming(reader))
        lines += try tables(reader)
        lines.append(try oldestTransaction(reader))
        return lines
    }

    private static func text(_ reader: PostgresReader, _ sql: String) throws(PostgresError) -> String {
        try reader.rows(sql).first?.text(0) ?? "unknown"
    }

    /// Settings without which a flushed answer may be lost.
    private static func durability(_ reader: PostgresReader) throws(PostgresError) -> [RecordDiagnostic] {
        var lines: [RecordDiagnostic] = []
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            let value = try text(reader, "SELECT current_setting('\(name)')")
            let isSafe = name == "synchronous_commit" ? value != "off" : value == "on"
            let warning =
                "answered jobs can be lost in a crash of the database server: set \(name) = on in postgresql.conf"
            lines.append(RecordDiagnostic(key: name, value: value, warning: isSafe ? nil : warning))
        }
        return lines
    }

    /// In: nothing; out: per table its name, bytes with indexes, live and dead rows; locks nothing.
    private static let sizes = """
        SELECT c.relname::text, sum(pg_total_relation_size(s.relid))::bigint, sum(s.n_live_tup)::bigint,
          sum(s.n_dead_tup)::bigint
        FROM pg_stat_user_tables s
        JOIN pg_class c ON c.oid = coalesce((SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = s.relid), s.relid)
        WHERE s.schemaname = 'stint' GROUP BY c.relname ORDER BY c.relname
        """

    private static func tables(_ reader: PostgresReader) throws(PostgresError) -> [RecordDiagnostic] {
        try reader.rows(sizes).rows.map { row in
            let isLagging = row.integer(3) > 1_000_000 && row.integer(3) > row.integer(2)
            return RecordDiagnostic(
                key: "table_\(row.text(0))",
                value: "\(row.integer(1)) bytes, \(row.integer(2)) rows, \(row.integer(3)) dead",
                warning: isLagging
                    ? "vacuum does not keep up: look for old transactions, and for autovacuum settings that were changed"
                    : nil
            )
        }
    }

    /// How often the server looks for tables to vacuum: a busy `jobs` leaves millions of dead rows behind in a minute.
    private static func vacuuming(_ reader: PostgresReader) throws(PostgresError) -> RecordDiagnostic {
        let isOn = try text(reader, "SELECT current_setting('autovacuum')") == "on"
        let naptime = try text(reader, "SELECT current_setting('autovacuum_naptime')")
        return RecordDiagnostic(
            key: "autovacuum",
            value: isOn ? "every \(naptime)" : "off",
            warning: isOn ? nil : "dead rows are never removed: set autovacuum = on in postgresql.conf"
        )
    }

    private static func oldestTransaction(_ reader: PostgresReader) throws(PostgresError) -> RecordDiagnostic {
        let sql = """
            SELECT coalesce(extract(epoch FROM max(now() - xact_start)), 0)::bigint FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        let seconds = try reader.rows(sql).first?.integer(0) ?? 0
        let warning = "it keeps vacuum from removing dead rows: find it in pg_stat_activity and end it"
        return RecordDiagnostic(
            key: "oldest_transaction_seconds",
            value: String(seconds),
            warning: seconds > 300 ? warning : nil
        )
    }
}
