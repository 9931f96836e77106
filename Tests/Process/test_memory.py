# SPDX-License-Identifier: Apache-2.0
"""Memory is bounded by configuration, not by how many jobs there are."""

import os

import pytest

from api_client import ApiClient
from fake_worker import FakeWorker, completed
from stint_process import Launcher, Server

MIB = 1024 * 1024
LIMIT = 200 * MIB
BATCH = 10_000

# The page cache of the record has its full size only after some 250,000 jobs: growth is measured after that. A million
# takes a debug binary too long for every run: set STINT_BINARY to a release binary and STINT_TEST_MEMORY_JOBS=1000000.
SCHEDULED = int(os.environ.get("STINT_TEST_MEMORY_JOBS", "350000"))
MEASURED = 100_000
FINISHED = int(os.environ.get("STINT_TEST_MEMORY_FINISHED", "20000"))
GROWTH_OVER_MEASURED = 10 * MIB

WORKER_SLOTS = 100
BULK = "x" * 2000
# Kept in memory, payload and result of a finished job would cost 4,000 bytes and more.
GROWTH_PER_FINISHED_JOB = 1000


def submit_scheduled(api: ApiClient, count: int) -> None:
    line = b'{"name":"later","payload":{"key":"a.png","width":100},"delay_seconds":86400}\n'
    for _ in range(count // BATCH):
        answer = api.post("/v1/jobs/batch", line * BATCH, {"Content-Type": "application/x-ndjson"})
        assert len(answer.expect(201)["ids"]) == BATCH


def finish(server: Server, worker: FakeWorker, count: int) -> None:
    """Submits jobs and has all of them completed."""
    for _ in range(count // WORKER_SLOTS):
        server.api.submit_batch([{"name": "work", "payload": BULK}] * WORKER_SLOTS)
        grants = worker.take(WORKER_SLOTS, within=30)
        assert set(worker.report(*(completed(grant, BULK) for grant in grants))) == {"accepted"}


@pytest.mark.slow
def test_memory_is_flat_however_many_jobs_are_scheduled(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    assert SCHEDULED % BATCH == 0 and SCHEDULED > MEASURED
    submit_scheduled(server.api, SCHEDULED - MEASURED)
    before = server.memory_bytes()
    submit_scheduled(server.api, MEASURED)
    after = server.memory_bytes()
    assert after < LIMIT, f"{after // MIB} MiB with {SCHEDULED} scheduled jobs"
    assert after - before < GROWTH_OVER_MEASURED, f"it grew from {before // MIB} to {after // MIB} MiB"

    server.restart()
    assert server.api.get("/v1/stats").expect(200)["counts"]["scheduled"] == SCHEDULED
    assert server.memory_bytes() < LIMIT


@pytest.mark.slow
def test_memory_is_flat_however_many_jobs_have_finished(launcher: Launcher) -> None:
    server = launcher.server()
    worker = FakeWorker(server, concurrency=WORKER_SLOTS)
    half = FINISHED // 2
    assert half >= WORKER_SLOTS, "STINT_TEST_MEMORY_FINISHED is too small to measure anything"
    finish(server, worker, half)
    with_half = server.memory_bytes()
    finish(server, worker, half)
    with_all = server.memory_bytes()
    assert with_all < LIMIT
    allowed = GROWTH_PER_FINISHED_JOB * half
    assert with_all - with_half < allowed, f"it grew from {with_half // MIB} to {with_all // MIB} MiB"
