# SPDX-License-Identifier: Apache-2.0
"""Failures, backoff, dead letters, and times before which nothing runs."""

from typing import Any

import pytest

from api_client import ApiClient, outcomes
from fake_worker import FakeWorker, completed, failed, released, snoozed
from stint_process import Server
from waiting import instant

# Times are given in whole milliseconds.
ROUNDING = 0.002
# A due job starts within 0.2 s; 0.3 s more for a slow machine.
STARTS_WITHIN = 0.5

FAST = {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1, "jitter": "none"}


def delays(job: dict[str, Any]) -> list[float]:
    """Seconds from the end of each attempt to the start of the next."""
    attempts = job["attempts"]
    return [
        instant(later["started_at"]) - instant(earlier["ended_at"]) for earlier, later in zip(attempts, attempts[1:])
    ]


def planned_delay(job: dict[str, Any]) -> float:
    """Seconds from the end of the last attempt to the time before which the next must not start."""
    return instant(job["run_at"]) - instant(job["attempts"][-1]["ended_at"])


def fail_until_dead(worker: FakeWorker, api: ApiClient, job_id: str) -> tuple[dict[str, Any], list[float]]:
    """The dead job, and the delays that were planned before each retry."""
    planned = []
    while True:
        grant = worker.take_one(within=10)
        assert worker.report(failed(grant, f"attempt {grant['attempt']} broke")) == ["accepted"]
        job = api.job(job_id)
        if job["state"] == "dead":
            return job, planned
        assert job["state"] in ("scheduled", "available")
        planned.append(planned_delay(job))


def died(server: Server, queue: str, **fields: Any) -> dict[str, Any]:
    """A job that failed for good."""
    job = server.api.submit(queue=queue, **fields)
    worker = FakeWorker(server, queues=[queue])
    assert worker.report(failed(worker.take_one(), retryable=False)) == ["accepted"]
    return server.api.job(job["id"])


def dead_letters(api: ApiClient, queue: str) -> set[str]:
    return {job["id"] for job in api.items(f"/v1/dead-letters?queue={queue}")}


def test_a_failing_job_is_retried_with_equal_jitter_and_dies_with_all_its_errors(server: Server, queue: str) -> None:
    retry = {"base_seconds": 0.2, "factor": 2, "cap_seconds": 0.5, "jitter": "equal"}
    submitted = server.api.submit(queue=queue, max_attempts=5, retry=retry)
    job, planned = fail_until_dead(FakeWorker(server, queues=[queue]), server.api, submitted["id"])

    assert (job["cause"], job["failures"], job["attempt"], job["losses"]) == ("attempts_exhausted", 5, 5, 0)
    assert outcomes(job) == ["failed"] * 5
    assert [attempt["error"]["message"] for attempt in job["attempts"]] == [f"attempt {n} broke" for n in range(1, 6)]
    assert job["finished_at"] is not None
    for longest, delay, measured in zip([0.2, 0.4, 0.5, 0.5], planned, delays(job), strict=True):
        assert longest / 2 - ROUNDING <= delay <= longest + ROUNDING
        assert delay - ROUNDING <= measured <= delay + STARTS_WITHIN


@pytest.mark.parametrize(
    ("jitter", "bounds"),
    [
        ("none", [(0.1, 0.1), (0.2, 0.2), (0.4, 0.4)]),
        ("full", [(0, 0.1), (0, 0.2), (0, 0.4)]),
        # Between the base and three times the delay before, which was at most that of the bound before.
        ("decorrelated", [(0.1, 0.3), (0.1, 0.9), (0.1, 1.0)]),
    ],
)
def test_each_jitter_keeps_its_bounds(
    server: Server, queue: str, jitter: str, bounds: list[tuple[float, float]]
) -> None:
    retry = {"base_seconds": 0.1, "factor": 2, "cap_seconds": 1, "jitter": jitter}
    submitted = server.api.submit(queue=queue, max_attempts=4, retry=retry)
    _, planned = fail_until_dead(FakeWorker(server, queues=[queue]), server.api, submitted["id"])
    for (shortest, longest), delay in zip(bounds, planned, strict=True):
        assert shortest - ROUNDING <= delay <= longest + ROUNDING


def test_a_huge_factor_ends_at_the_cap(server: Server, queue: str) -> None:
    retry = {"base_seconds": 0.05, "factor": 100, "cap_seconds": 0.2, "jitter": "none"}
    submitted = server.api.submit(queue=queue, max_attempts=4, retry=retry)
    _, planned = fail_until_dead(FakeWorker(server, queues=[queue]), server.api, submitted["id"])
    assert planned == pytest.approx([0.05, 0.2, 0.2], abs=ROUNDING)


def test_a_failure_that_must_not_be_retried_is_final(server: Server, queue: str) -> None:
    job = died(server, queue, max_attempts=10)
    assert (job["state"], job["cause"], job["failures"]) == ("dead", "not_retryable", 1)
    assert job["attempts"][0]["error"] == {"type": "TestError", "message": "it broke", "stack": "at line 1"}


@pytest.mark.parametrize("wanted", [0.3, 1.5], ids=["within the cap", "beyond the cap"])
def test_the_worker_may_choose_the_delay(server: Server, queue: str, wanted: float) -> None:
    retry = {"base_seconds": 0.5, "factor": 1, "cap_seconds": 0.5, "jitter": "equal"}
    job = server.api.submit(queue=queue, retry=retry)
    worker = FakeWorker(server, queues=[queue])
    assert worker.report(failed(worker.take_one(), retry_after_seconds=wanted)) == ["accepted"]
    assert planned_delay(server.api.job(job["id"])) == pytest.approx(wanted, abs=ROUNDING)
    assert worker.take_one()["attempt"] == 2
    assert delays(server.api.job(job["id"]))[0] >= wanted - ROUNDING


def test_a_snoozed_job_comes_back_without_using_a_budget(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, max_attempts=1)
    worker = FakeWorker(server, queues=[queue])
    assert worker.report(snoozed(worker.take_one(), 0.4)) == ["accepted"]
    asleep = server.api.job(job["id"])
    assert (asleep["state"], asleep["failures"], asleep["losses"]) == ("scheduled", 0, 0)
    assert planned_delay(asleep) == pytest.approx(0.4, abs=ROUNDING)
    grant = worker.take_one()
    assert worker.report(completed(grant)) == ["accepted"]
    assert outcomes(server.api.job(job["id"])) == ["snoozed", "completed"]


def test_a_released_job_uses_no_budget(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, max_attempts=1)
    worker = FakeWorker(server, queues=[queue])
    for _ in range(3):
        assert worker.report(released(worker.take_one())) == ["accepted"]
    waiting = server.api.job(job["id"])
    assert (waiting["state"], waiting["attempt"], waiting["failures"]) == ("available", 3, 0)


def test_a_redriven_job_can_complete_and_keeps_its_history(server: Server, queue: str) -> None:
    job = died(server, queue)
    redriven = server.api.post(f"/v1/jobs/{job['id']}/retry").expect(200)
    assert (redriven["state"], redriven["failures"], redriven["cause"]) == ("available", 0, None)
    assert instant(redriven["run_at"]) > instant(job["run_at"])

    worker = FakeWorker(server, queues=[queue])
    grant = worker.take_one()
    assert grant["attempt"] == 2
    assert worker.report(completed(grant, "mended")) == ["accepted"]
    mended = server.api.job(job["id"])
    assert (mended["state"], mended["result"]) == ("completed", "mended")
    assert outcomes(mended) == ["failed", "completed"]


def test_dead_letters_are_listed_and_filtered(server: Server, queue: str) -> None:
    job = died(server, queue, name="mine")
    assert dead_letters(server.api, queue) == {job["id"]}
    for query, expected in {
        f"queue={queue}&name=mine": {job["id"]},
        f"queue={queue}&name=other": set(),
        f"queue={queue}&cause=not_retryable": {job["id"]},
        f"queue={queue}&cause=crash_loop": set(),
    }.items():
        found = {letter["id"] for letter in server.api.items(f"/v1/dead-letters?{query}")}
        assert found == expected, query


def test_dead_letters_are_grouped_by_what_they_died_of(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    server.api.submit_batch([{"name": f"of-{queue}", "queue": queue}] * 3)
    grants = worker.take(3)
    messages = ["no such user 17", "no such user 18", "disk full"]
    worker.report(*(failed(grant, message, retryable=False) for grant, message in zip(grants, messages)))

    groups = [group for group in server.api.items("/v1/dead-letters/groups") if group["name"] == f"of-{queue}"]
    keys = {"fingerprint", "name", "error_type", "message", "count", "first_seen", "last_seen", "queues"}
    assert all(set(group) == keys for group in groups)
    assert sum(group["count"] for group in groups) == 3
    assert len({group["fingerprint"] for group in groups}) == len(groups) >= 2
    assert all(group["queues"] == [queue] and group["error_type"] == "TestError" for group in groups)
    full = next(group for group in groups if group["message"] == "disk full")
    assert full["count"] == 1
    by_fingerprint = server.api.items(f"/v1/dead-letters?fingerprint={full['fingerprint']}")
    assert [letter["id"] for letter in by_fingerprint] == [grants[2]["id"]]


def test_dead_letters_are_redriven_by_filter(server: Server, queue: str) -> None:
    chosen, other = died(server, queue, name="chosen"), died(server, queue, name="other")
    answer = server.api.post("/v1/dead-letters/redrive", {"filter": {"queue": queue, "name": "chosen"}, "limit": 10})
    assert answer.expect(202) == {"count": 1}
    worker = FakeWorker(server, queues=[queue])
    grant = worker.take_one()
    assert grant["id"] == chosen["id"]
    assert worker.report(completed(grant)) == ["accepted"]
    assert dead_letters(server.api, queue) == {other["id"]}


def test_a_redrive_can_be_slowed_down(server: Server, queue: str) -> None:
    ids = [died(server, queue)["id"] for _ in range(4)]
    redrive = {"filter": {"queue": queue}, "limit": 3, "per_second": 2}
    assert server.api.post("/v1/dead-letters/redrive", redrive).expect(202) == {"count": 3}
    assert len(dead_letters(server.api, queue)) == 1
    redriven = [job for job in map(server.api.job, ids) if job["state"] != "dead"]
    times = sorted(instant(job["run_at"]) for job in redriven)
    assert [later - earlier for earlier, later in zip(times, times[1:])] == pytest.approx([0.5, 0.5], abs=ROUNDING)


def test_purged_dead_letters_are_gone(server: Server, queue: str) -> None:
    job = died(server, queue)
    assert server.api.post("/v1/dead-letters/purge", {"filter": {"queue": queue}}).expect(202) == {"count": 1}
    assert dead_letters(server.api, queue) == set()
    server.api.get(f"/v1/jobs/{job['id']}").problem(404)


def test_a_delayed_job_starts_at_its_time(server: Server, queue: str) -> None:
    poll = FakeWorker(server, queues=[queue]).park()
    job = server.api.submit(queue=queue, delay_seconds=1)
    assert job["state"] == "scheduled"
    assert instant(job["run_at"]) - instant(job["created_at"]) == pytest.approx(1, abs=ROUNDING)
    assert len(poll.answer(within=3)["jobs"]) == 1
    started = instant(server.api.job(job["id"])["started_at"])
    assert 0 <= started - instant(job["run_at"]) <= STARTS_WITHIN


def test_an_earlier_time_wakes_the_server_before_a_later_one(server: Server, queue: str) -> None:
    poll = FakeWorker(server, queues=[queue]).park()
    server.api.submit(queue=queue, delay_seconds=3600)
    soon = server.api.submit(queue=queue, delay_seconds=0.5)
    assert [grant["id"] for grant in poll.answer(within=3)["jobs"]] == [soon["id"]]


def test_a_job_not_started_in_time_expires(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, start_within_seconds=1)
    expired = server.api.job_in_state(job["id"], "expired", within=4)
    assert (expired["attempt"], expired["attempts"]) == (0, [])
    assert FakeWorker(server, queues=[queue]).poll(wait_seconds=0.3)["jobs"] == []


def test_the_time_to_start_within_concerns_the_first_start_only(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, start_within_seconds=1)
    worker = FakeWorker(server, queues=[queue])
    assert worker.report(snoozed(worker.take_one(), 1.5)) == ["accepted"]
    assert worker.take_one(within=5)["id"] == job["id"]


def test_an_expired_job_can_be_redriven(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, start_within_seconds=1)
    server.api.job_in_state(job["id"], "expired", within=4)
    assert server.api.post(f"/v1/jobs/{job['id']}/retry").expect(200)["state"] == "available"
    assert FakeWorker(server, queues=[queue]).take_one()["id"] == job["id"]


def test_a_paused_queue_grants_nothing_until_it_is_resumed(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    server.api.post(f"/v1/queues/{queue}/pause").expect(200)
    job = server.api.submit(queue=queue)
    assert worker.poll(wait_seconds=0.5)["jobs"] == []
    poll = worker.park()
    server.api.post(f"/v1/queues/{queue}/resume").expect(200)
    assert [grant["id"] for grant in poll.answer(within=2)["jobs"]] == [job["id"]]


def test_a_pause_lets_running_jobs_end(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    server.api.post(f"/v1/queues/{queue}/pause").expect(200)
    assert worker.verdict(grant["lease"]) == "ok"
    assert worker.report(completed(grant)) == ["accepted"]
    assert server.api.job(job["id"])["state"] == "completed"


def test_a_paused_queue_stops_no_other(server: Server, queue: str) -> None:
    other = f"{queue}-other"
    worker = FakeWorker(server, queues=[queue, other])
    server.api.post(f"/v1/queues/{queue}/pause").expect(200)
    server.api.submit(queue=queue)
    job = server.api.submit(queue=other)
    assert [grant["id"] for grant in worker.take(1)] == [job["id"]]
