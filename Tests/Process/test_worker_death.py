# SPDX-License-Identifier: Apache-2.0
"""Workers that die, hang or come back from the dead: their jobs run again, and nothing they say late has an effect."""

from pathlib import Path
from typing import Any

import pytest

from api_client import ApiClient, outcomes
from fake_worker import FakeWorker, completed, failed
from stint_process import Launcher, Server, is_running
from waiting import Stopwatch, eventually

LEASE = 3.0
SWEEP = 0.5
DETECTED_WITHIN = LEASE + SWEEP + 1
SETTINGS = {
    "STINT_LEASE_SECONDS": str(LEASE),
    "STINT_HEARTBEAT_SECONDS": "1",
    "STINT_SWEEP_SECONDS": str(SWEEP),
}
# A handler that was told to end by SIGTERM and does not is killed after some grace.
HANDLER_GONE_WITHIN = 15.0


@pytest.fixture(scope="module")
def server(module_launcher: Launcher) -> Server:
    return module_launcher.server(SETTINGS)


def all_running(api: ApiClient, ids: list[str]) -> None:
    eventually(
        lambda: all(api.job(job_id)["state"] == "running" for job_id in ids), within=10, what=f"{len(ids)} jobs run"
    )


def pid_in(file: Path) -> int:
    """The process id that a handler has written to the file."""
    text = eventually(lambda: file.read_text().strip() if file.exists() else "", within=10, what=f"{file} is written")
    return int(text)


def gone(pid: int) -> None:
    eventually(lambda: not is_running(pid), within=HANDLER_GONE_WITHIN, what=f"handler {pid} ended")


def lose(worker: FakeWorker, api: ApiClient, job_id: str, losses: int) -> dict[str, Any]:
    """Lets the worker take the job and then be silent until it is lost."""
    assert worker.take_one(within=5)["id"] == job_id

    def lost() -> dict[str, Any] | None:
        job = api.job(job_id)
        return job if job["losses"] == losses else None

    return eventually(lost, within=DETECTED_WITHIN, what=f"loss {losses} was found")


def test_jobs_of_a_killed_worker_run_again_within_lease_and_sweep(launcher: Launcher) -> None:
    server = launcher.server(SETTINGS)
    worker = launcher.exec_worker(server, {"slow": "sleep 60"}, concurrency=8)
    ids = server.api.submit_batch([{"name": "slow"}] * 8)
    all_running(server.api, ids)

    worker.kill9()
    since_death = Stopwatch()
    rescuer = FakeWorker(server, concurrency=8)
    grants = rescuer.take(8, within=DETECTED_WITHIN)

    assert since_death.seconds <= DETECTED_WITHIN
    assert sorted(grant["id"] for grant in grants) == sorted(ids)
    assert rescuer.report(*map(completed, grants)) == ["accepted"] * 8
    for job_id in ids:
        job = server.api.job(job_id)
        assert (job["state"], job["losses"], job["failures"], job["attempt"]) == ("completed", 1, 0, 2)
        assert outcomes(job) == ["lost", "completed"]


def test_a_killed_worker_is_shown_as_unavailable(launcher: Launcher) -> None:
    server = launcher.server(SETTINGS)
    worker = launcher.exec_worker(server, {"slow": "sleep 60"})
    worker.kill9()

    def state() -> str:
        session = server.api.worker(worker.session_id)
        return session["state"] if session else "not listed"

    eventually(lambda: state() == "unavailable", within=DETECTED_WITHIN, what="its session is unavailable")


def test_a_handler_that_ignores_everything_is_timed_out_by_the_server(launcher: Launcher) -> None:
    server = launcher.server(SETTINGS)
    pid_file = launcher.directory("handler") / "pid"
    launcher.exec_worker(server, {"stubborn": f"trap '' TERM; echo $$ > {pid_file}; while true; do sleep 0.2; done"})
    job = server.api.submit("stubborn", timeout_seconds=1, max_attempts=1)

    dead = server.api.job_in_state(job["id"], "dead", within=1 + SWEEP + 3)
    assert dead["cause"] == "attempts_exhausted"
    assert outcomes(dead) == ["timed_out"]
    assert (dead["failures"], dead["losses"]) == (1, 0)
    gone(pid_in(pid_file))


def test_a_frozen_worker_that_thaws_changes_nothing_and_stops_its_handlers(launcher: Launcher) -> None:
    server = launcher.server(SETTINGS)
    pid_file = launcher.directory("handler") / "pid"
    # The short handler ends while its worker is frozen, so that there is something to report late.
    zombie = launcher.exec_worker(server, {"short": "sleep 2", "long": f"echo $$ > {pid_file}; exec sleep 60"})
    ids = [server.api.submit(name)["id"] for name in ("short", "long")]
    all_running(server.api, ids)
    handler = pid_in(pid_file)

    zombie.freeze()
    rescuer = FakeWorker(server, name="rescuer")
    zombie.ignore_session(rescuer.worker_id)
    grants = rescuer.take(2, within=DETECTED_WITHIN)
    assert rescuer.report(*(completed(grant, "by the rescuer") for grant in grants)) == ["accepted"] * 2
    zombie.thaw()

    gone(handler)
    zombie.await_new_session()
    for job_id in ids:
        job = server.api.job(job_id)
        assert (job["state"], job["result"]) == ("completed", "by the rescuer")
        assert outcomes(job) == ["lost", "completed"]
        assert job["attempts"][1]["worker"] == rescuer.worker_id


def test_a_thawed_worker_works_again(launcher: Launcher) -> None:
    server = launcher.server(SETTINGS)
    zombie = launcher.exec_worker(server, {"quick": "true"})
    zombie.freeze()
    eventually(lambda: not server.api.live_workers(), within=DETECTED_WITHIN, what="the frozen worker is lost")
    job = server.api.submit("quick")
    zombie.thaw()
    assert outcomes(server.api.job_in_state(job["id"], "completed", within=15)) == ["completed"]


def test_a_job_that_loses_its_workers_again_and_again_is_dead(server: Server, queue: str) -> None:
    job = server.api.submit(queue=queue, max_losses=2)
    first = lose(FakeWorker(server, queues=[queue], name="first"), server.api, job["id"], losses=1)
    assert first["state"] == "available", "a first loss puts the job back at once"
    dead = lose(FakeWorker(server, queues=[queue], name="second"), server.api, job["id"], losses=2)
    assert (dead["state"], dead["cause"], dead["failures"]) == ("dead", "crash_loop", 0)
    assert outcomes(dead) == ["lost", "lost"]
    assert [attempt["worker_name"] for attempt in dead["attempts"]] == ["first", "second"]


def test_a_second_loss_backs_off(server: Server, queue: str) -> None:
    retry = {"base_seconds": 30, "factor": 1, "cap_seconds": 30, "jitter": "none"}
    job = server.api.submit(queue=queue, max_losses=3, retry=retry)
    lose(FakeWorker(server, queues=[queue]), server.api, job["id"], losses=1)
    second = lose(FakeWorker(server, queues=[queue]), server.api, job["id"], losses=2)
    assert second["state"] == "scheduled"


def test_a_lost_session_is_told_so_by_every_call(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue, max_losses=1)
    lose(worker, server.api, job["id"], losses=1)
    late = completed(next(iter(worker.held.values())), "late")
    for answer in (worker.send_results(late), worker.send_heartbeat(late["lease"]), worker.send_poll()):
        answer.problem(410, code="session_lost")
    assert server.api.job(job["id"])["state"] == "dead"


def test_a_new_session_cannot_report_what_the_lost_one_held(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    lose(worker, server.api, job["id"], losses=1)
    late = completed(next(iter(worker.held.values())), "late")
    worker.register()
    again = worker.take_one()
    assert again["lease"] != late["lease"]
    assert worker.report(late) == ["lease_lost"]
    assert worker.verdict(late["lease"]) == "lost"
    assert worker.report(completed(again, "again")) == ["accepted"]
    assert server.api.job(job["id"])["result"] == "again"


def test_another_session_cannot_report_a_lease(server: Server, queue: str) -> None:
    holder = FakeWorker(server, queues=[queue])
    thief = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = holder.take_one()
    assert thief.report(completed(grant, "stolen")) == ["lease_lost"]
    assert thief.verdict(grant["lease"]) == "lost"
    assert holder.report(completed(grant, "earned")) == ["accepted"]
    assert server.api.job(job["id"])["result"] == "earned"


def test_a_timed_out_attempt_is_lost_to_its_worker(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue, timeout_seconds=1, max_attempts=1)
    grant = worker.take_one()
    server.api.job_in_state(job["id"], "dead", within=1 + SWEEP + 1)
    assert worker.verdict(grant["lease"]) == "lost"
    assert worker.report(completed(grant, "late")) == ["lease_lost"]
    dead = server.api.job(job["id"])
    assert (dead["state"], dead["result"]) == ("dead", None)
    assert outcomes(dead) == ["timed_out"]


def test_a_repeated_report_gets_the_same_answer_and_the_first_result_stands(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    grant = worker.take_one()
    assert worker.report(completed(grant, "first")) == ["accepted"]
    assert worker.report(completed(grant, "second")) == ["accepted"]
    assert worker.report(failed(grant)) == ["already_reported"]
    stored = server.api.job(job["id"])
    assert (stored["state"], stored["result"]) == ("completed", "first")
    assert outcomes(stored) == ["completed"]


def test_an_earlier_attempt_stays_reported_while_a_later_one_runs(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    retry = {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1, "jitter": "none"}
    job = server.api.submit(queue=queue, retry=retry)
    first = worker.take_one()
    assert worker.report(failed(first)) == ["accepted"]
    second = worker.take_one()
    assert worker.report(failed(first)) == ["accepted"]
    assert worker.report(completed(first)) == ["already_reported"]
    running = server.api.job(job["id"])
    assert (running["state"], running["attempt"], running["failures"]) == ("running", 2, 1)
    assert worker.report(completed(second)) == ["accepted"]


def test_results_in_one_request_are_judged_one_by_one(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    server.api.submit_batch([{"name": "work", "queue": queue}] * 2)
    first, second = worker.take(2)
    stolen = dict(completed(second), lease=second["lease"][:-1] + ("0" if second["lease"][-1] != "0" else "1"))
    assert worker.report(completed(first), stolen, completed(second)) == ["accepted", "lease_lost", "accepted"]
