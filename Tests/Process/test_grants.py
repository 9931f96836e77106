# SPDX-License-Identifier: Apache-2.0
"""Polls: what is granted to whom, what was granted in vain, and what ends a poll early."""

from collections.abc import Callable
from typing import Any

import pytest

from api_client import UNKNOWN_ID, ApiClient, outcomes
from fake_worker import FakeWorker, Grant, Report, cancelled, completed, failed, released
from stint_process import DRAIN_SECONDS, Launcher, Server
from waiting import Stopwatch

AT_ONCE = 1.5
# Long enough for a server to grant what it should not.
A_WHILE = 0.5


def granted_in_vain(worker: FakeWorker, api: ApiClient, queue: str) -> dict[str, Any]:
    """A job that was granted in the answer to a poll that is never read."""
    poll = worker.park()
    job = api.submit(queue=queue)
    api.job_in_state(job["id"], "running", within=5)
    poll.abandon()
    return job


def test_a_grant_that_never_arrived_is_released_at_the_next_poll(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = granted_in_vain(worker, server.api, queue)

    grant = worker.take_one(within=AT_ONCE)
    assert (grant["id"], grant["attempt"]) == (job["id"], 2)
    running = server.api.job(job["id"])
    assert (running["attempt"], running["failures"], running["losses"]) == (2, 0, 0)
    assert outcomes(running) == ["released", None]
    assert worker.report(completed(grant)) == ["accepted"]


def test_a_grant_that_never_arrived_goes_to_another_worker_once_it_is_released(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = granted_in_vain(worker, server.api, queue)

    assert worker.poll(free_slots=0)["jobs"] == []
    assert FakeWorker(server, queues=[queue]).take_one(within=AT_ONCE)["id"] == job["id"]


def test_a_worker_that_hangs_up_while_it_waits_loses_nothing(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    worker.park().abandon()
    job = server.api.submit(queue=queue)
    assert worker.take_one(within=AT_ONCE)["id"] == job["id"]
    running = server.api.job(job["id"])
    assert (running["failures"], running["losses"]) == (0, 0)


def test_a_grant_that_is_named_in_the_next_poll_is_kept(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    for _ in range(3):
        assert worker.poll(running=[grant["lease"]])["jobs"] == []
    assert outcomes(server.api.job(job["id"])) == [None]


def test_a_grant_that_is_reported_in_the_next_poll_is_not_released(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    answer = worker.poll(running=[], results=[completed(grant, "in the poll")])
    assert [entry["status"] for entry in answer["results"]] == ["accepted"]
    assert answer["jobs"] == []
    assert server.api.job(job["id"])["result"] == "in the poll"


def test_heartbeats_say_nothing_about_absent_leases(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    assert worker.heartbeat()["leases"] == []
    assert server.api.job(job["id"])["state"] == "running"
    assert worker.verdict(grant["lease"]) == "ok"


def test_a_newer_poll_supersedes_the_older_one(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    older = worker.park()
    newer = worker.park()
    assert older.answer(within=AT_ONCE)["jobs"] == []
    job = server.api.submit(queue=queue)
    assert [grant["id"] for grant in newer.answer(within=AT_ONCE)["jobs"]] == [job["id"]]


def test_work_ends_a_parked_poll_at_once(server: Server, queue: str) -> None:
    poll = FakeWorker(server, queues=[queue]).park()
    job = server.api.submit(queue=queue)
    assert [grant["id"] for grant in poll.answer(within=AT_ONCE)["jobs"]] == [job["id"]]


def test_a_poll_without_work_waits_as_long_as_it_was_asked_to(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    watch = Stopwatch()
    answer = worker.poll(wait_seconds=0.6)
    assert answer == {"jobs": [], "cancel": [], "results": [], "drain": False}
    assert 0.55 <= watch.seconds <= 0.6 + AT_ONCE


def test_free_slots_are_clamped_to_the_concurrency(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue], concurrency=2)
    server.api.submit_batch([{"name": "work", "queue": queue}] * 5)
    assert len(worker.poll(free_slots=1_000_000, wait_seconds=5)["jobs"]) == 2


def test_a_poll_is_granted_no_more_than_its_free_slots(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue], concurrency=8)
    server.api.submit_batch([{"name": "work", "queue": queue}] * 5)
    assert len(worker.poll(free_slots=3, wait_seconds=5)["jobs"]) == 3
    assert worker.poll(free_slots=0, wait_seconds=A_WHILE)["jobs"] == []


def test_results_in_a_poll_are_applied_before_jobs_are_granted(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue], concurrency=1)
    first = server.api.submit(queue=queue)
    grant = worker.take_one()
    answer = worker.poll(results=[released(grant)], wait_seconds=5)
    assert [(job["id"], job["attempt"]) for job in answer["jobs"]] == [(first["id"], 2)]


def test_a_draining_session_is_told_and_granted_nothing(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    poll = worker.park()
    server.api.post(f"/v1/workers/{worker.worker_id}/drain").expect(200, 202)
    assert poll.answer(within=AT_ONCE) == {"jobs": [], "cancel": [], "results": [], "drain": True}

    job = server.api.submit(queue=queue)
    refused = worker.poll(free_slots=4, wait_seconds=A_WHILE)
    assert (refused["jobs"], refused["drain"]) == ([], True)
    assert worker.heartbeat()["drain"] is True
    session = server.api.worker(worker.worker_id)
    assert session is not None and session["state"] == "draining"
    assert FakeWorker(server, queues=[queue]).take_one(within=AT_ONCE)["id"] == job["id"]


def test_a_draining_session_may_still_report(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    server.api.submit(queue=queue)
    grant = worker.take_one()
    server.api.post(f"/v1/workers/{worker.worker_id}/drain").expect(200, 202)
    assert worker.report(completed(grant)) == ["accepted"]


def test_goodbye_releases_at_once_what_is_still_held(server: Server, queue: str) -> None:
    leaver = FakeWorker(server, queues=[queue])
    ids = server.api.submit_batch([{"name": "work", "queue": queue}] * 2)
    leaver.take(2)
    assert leaver.send_goodbye().status == 204

    grants = FakeWorker(server, queues=[queue]).take(2, within=AT_ONCE)
    assert sorted(grant["id"] for grant in grants) == sorted(ids)
    for job_id in ids:
        job = server.api.job(job_id)
        assert outcomes(job) == ["released", None]
        assert (job["failures"], job["losses"]) == (0, 0)


def test_after_goodbye_the_session_is_lost(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    worker.send_goodbye()
    worker.send_poll().problem(410, code="session_lost")


@pytest.mark.parametrize(
    ("call", "body"), [("poll", {"free_slots": 1}), ("results", {"results": []}), ("heartbeat", {"running": []})]
)
def test_an_unknown_session_is_lost(server: Server, call: str, body: dict[str, Any]) -> None:
    server.coordinator.post(f"/v1/workers/{UNKNOWN_ID}/{call}", body).problem(410, code="session_lost")


def test_a_released_job_keeps_its_place(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    first = server.api.submit(queue=queue)
    server.api.submit(queue=queue)
    grant = worker.take_one()
    assert worker.report(released(grant)) == ["accepted"]
    again = worker.take_one()
    assert (again["id"], again["attempt"]) == (first["id"], 2)
    job = server.api.job(first["id"])
    assert (job["run_at"], job["failures"], job["losses"]) == (first["run_at"], 0, 0)


def test_a_cancellation_reaches_a_parked_poll_at_once(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    poll = worker.park(free_slots=0)
    assert server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)["state"] == "running"
    assert poll.answer(within=AT_ONCE)["cancel"] == [grant["lease"]]


def test_a_cancellation_is_repeated_until_it_is_reported(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    for _ in range(2):
        assert worker.poll(free_slots=0)["cancel"] == [grant["lease"]]
    assert worker.verdict(grant["lease"]) == "cancel"
    assert worker.report(cancelled(grant)) == ["accepted"]
    assert worker.poll(free_slots=0)["cancel"] == []
    stored = server.api.job(job["id"])
    assert (stored["state"], outcomes(stored)) == ("cancelled", ["cancelled"])


def test_a_known_cancellation_does_not_end_a_poll_early(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    assert worker.poll(free_slots=0, wait_seconds=5)["cancel"] == [grant["lease"]]
    watch = Stopwatch()
    assert worker.poll(free_slots=0, wait_seconds=A_WHILE)["cancel"] == [grant["lease"]]
    assert watch.seconds >= A_WHILE - 0.05


def test_a_completion_after_the_cancellation_wins(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    assert worker.report(completed(grant, "made it")) == ["accepted"]
    stored = server.api.job(job["id"])
    assert (stored["state"], stored["result"]) == ("completed", "made it")


@pytest.mark.parametrize("report", [failed, released], ids=["failed", "released"])
def test_any_other_ending_after_the_cancellation_cancels(
    server: Server, queue: str, report: Callable[[Grant], Report]
) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    assert worker.report(report(grant)) == ["accepted"]
    assert server.api.job(job["id"])["state"] == "cancelled"


def test_progress_of_a_heartbeat_is_shown(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    worker.heartbeat(grant["lease"], progress={"percent": 40, "message": "halfway, nearly"})
    assert server.api.job(job["id"])["progress"] == {"percent": 40, "message": "halfway, nearly"}


def test_parked_polls_are_answered_when_the_server_is_told_to_stop(launcher: Launcher) -> None:
    server = launcher.server()
    polls = [FakeWorker(server, name=f"worker-{number}").park(wait_seconds=60) for number in range(4)]
    server.begin_stop()
    for poll in polls:
        assert poll.answer(within=DRAIN_SECONDS)["jobs"] == []
    server.finish_stop()


def test_a_parked_poll_whose_client_has_gone_is_given_no_jobs(server: Server, queue: str) -> None:
    gone = FakeWorker(server, queues=[queue])
    parked = gone.park(wait_seconds=30)
    parked.abandon()
    heir = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    assert heir.take_one(within=5)["id"] == job["id"]
    assert server.api.job(job["id"])["attempt"] == 1
