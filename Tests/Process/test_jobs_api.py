# SPDX-License-Identifier: Apache-2.0
"""The submitter's calls on jobs: shapes, states, lists."""

from typing import Any
from urllib.parse import quote

import pytest

from api_client import UNKNOWN_ID, ApiClient
from fake_worker import FakeWorker, completed, failed
from stint_process import Server
from waiting import Stopwatch, instant

JOB_FIELDS = {
    "id", "name", "queue", "payload", "state", "priority", "attempt", "max_attempts", "failures", "losses",
    "max_losses", "created_at", "run_at", "started_at", "finished_at", "timeout_seconds", "cancel_requested",
    "progress", "lease", "result", "cause", "fingerprint", "tags", "metadata", "attempts",
}  # fmt: skip
ATTEMPT_FIELDS = {"attempt", "worker", "worker_name", "started_at", "ended_at", "outcome", "error"}
GRANT_FIELDS = {
    "id", "name", "queue", "payload", "attempt", "max_attempts", "lease", "timeout_seconds", "created_at", "metadata",
    "traceparent",
}  # fmt: skip
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def ended(server: Server, queue: str, state: str, **fields: Any) -> dict[str, Any]:
    """A job in a terminal state that a worker or a client can bring it to."""
    job = server.api.submit(queue=queue, **fields)
    if state == "cancelled":
        return server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    worker = FakeWorker(server, queues=[queue])
    grant = worker.take_one()
    worker.report(completed(grant) if state == "completed" else failed(grant, retryable=False))
    job = server.api.job(job["id"])
    assert job["state"] == state
    return job


def ids_of(api: ApiClient, query: str) -> list[str]:
    return [job["id"] for job in api.items(f"/v1/jobs?{query}")]


def test_the_short_form_answers_as_documented(api: ApiClient) -> None:
    answer = api.post("/submit_job", {"name": "cpu_intensive", "payload": "test task"})
    body = answer.expect(201)
    assert body == {"job_id": body["job_id"], "state": "available", "message": "Job created successfully"}
    job = api.job(body["job_id"])
    assert (job["name"], job["payload"], job["queue"]) == ("cpu_intensive", "test task", "default")


def test_a_job_is_answered_as_documented_with_defaults(api: ApiClient) -> None:
    answer = api.post("/v1/jobs", {"name": "plain"})
    job = answer.expect(201)
    assert set(job) == JOB_FIELDS
    assert answer.headers["Location"].endswith(f"/v1/jobs/{job['id']}")
    assert api.job(job["id"]) == job
    expected = {
        "name": "plain", "queue": "default", "payload": None, "state": "available", "priority": 0, "attempt": 0,
        "max_attempts": 12, "failures": 0, "losses": 0, "max_losses": 3, "started_at": None, "finished_at": None,
        "timeout_seconds": 1800, "cancel_requested": False, "progress": None, "lease": None, "result": None,
        "cause": None, "fingerprint": None, "tags": [], "metadata": {}, "attempts": [], "run_at": job["created_at"],
    }  # fmt: skip
    assert {key: job[key] for key in expected} == expected


def test_every_field_of_a_submission_is_kept(server: Server, queue: str) -> None:
    body = {
        "name": "full", "payload": {"key": "a.png"}, "queue": queue, "priority": -7, "delay_seconds": 0,
        "start_within_seconds": 3600, "max_attempts": 1000, "max_losses": 100, "timeout_seconds": 604800,
        "retry": {"base_seconds": 1.5, "factor": 3, "cap_seconds": 60, "jitter": "full"}, "tags": ["a", "b"],
        "metadata": {"k": "v", "a": "z"}, "traceparent": TRACEPARENT,
    }  # fmt: skip
    job = server.api.post("/v1/jobs", body).expect(201)
    same = ("name", "payload", "queue", "priority", "max_attempts", "max_losses", "timeout_seconds", "tags", "metadata")
    assert {key: job[key] for key in same} == {key: body[key] for key in same}
    grant = FakeWorker(server, queues=[queue]).take_one()
    assert set(grant) == GRANT_FIELDS
    same = ("name", "payload", "queue", "max_attempts", "timeout_seconds", "metadata", "traceparent")
    assert {key: grant[key] for key in same} == {key: body[key] for key in same}
    assert (grant["id"], grant["attempt"], grant["created_at"]) == (job["id"], 1, job["created_at"])


def test_a_time_to_run_at_is_kept_to_the_millisecond_and_in_utc(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue, run_at="2099-12-01T10:00:00.125+01:00")
    assert (job["state"], job["run_at"]) == ("scheduled", "2099-12-01T09:00:00.125Z")


def test_a_time_in_the_past_counts_as_now(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue, run_at="2001-01-01T00:00:00Z")
    assert (job["state"], job["run_at"]) == ("available", job["created_at"])


def test_a_running_job_shows_its_lease_and_attempt(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue)
    worker = FakeWorker(server, queues=[queue], name="host-1")
    worker.take_one()
    running = server.api.job(job["id"])
    assert set(running["lease"]) == {"worker", "granted_at", "expires_at"}
    assert running["lease"]["worker"] == worker.worker_id
    assert instant(running["lease"]["expires_at"]) > instant(running["lease"]["granted_at"])
    (attempt,) = running["attempts"]
    assert set(attempt) == ATTEMPT_FIELDS
    assert attempt == {
        "attempt": 1,
        "worker": worker.worker_id,
        "worker_name": "host-1",
        "started_at": running["started_at"],
        "ended_at": None,
        "outcome": None,
        "error": None,
    }


def test_a_completed_job_shows_its_result_and_no_lease(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue)
    worker = FakeWorker(server, queues=[queue])
    worker.report(completed(worker.take_one(), {"answer": 42}))
    stored = server.api.job(job["id"])
    assert (stored["state"], stored["result"], stored["lease"]) == ("completed", {"answer": 42}, None)
    assert stored["attempts"][0]["ended_at"] == stored["finished_at"]


def test_ids_rise_strictly(api: ApiClient, queue: str) -> None:
    ids = api.submit_batch([{"name": "work", "queue": queue}] * 500)
    ids += [api.submit(queue=queue)["id"] for _ in range(50)]
    assert ids == sorted(set(ids))
    assert all(job_id[14] == "7" and job_id == job_id.lower() for job_id in ids)


def test_a_batch_may_be_lines(api: ApiClient, queue: str) -> None:
    lines = "".join(f'{{"name":"line-{number}","queue":"{queue}"}}\n' for number in range(3)).encode()
    ids = api.post("/v1/jobs/batch", lines, {"Content-Type": "application/x-ndjson"}).expect(201)["ids"]
    assert [api.job(job_id)["name"] for job_id in ids] == ["line-0", "line-1", "line-2"]


def test_a_batch_of_ten_thousand_is_stored_as_a_whole(api: ApiClient, queue: str) -> None:
    ids = api.submit_batch([{"name": "many", "queue": queue, "delay_seconds": 3600}] * 10_000)
    assert len(set(ids)) == 10_000
    assert api.get(f"/v1/queues/{queue}").expect(200)["counts"]["scheduled"] == 10_000


def test_a_batch_with_one_bad_job_stores_nothing(api: ApiClient, queue: str) -> None:
    good = {"name": "work", "queue": queue}
    problem = api.post("/v1/jobs/batch", {"jobs": [good, good, {**good, "priority": 101}, good]}).problem(400)
    assert problem["index"] == 2
    assert ids_of(api, f"queue={queue}") == []


def test_a_result_is_awaited_until_the_job_has_ended(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue)
    worker = FakeWorker(server, queues=[queue])
    grant = worker.take_one()
    waiting = server.api.begin("GET", f"/v1/jobs/{job['id']}/result?wait=30")
    assert server.api.get(f"/v1/jobs/{job['id']}/result").status == 202
    assert not waiting.is_answered()
    worker.report(completed(grant, "here"))
    assert waiting.answer(within=2).expect(200)["result"] == "here"


def test_a_result_that_does_not_come_in_time_is_not_there_yet(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue)
    watch = Stopwatch()
    api.get(f"/v1/jobs/{job['id']}/result?wait=0.5").expect(202)
    assert 0.45 <= watch.seconds <= 3


def test_a_result_that_is_there_is_answered_at_once(server: Server, queue: str) -> None:
    job = ended(server, queue, "dead")
    watch = Stopwatch()
    assert server.api.get(f"/v1/jobs/{job['id']}/result?wait=30").expect(200)["state"] == "dead"
    assert watch.seconds < 3


def test_lists_are_paged_newest_first(api: ApiClient, queue: str) -> None:
    ids = api.submit_batch([{"name": "work", "queue": queue}] * 25)
    first = api.get(f"/v1/jobs?queue={queue}&limit=10").expect(200)
    assert set(first) == {"items", "next_cursor"}
    assert [job["id"] for job in first["items"]] == ids[:-11:-1]
    assert ids_of(api, f"queue={queue}&limit=10") == ids[::-1]


def test_a_page_is_not_shifted_by_newer_jobs(api: ApiClient, queue: str) -> None:
    ids = api.submit_batch([{"name": "work", "queue": queue}] * 4)
    first = api.get(f"/v1/jobs?queue={queue}&limit=2").expect(200)
    api.submit(queue=queue)
    second = api.get(f"/v1/jobs?queue={queue}&limit=2&cursor={quote(first['next_cursor'])}").expect(200)
    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]


def test_lists_are_filtered(server: Server, queue: str) -> None:
    api = server.api
    done = ended(server, queue, "completed", name="first")["id"]
    tagged = api.submit("second", queue=queue, tags=["red", "blue"])["id"]
    later = api.submit("second", queue=queue, delay_seconds=3600)["id"]
    for query, expected in {
        "state=completed": [done],
        "state=scheduled": [later],
        "name=second": [later, tagged],
        "tag=blue": [tagged],
        "tag=green": [],
        "name=second&state=available": [tagged],
    }.items():
        assert ids_of(api, f"queue={queue}&{query}") == expected, query


def test_lists_are_bounded_by_the_time_of_creation(api: ApiClient, queue: str) -> None:
    job = api.submit(queue=queue)
    created = job["created_at"]
    assert ids_of(api, f"queue={queue}&created_after={created}") == [job["id"]], "inclusive"
    assert ids_of(api, f"queue={queue}&created_before={created}") == [], "exclusive"
    assert ids_of(api, f"queue={queue}&created_after=2099-01-01T00:00:00Z") == []
    assert ids_of(api, f"queue={queue}&created_before=2099-01-01T00:00:00Z") == [job["id"]]


def test_a_waiting_job_is_cancelled_at_once_and_again_without_effect(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue)
    cancelled = server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    assert (cancelled["state"], cancelled["attempts"]) == ("cancelled", [])
    assert server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200) == cancelled
    assert FakeWorker(server, queues=[queue]).poll(wait_seconds=0.3)["jobs"] == []


@pytest.mark.parametrize("state", ["completed", "dead"])
def test_an_ended_job_cannot_be_cancelled(server: Server, queue: str, state: str) -> None:
    job = ended(server, queue, state)
    server.api.post(f"/v1/jobs/{job['id']}/cancel").problem(409, code="wrong_state")


@pytest.mark.parametrize("state", ["dead", "cancelled"])
def test_an_ended_job_can_be_sent_back(server: Server, queue: str, state: str) -> None:
    job = ended(server, queue, state)
    assert server.api.post(f"/v1/jobs/{job['id']}/retry").expect(200)["state"] == "available"


def test_a_scheduled_job_can_be_run_now(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, delay_seconds=3600)
    assert server.api.post(f"/v1/jobs/{job['id']}/retry").expect(200)["state"] == "available"
    assert FakeWorker(server, queues=[queue]).take_one()["id"] == job["id"]


def test_running_and_completed_jobs_cannot_be_retried(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue)
    worker = FakeWorker(server, queues=[queue])
    grant = worker.take_one()
    server.api.post(f"/v1/jobs/{job['id']}/retry").problem(409, code="wrong_state")
    worker.report(completed(grant))
    server.api.post(f"/v1/jobs/{job['id']}/retry").problem(409, code="wrong_state")


@pytest.mark.parametrize("state", ["completed", "dead", "cancelled"])
def test_an_ended_job_can_be_deleted(server: Server, queue: str, state: str) -> None:
    job = ended(server, queue, state)
    answer = server.api.delete(f"/v1/jobs/{job['id']}")
    assert (answer.status, answer.body) == (204, b"")
    server.api.get(f"/v1/jobs/{job['id']}").problem(404)
    assert ids_of(server.api, f"queue={queue}") == []


def test_a_job_that_has_not_ended_cannot_be_deleted(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue)
    server.api.delete(f"/v1/jobs/{job['id']}").problem(409, code="wrong_state")
    FakeWorker(server, queues=[queue]).take_one()
    server.api.delete(f"/v1/jobs/{job['id']}").problem(409, code="wrong_state")


def test_every_answer_has_a_request_id_of_its_own(server: Server) -> None:
    answers = [server.api.get("/v1/stats"), server.api.get("/v1/stats"), server.api.get(f"/v1/jobs/{UNKNOWN_ID}")]
    answers += [server.api.get("/nowhere"), server.coordinator.get("/healthz")]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert all(ids)
    assert len(set(ids)) == len(ids)
