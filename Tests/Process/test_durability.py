# SPDX-License-Identifier: Apache-2.0
"""A 2xx means stored: acknowledged jobs survive `kill -9` of the server and are completed once."""

import random
import sqlite3

import pytest

from api_client import ApiClient, outcomes
from fake_worker import FakeWorker, completed
from stint_process import Launcher, Server
from submit_storm import Ledger, StormThread, StormWorker, Submitter
from waiting import eventually

KILLS = 20
SUBMITTERS = 4
ACKNOWLEDGED_BETWEEN_KILLS = (20, 100)
SEED = 20_260_101

BY_HAND = "by_hand"
BY_SWIFT = "by_swift"
FAST_LEASE = {"STINT_LEASE_SECONDS": "3", "STINT_HEARTBEAT_SECONDS": "1", "STINT_SWEEP_SECONDS": "0.5"}


def unfinished_jobs(api: ApiClient) -> int:
    counts = api.get("/v1/stats").expect(200)["counts"]
    return sum(counts.get(state, 0) for state in ("blocked", "scheduled", "available", "running"))


def kill_and_restart_in_the_middle(server: Server, ledger: Ledger) -> None:
    randomness = random.Random(SEED)
    for _ in range(KILLS):
        wanted = ledger.count() + randomness.randint(*ACKNOWLEDGED_BETWEEN_KILLS)
        eventually(
            lambda: ledger.count() >= wanted or ledger.errors, within=30, what="the storm goes on after a restart"
        )
        server.restart_after_kill9()


def rage(server: Server) -> tuple[Ledger, list[StormWorker]]:
    """The whole storm, until every thread has ended and every job is done."""
    ledger = Ledger()
    workers = [StormWorker(server, ledger, f"storm-worker-{number}", [BY_HAND]) for number in range(2)]
    submitters = [Submitter(server, ledger, number, [BY_HAND] * 4 + [BY_SWIFT]) for number in range(SUBMITTERS)]
    threads: list[StormThread] = [*workers, *submitters]
    for thread in threads:
        thread.start()
    try:
        kill_and_restart_in_the_middle(server, ledger)
        for submitter in submitters:
            submitter.finish()
        eventually(
            lambda: ledger.errors or unfinished_jobs(server.api) == 0, within=60, what="no job is left unfinished"
        )
    finally:
        for thread in threads:
            thread.stopping.set()
    for worker in workers:
        worker.finish()
    assert not ledger.errors, f"a thread of the storm failed: {ledger.errors}"
    return ledger, workers


def assert_completed_once(api: ApiClient, job_id: str) -> None:
    job = api.job(job_id)
    assert job["state"] == "completed", job
    assert outcomes(job).count("completed") == 1, job
    assert outcomes(job)[-1] == "completed", job


def assert_record_is_sound(server: Server) -> None:
    """On the file of a stopped server."""
    connection = sqlite3.connect(server.record_file())
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


@pytest.mark.embedded
def test_a_storm_of_submits_survives_twenty_kills_of_the_server(launcher: Launcher) -> None:
    server = launcher.server(FAST_LEASE, restartable=True)
    launcher.exec_worker(server, {BY_SWIFT: "true"})
    ledger, workers = rage(server)

    assert len(ledger.acknowledged) >= KILLS * ACKNOWLEDGED_BETWEEN_KILLS[0]
    for job_id in ledger.acknowledged:
        assert_completed_once(server.api, job_id)
    for worker in workers:
        assert worker.accepted, "each worker took part"
        assert all(len(leases) == 1 for leases in worker.accepted.values()), "a job was completed under two leases"

    assert ledger.repeated, "no keyed request was ever in flight at a kill: the storm was too weak"
    for submission, ids in ledger.repeated.items():
        if submission.is_tagged:
            stored = {job["id"] for job in server.api.items(f"/v1/jobs?tag={submission.tag}")}
            assert stored == set(ids), f"{submission.tag} stored other jobs than it was answered"

    total = server.api.get("/v1/stats").expect(200)["counts"]["completed"]
    assert len(ledger.acknowledged) <= total <= len(ledger.acknowledged) + ledger.undecided

    server.stop()
    assert_record_is_sound(server)


def test_a_job_is_there_unchanged_when_the_server_is_killed_right_after_the_answer(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    submitted = server.api.submit(payload={"a": [1, 2.50]}, priority=3, tags=["t"], metadata={"k": "v"})
    server.restart_after_kill9()
    assert server.api.job(submitted["id"]) == submitted


def test_a_worker_session_and_its_lease_outlive_a_killed_server(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    worker = FakeWorker(server)
    job = server.api.submit()
    grant = worker.take_one()
    server.restart_after_kill9()
    assert worker.verdict(grant["lease"]) == "ok"
    assert worker.report(completed(grant, "done")) == ["accepted"]
    assert server.api.job(job["id"])["result"] == "done"


def test_an_accepted_report_is_still_known_after_the_server_was_killed(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    worker = FakeWorker(server)
    job = server.api.submit()
    grant = worker.take_one()
    assert worker.report(completed(grant)) == ["accepted"]
    server.restart_after_kill9()
    assert worker.report(completed(grant)) == ["accepted"]
    assert outcomes(server.api.job(job["id"])) == ["completed"]


def test_a_delayed_job_keeps_its_time_over_a_killed_server(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    worker = FakeWorker(server)
    submitted = server.api.submit(delay_seconds=2)
    server.restart_after_kill9()
    assert server.api.job(submitted["id"])["run_at"] == submitted["run_at"]
    assert worker.take_one()["id"] == submitted["id"]


def test_a_pause_outlives_a_killed_server(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    worker = FakeWorker(server)
    server.api.post("/v1/queues/default/pause").expect(200)
    server.api.submit()
    server.restart_after_kill9()
    assert server.api.get("/v1/queues/default").expect(200)["paused"] is True
    assert worker.poll(wait_seconds=0.3)["jobs"] == []


@pytest.mark.embedded
def test_a_clean_stop_leaves_a_sound_record_and_no_log_to_replay(launcher: Launcher) -> None:
    server = launcher.server()
    server.api.submit_batch([{"name": "work"}] * 100)
    server.stop()
    log = server.record_file().with_name(server.record_file().name + "-wal")
    assert not log.exists() or log.stat().st_size == 0
    assert_record_is_sound(server)
