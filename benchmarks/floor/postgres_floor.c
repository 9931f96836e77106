// SPDX-License-Identifier: Apache-2.0
//
// The floor under the PostgreSQL record: the same rows written with libpq alone, without commands, answers, counts or idempotency.
//
//   cc -O2 -I"$(pg_config --includedir)" postgres_floor.c -lpq -lpthread -o postgres_floor
//   ./postgres_floor postgres://…/db [rounds]
//
// The database must be migrated (`stint migrate up`) and should hold nothing that matters. Two connections each submit, lease and
// complete batches of 1,000 jobs, one round trip a batch. Prints one line of JSON: whole lives of jobs a second.

#include <libpq-fe.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { batch_jobs = 1000, connections = 2, header_bytes = 20, element_bytes = 20 };

// Stores new jobs. In: ids. Locks nothing that exists.
static const char *insert_sql =
    "INSERT INTO stint.jobs (id, queue, name, created_at, run_at, order_key, state, priority, max_attempts, max_losses,"
    " timeout_ms, payload) SELECT i, 'default', 'floor', 1, 1, 1, 2, 0, 12, 3, 1800000, '{\"task\":\"test task\"}'"
    " FROM unnest($1::uuid[]) i";
// Leases them. In: ids. Locks their rows.
static const char *lease_sql =
    "UPDATE stint.jobs j SET state = 3, attempt = attempt + 1, worker = w.id, nonce = 1, started_at = 1, deadline = 1"
    " FROM unnest($1::uuid[]) w (id) WHERE j.id = ANY (ARRAY[w.id]) AND j.state + 0 = 2 RETURNING j.id, j.payload";
// Moves them into history. In: ids. Locks their rows.
static const char *complete_sql =
    "WITH done AS (DELETE FROM stint.jobs j USING unnest($1::uuid[]) w (id)"
    " WHERE j.id = ANY (ARRAY[w.id]) AND j.state + 0 = 3 RETURNING j.*)"
    " INSERT INTO stint.job_history (id, queue, name, created_at, run_at, state, priority, attempt, max_attempts,"
    " max_losses, timeout_ms, payload, worker, nonce, started_at, finished_at, result)"
    " SELECT id, queue, name, created_at, run_at, 4, priority, attempt, max_attempts, max_losses, timeout_ms, payload,"
    " worker, nonce, started_at, (extract(epoch FROM now()) * 1000)::bigint, '{\"ok\":true}' FROM done";

// As in the record's sessions: on a young table the planner would choose, and keep, a plan that takes seven times as long.
static const char *settings = "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off;"
                              " SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off";

static const char *url;
static int rounds = 60;

static void fail(PGconn *connection, const char *what) {
    fprintf(stderr, "%s: %s", what, PQerrorMessage(connection));
    exit(1);
}

static void put32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
}

// An array of uuid in the server's binary format: version 7 ids that rise.
static void make_ids(unsigned char *array, uint32_t connection, uint64_t first) {
    const uint32_t header[5] = {1, 0, 2950, batch_jobs, 1};
    for (int i = 0; i < 5; i++) put32(array + 4 * i, header[i]);
    for (int i = 0; i < batch_jobs; i++) {
        unsigned char *element = array + header_bytes + i * element_bytes;
        uint64_t number = first + (uint64_t)i;
        put32(element, 16);
        put32(element + 4, (uint32_t)time(NULL));
        put32(element + 8, (uint32_t)(number >> 16) << 16 | 0x7000 | (uint32_t)(number >> 4 & 0xFFF));
        put32(element + 12, 0x80000000u | connection);
        put32(element + 16, (uint32_t)number);
    }
}

// BEGIN, one statement, COMMIT in one round trip.
static void carry_out(PGconn *connection, const char *name, const unsigned char *ids) {
    const char *values[] = {(const char *)ids};
    const int lengths[] = {header_bytes + batch_jobs * element_bytes};
    const int formats[] = {1};
    PQsendQueryPrepared(connection, "begin", 0, NULL, NULL, NULL, 1);
    PQsendQueryPrepared(connection, name, 1, values, lengths, formats, 1);
    PQsendQueryPrepared(connection, "commit", 0, NULL, NULL, NULL, 1);
    if (!PQpipelineSync(connection)) fail(connection, name);
    for (int statement = 0; statement < 4; statement++) {
        PGresult *result;
        while ((result = PQgetResult(connection)) != NULL) {
            ExecStatusType status = PQresultStatus(result);
            if (status == PGRES_FATAL_ERROR || status == PGRES_PIPELINE_ABORTED) fail(connection, name);
            PQclear(result);
            if (status == PGRES_PIPELINE_SYNC) break;
        }
    }
}

static void *run(void *argument) {
    uint32_t number = (uint32_t)(uintptr_t)argument;
    PGconn *connection = PQconnectdb(url);
    if (PQstatus(connection) != CONNECTION_OK) fail(connection, "connect");
    const char *statements[][2] = {
        {"set", settings}, {"begin", "BEGIN"}, {"commit", "COMMIT"},
        {"insert", insert_sql}, {"lease", lease_sql}, {"complete", complete_sql},
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        PGresult *result = i == 0 ? PQexec(connection, statements[i][1])
                                  : PQprepare(connection, statements[i][0], statements[i][1], 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(connection, statements[i][0]);
        PQclear(result);
    }
    if (!PQenterPipelineMode(connection)) fail(connection, "pipeline");
    unsigned char *ids = malloc(header_bytes + batch_jobs * element_bytes);
    if (ids == NULL) exit(1);
    for (int round = 0; round < rounds; round++) {
        make_ids(ids, number, (uint64_t)round * batch_jobs);
        carry_out(connection, "insert", ids);
        carry_out(connection, "lease", ids);
        carry_out(connection, "complete", ids);
    }
    free(ids);
    PQfinish(connection);
    return NULL;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: postgres_floor URL [rounds]\n");
        return 2;
    }
    url = arguments[1];
    if (count > 2) rounds = atoi(arguments[2]);
    struct timespec begin, end;
    pthread_t threads[connections];
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uintptr_t i = 0; i < connections; i++) pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    long jobs = (long)rounds * batch_jobs * connections;
    printf("{\"floor\":\"postgres_cycles\",\"unit\":\"jobs/s\",\"jobs\":%ld,\"seconds\":%.3f,\"value\":%.0f}\n", jobs, seconds,
           (double)jobs / seconds);
    return 0;
}
