// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel

/// History by day: partitions are made ahead and dropped whole, so that retention costs nothing per job.
///
/// What finds no partition of its day goes to the default one, and is deleted row by row. A partition is detached in one
/// transaction and dropped in another: the first needs a lock that everybody waits for, and is over at once; the second may take
/// its time. A crash between the two leaves a table named `job_history_gone_…`, which the next call drops.
enum HistoryPartitions {
    static let dayMilliseconds: Int64 = 86_400_000
    /// Made ahead, so that a prune that is late by days does no harm.
    static let daysAhead: Int64 = 3

    private static let patienceMilliseconds = 600_000

    static let statements: [String] = [make, detach, drop, first]

    /// Makes the partitions of some days, where they are missing and the default one holds nothing of theirs.
    ///
    /// In: an instant of the first day, how many. Out: how many were made. Locks the default partition, for a moment.
    private static let make = """
        CREATE FUNCTION stint.make_history_partitions(instant bigint, days bigint) RETURNS integer
        LANGUAGE plpgsql AS $$
        DECLARE
          day_ms CONSTANT bigint := \(dayMilliseconds);
          low bigint;
          part text;
          made integer := 0;
        BEGIN
          FOR day IN instant / day_ms .. instant / day_ms + days - 1 LOOP
            low := day * day_ms;
            part := 'job_history_' || to_char(to_timestamp(low / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD');
            CONTINUE WHEN to_regclass('stint.' || part) IS NOT NULL;
            CONTINUE WHEN EXISTS (
              SELECT FROM stint.job_history_default WHERE finished_at >= low AND finished_at < low + day_ms);
            EXECUTE format('CREATE TABLE stint.%I (LIKE stint.job_history INCLUDING ALL)', part);
            EXECUTE format('ALTER TABLE stint.job_history ATTACH PARTITION stint.%I FOR VALUES FROM (%s) TO (%s)',
              part, low, low + day_ms);
            made := made + 1;
          END LOOP;
          RETURN made;
        END
        $$
        """

    /// Detaches the partitions whose day ended before an instant.
    ///
    /// In: the instant; whether only those without a row. Out: how many. Locks history, for a moment.
    private static let detach = """
        CREATE FUNCTION stint.detach_history_partitions(instant bigint, only_empty boolean) RETURNS integer
        LANGUAGE plpgsql AS $$
        DECLARE
          part text;
          is_empty boolean;
          detached integer := 0;
        BEGIN
          FOR part IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'stint.job_history'::regclass AND c.relname ~ '^job_history_[0-9]{8}$'
              AND (extract(epoch FROM to_timestamp(right(c.relname, 8), 'YYYYMMDD')::timestamp) * 1000)::bigint
                + \(dayMilliseconds) <= instant
            ORDER BY c.relname
          LOOP
            IF only_empty THEN
              EXECUTE format('SELECT NOT EXISTS (SELECT FROM stint.%I)', part) INTO is_empty;
              CONTINUE WHEN NOT is_empty;
            END IF;
            EXECUTE format('ALTER TABLE stint.job_history DETACH PARTITION stint.%I', part);
            EXECUTE format('ALTER TABLE stint.%I RENAME TO %I', part, 'job_history_gone_' || right(part, 8));
            detached := detached + 1;
          END LOOP;
          RETURN detached;
        END
        $$
        """

    /// Drops one detached partition and takes its jobs off the counts.
    ///
    /// In: nothing. Out: whether there was one. Locks that table, which nobody else looks at.
    private static let drop = """
        CREATE FUNCTION stint.drop_detached_partition() RETURNS boolean LANGUAGE plpgsql AS $$
        DECLARE
          part text;
        BEGIN
          SELECT c.relname INTO part FROM pg_class c
          WHERE c.relnamespace = 'stint'::regnamespace AND c.relname ~ '^job_history_gone_[0-9]{8}$' AND c.relkind = 'r'
            AND pg_try_advisory_xact_lock(c.oid::bigint)
          ORDER BY c.relname LIMIT 1;
          IF part IS NULL OR to_regclass('stint.' || part) IS NULL THEN RETURN false; END IF;
          EXECUTE format(
            'INSERT INTO stint.queue_counts (queue, state, jobs) SELECT queue, state, -count(*) FROM stint.%I GROUP BY 1, 2',
            part);
          EXECUTE format('DROP TABLE stint.%I', part);
          RETURN true;
        END
        $$
        """

    private static let first = """
        SELECT stint.make_history_partitions((extract(epoch FROM now()) * 1000)::bigint, \(daysAhead))
        """

    /// Makes partitions ahead and drops those whose time is over.
    ///
    /// Each step is a transaction of its own that gives up soon where it must wait.
    static func tend(
        on connection: PostgresConnection,
        now: Timestamp,
        retention: Milliseconds
    ) throws(PostgresError) {
        let make = PostgresStatement("SELECT stint.make_history_partitions($1, $2)") { parameters in
            parameters.add(now)
            parameters.add(daysAhead as Int64?)
        }
        let detach = PostgresStatement("SELECT stint.detach_history_partitions($1, $2)") { parameters in
            parameters.add(now - retention)
            parameters.add(prunesRows(retention))
        }
        for statement in [make, detach] { _ = try impatiently(statement, on: connection) }
        let drop = PostgresStatement("SELECT stint.drop_detached_partition()")
        while try patiently(drop, on: connection)?.bool(0) == true {}
    }

    /// Whether jobs are deleted one by one wherever they are: with a retention of days whole partitions go instead.
    static func prunesRows(_ retention: Milliseconds) -> Bool {
        retention.count <= dayMilliseconds
    }

    private static func impatiently(
        _ statement: PostgresStatement,
        on connection: PostgresConnection
    ) throws(PostgresError) -> PostgresRow? {
        let impatience = PostgresStatement("SELECT set_config('lock_timeout', '500', true)")
        return try connection.run([.begin, impatience, statement, .commit])[2].first
    }

    private static func patiently(
        _ statement: PostgresStatement,
        on connection: PostgresConnection
    ) throws(PostgresError) -> PostgresRow? {
        let patience = PostgresStatement("SELECT set_config('statement_timeout', '\(patienceMilliseconds)', true)")
        return try connection.run([.begin, patience, statement, .commit], within: patienceMilliseconds)[2].first
    }
}
