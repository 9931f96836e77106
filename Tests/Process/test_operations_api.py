# SPDX-License-Identifier: Apache-2.0
"""Queues, workers, statistics, health, the OpenAPI document, explanations."""

from typing import Any

import pytest

from api_client import ApiClient
from fake_worker import FakeWorker, completed, failed
from stint_process import Server
from waiting import eventually, instant

STATES = {"blocked", "scheduled", "available", "running", "completed", "dead", "cancelled", "expired"}
QUEUE_FIELDS = {"queue", "paused", "paused_by", "counts", "oldest_available_age_seconds"}
WORKER_FIELDS = {
    "worker_id", "name", "host", "pid", "sdk", "state", "queues", "job_names", "concurrency", "running", "free_slots",
    "started_at", "last_heartbeat_at", "expires_at",
}  # fmt: skip
DOCUMENTED_PATHS = {
    "/submit_job", "/v1/jobs", "/v1/jobs/batch", "/v1/jobs/{id}", "/v1/jobs/{id}/result", "/v1/jobs/{id}/explain",
    "/v1/jobs/{id}/cancel", "/v1/jobs/{id}/retry", "/v1/dead-letters", "/v1/dead-letters/groups",
    "/v1/dead-letters/redrive", "/v1/dead-letters/purge", "/v1/queues", "/v1/workers", "/v1/workers/{id}/drain",
    "/v1/stats",
}  # fmt: skip


def queue_status(api: ApiClient, queue: str) -> dict[str, Any]:
    return api.get(f"/v1/queues/{queue}").expect(200)


def reasons(api: ApiClient, job_id: str) -> dict[str, dict[str, Any]]:
    """Why the job is not running, by code."""
    explanation = api.get(f"/v1/jobs/{job_id}/explain").expect(200)
    assert set(explanation) == {"runnable", "reasons"}
    for reason in explanation["reasons"]:
        assert set(reason) == {"code", "message", "until"}
        assert reason["message"].strip(), "a sentence a person understands"
    return {reason["code"]: reason for reason in explanation["reasons"]}


def test_a_queue_is_shown_with_its_depth(server: Server, queue: str) -> None:
    server.api.submit_batch([{"name": "work", "queue": queue}] * 3)
    server.api.submit(queue=queue, delay_seconds=3600)
    FakeWorker(server, queues=[queue]).take(1)
    shown = queue_status(server.api, queue)
    assert set(shown) == QUEUE_FIELDS
    assert (shown["queue"], shown["paused"], shown["paused_by"]) == (queue, False, None)
    counts = {state: count for state, count in shown["counts"].items() if count}
    assert counts == {"available": 2, "running": 1, "scheduled": 1}
    assert 0 <= shown["oldest_available_age_seconds"] < 60


def test_an_idle_queue_has_no_oldest_job(api: ApiClient, queue: str) -> None:
    api.submit(queue=queue, delay_seconds=3600)
    assert queue_status(api, queue)["oldest_available_age_seconds"] is None


def test_queues_are_listed(api: ApiClient, queue: str) -> None:
    api.submit(queue=queue)
    listed = {shown["queue"]: shown for shown in api.items("/v1/queues")}
    assert set(listed[queue]) == QUEUE_FIELDS
    assert listed[queue]["counts"]["available"] == 1


def test_a_pause_is_shown_and_ends(api: ApiClient, queue: str) -> None:
    api.submit(queue=queue)
    paused = api.post(f"/v1/queues/{queue}/pause").expect(200)
    assert paused["paused"] is True and paused["paused_by"]
    assert queue_status(api, queue)["paused"] is True
    api.post(f"/v1/queues/{queue}/resume").expect(200)
    shown = queue_status(api, queue)
    assert (shown["paused"], shown["paused_by"]) == (False, None)


def test_a_registration_is_answered_as_documented(server: Server) -> None:
    registered = FakeWorker(server).registered
    assert set(registered) == {"worker_id", "lease_seconds", "heartbeat_seconds", "poll_seconds"}
    assert (registered["lease_seconds"], registered["heartbeat_seconds"]) == (30, 10)
    assert 0 < registered["poll_seconds"] <= 60


def test_a_worker_is_shown_with_its_slots(server: Server, queue: str) -> None:
    worker = FakeWorker(server, name="shown", queues=[queue], job_names=["a", "b"], concurrency=2)
    shown = server.api.worker(worker.worker_id)
    assert shown is not None and set(shown) == WORKER_FIELDS
    expected = {
        "name": "shown",
        "state": "available",
        "queues": [queue],
        "job_names": ["a", "b"],
        "concurrency": 2,
        "running": 0,
        "sdk": "process-tests",
    }
    assert {key: shown[key] for key in expected} == expected
    lease = instant(shown["expires_at"]) - instant(shown["last_heartbeat_at"])
    assert lease == pytest.approx(30, abs=0.002)


def test_the_state_of_a_worker_follows_its_slots(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue], concurrency=1)

    def state() -> tuple[str, int]:
        shown = server.api.worker(worker.worker_id)
        assert shown is not None
        return shown["state"], shown["running"]

    assert state() == ("available", 0)
    server.api.submit(queue=queue)
    grant = worker.take_one()
    assert state() == ("busy", 1)
    worker.report(completed(grant))
    assert state() == ("available", 0)
    worker.send_goodbye()
    assert state() == ("unavailable", 0)


def test_statistics_count_by_state_and_tell_rates(server: Server, queue: str) -> None:
    before = server.api.get("/v1/stats").expect(200)
    assert set(before) == {"counts", "rates"}
    assert set(before["counts"]) == STATES
    assert set(before["rates"]) >= {"submitted", "completed", "failed"}
    assert all(set(rates) == {"1m", "5m", "15m"} for rates in before["rates"].values())

    worker = FakeWorker(server, queues=[queue])
    server.api.submit_batch([{"name": "work", "queue": queue}] * 3)
    first, second, third = worker.take(3)
    worker.report(completed(first), completed(second), failed(third, retryable=False))
    after = server.api.get("/v1/stats").expect(200)["counts"]
    assert after["completed"] == before["counts"]["completed"] + 2
    assert after["dead"] == before["counts"]["dead"] + 1


def test_rates_rise_with_what_happens(server: Server, queue: str) -> None:
    server.api.submit_batch([{"name": "work", "queue": queue}] * 100)
    eventually(
        lambda: server.api.get("/v1/stats").expect(200)["rates"]["submitted"]["1m"] > 0,
        within=15,
        what="the rate of submits over a minute is above zero",
    )


def test_both_ports_tell_their_health(server: Server) -> None:
    for client in (server.api, server.coordinator):
        assert client.get("/healthz").status == 200
        assert client.get("/readyz").status == 200


def test_the_openapi_document_names_every_call(api: ApiClient) -> None:
    document = api.get("/openapi.json").expect(200)
    assert document["openapi"].startswith("3.1")
    assert DOCUMENTED_PATHS <= set(document["paths"])


def test_a_job_that_no_worker_serves_is_explained(api: ApiClient, queue: str) -> None:
    assert "no_worker_for_queue" in reasons(api, api.submit(queue=queue)["id"])


def test_a_job_whose_name_no_worker_knows_is_explained(server: Server, queue: str) -> None:
    FakeWorker(server, queues=[queue], job_names=["other"])
    found = reasons(server.api, server.api.submit("unknown", queue=queue)["id"])
    assert "no_worker_for_name" in found
    assert "no_worker_for_queue" not in found


def test_a_paused_queue_is_explained(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue)
    api.post(f"/v1/queues/{queue}/pause").expect(200)
    assert "queue_paused" in reasons(api, job["id"])


def test_a_time_to_come_is_explained(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue, delay_seconds=3600)
    assert reasons(api, job["id"])["scheduled_for"]["until"] == job["run_at"]


def test_a_backoff_is_explained(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, retry={"base_seconds": 60, "jitter": "none"})
    worker = FakeWorker(server, queues=[queue])
    worker.report(failed(worker.take_one()))
    found = reasons(server.api, job["id"])
    assert found["backing_off"]["until"] == server.api.job(job["id"])["run_at"]
    assert "scheduled_for" not in found


def test_busy_workers_and_the_place_in_line_are_explained(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue], concurrency=1)
    running, second, third = server.api.submit_batch([{"name": "work", "queue": queue}] * 3)
    assert worker.take_one()["id"] == running
    assert set(reasons(server.api, running)) == {"running"}
    assert "all_workers_busy" in reasons(server.api, second)
    assert "behind_in_queue" not in reasons(server.api, second), "it is the next"
    assert any(character.isdigit() for character in reasons(server.api, third)["behind_in_queue"]["message"])


def test_an_ended_job_is_explained(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue)
    api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    assert set(reasons(api, job["id"])) == {"terminal"}


def test_all_reasons_that_apply_are_given(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue, delay_seconds=3600)
    api.post(f"/v1/queues/{queue}/pause").expect(200)
    assert {"queue_paused", "scheduled_for", "no_worker_for_queue"} <= set(reasons(api, job["id"]))
    assert api.get(f"/v1/jobs/{job['id']}/explain").expect(200)["runnable"] is False
