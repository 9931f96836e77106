// SPDX-License-Identifier: Apache-2.0

/// Submitting from SQL, for an application that shares the database and wants the job in its own transaction.
///
/// No server is told: the reconciler finds such a job.
enum SubmitFunction {
    static let statements: [String] = [uuid, isWord, submit]

    /// A version 7 UUID, made of the server's clock and random bits.
    ///
    /// In: nothing. Out: the id. Locks nothing.
    private static let uuid = """
        CREATE FUNCTION stint.new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
          SELECT encode(
            set_byte(set_byte(
              overlay(uuid_send(gen_random_uuid()) PLACING
                substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
              6, (get_byte(uuid_send(gen_random_uuid()), 0) & 15) | 112),
              8, (get_byte(uuid_send(gen_random_uuid()), 0) & 63) | 128),
            'hex')::uuid
        $$
        """

    /// Whether a text can name a job or a queue, by the rule of the HTTP API.
    ///
    /// In: the text. Out: yes or no. Locks nothing.
    private static let isWord = """
        CREATE FUNCTION stint.is_word(word text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
          SELECT coalesce(word ~ '^[A-Za-z0-9._:-]{1,128}$', false)
        $$
        """

    /// Stores one job in the caller's transaction.
    ///
    /// In: the job. Out: its id; an error when an argument breaks a rule of the HTTP API. Locks nothing that exists: one row is
    /// added to `jobs`, one to the ledger of counts.
    private static let submit = """
        CREATE FUNCTION stint.submit(
          name text, payload text DEFAULT 'null', queue text DEFAULT 'default', priority integer DEFAULT 0,
          delay interval DEFAULT '0', max_attempts integer DEFAULT 12, timeout interval DEFAULT '30 minutes'
        ) RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
        DECLARE
          at_ms bigint := (extract(epoch FROM now()) * 1000)::bigint;
          delay_ms bigint := (extract(epoch FROM delay) * 1000)::bigint;
          timeout_ms bigint := (extract(epoch FROM timeout) * 1000)::bigint;
          new_id uuid := stint.new_id();
          new_state smallint;
        BEGIN
          IF NOT stint.is_word(submit.name) THEN
            RAISE EXCEPTION 'stint.submit: a name is 1 to 128 characters of A-Za-z0-9._:-' USING ERRCODE = '22023';
          END IF;
          IF NOT stint.is_word(submit.queue) THEN
            RAISE EXCEPTION 'stint.submit: a queue is 1 to 128 characters of A-Za-z0-9._:-' USING ERRCODE = '22023';
          END IF;
          IF submit.payload IS NULL OR octet_length(submit.payload) > 262144 THEN
            RAISE EXCEPTION 'stint.submit: a payload is a JSON value of at most 256 KiB' USING ERRCODE = '22023';
          END IF;
          IF priority IS NULL OR priority NOT BETWEEN -100 AND 100 OR max_attempts IS NULL
            OR max_attempts NOT BETWEEN 1 AND 1000 OR timeout_ms IS NULL OR timeout_ms NOT BETWEEN 1000 AND 604800000
            OR delay_ms IS NULL OR delay_ms NOT BETWEEN 0 AND 315576000000
          THEN
            RAISE EXCEPTION 'stint.submit: priority is -100 to 100, max_attempts 1 to 1000, timeout 1 s to 7 days, '
              'delay 0 to 10 years' USING ERRCODE = '22023';
          END IF;
          -- Only to check it: what is stored is the text as given.
          PERFORM submit.payload::json;
          new_state := CASE WHEN delay_ms > 0 THEN 1 ELSE 2 END;
          INSERT INTO stint.jobs (id, created_at, run_at, order_key, timeout_ms, max_attempts, max_losses, state,
            priority, queue, name, payload)
          VALUES (new_id, at_ms, at_ms + delay_ms, at_ms + delay_ms - priority::bigint * 60000, timeout_ms,
            submit.max_attempts, 3, new_state, priority, submit.queue, submit.name,
            convert_to(submit.payload, 'UTF8'));
          INSERT INTO stint.queue_counts VALUES (submit.queue, new_state, 1);
          RETURN new_id;
        END
        $$
        """
}
