# SPDX-License-Identifier: Apache-2.0
"""A commit whose answer never arrives: who sent it does not know, and nothing is lost, stuck or done twice by that."""

import time

import pytest

from answer_cutter import AnswerCutter
from api_client import UNKNOWN_OUTCOME, Answer, outcomes
from fake_worker import FakeWorker, completed
from fleet import FAST, Fleet
from private_servers import PrivatePostgres
from stint_process import Launcher, Settings
from waiting import eventually

# What is stuck under a living session must not be freed by the end of that session.
LONG_LEASE: Settings = {**FAST, "STINT_LEASE_SECONDS": "600", "STINT_HEARTBEAT_SECONDS": "200"}
AGAIN_WITHIN = 8.0

# How many jobs are running. Inputs: none. Outputs: the number. Locks no row.
RUNNING = "SELECT count(*) FROM stint.jobs WHERE state = 3"
# Who may lease to a session. Inputs: its id. Outputs: the coordinator. Locks no row.
SEAT = "SELECT coordinator FROM stint.worker_sessions WHERE id = %s"
# How many jobs have completed. Inputs: none. Outputs: the number. Locks no row.
COMPLETED = "SELECT count(*) FROM stint.job_history"
# How many jobs there are. Inputs: none. Outputs: the number. Locks no row.
STORED = "SELECT count(*) FROM stint.jobs"


@pytest.fixture
def cutter(launcher: Launcher, postgres: PrivatePostgres) -> AnswerCutter:
    cutter = AnswerCutter(postgres.port)
    launcher.accompany(cutter)
    return cutter


def fleet_with_cut(launcher: Launcher, postgres: PrivatePostgres, cutter: AnswerCutter, process: str) -> Fleet:
    """The named process reaches PostgreSQL through the cutter, the others directly."""
    database = postgres.create_database()
    url = postgres.url(database).replace(f":{postgres.port}/", f":{cutter.port}/")
    return Fleet(
        launcher,
        postgres,
        database=database,
        settings=LONG_LEASE,
        settings_of={process: {"STINT_DATABASE_URL": url}},
    )


def counted(fleet: Fleet, statement: str, *parameters: object) -> int:
    ((number,),) = fleet.postgres.query(statement, *parameters, database=fleet.database)
    return number


def granted_again(worker: FakeWorker, job_id: str) -> None:
    """A worker that polls on and on, and names nothing, must be granted the job; calls may fail for a moment."""

    def granted() -> bool:
        answer = worker.send_poll(wait_seconds=0.5, running=[])
        if answer.status == 503:
            return False
        return job_id in [grant["id"] for grant in worker.apply(answer)["jobs"]]

    eventually(granted, within=AGAIN_WITHIN, what=f"job {job_id} is granted again")


def has_completed(fleet: Fleet, worker: FakeWorker, job_id: str) -> None:
    """The worker, which holds it, can complete it, and no budget was used on the way."""
    (grant,) = [grant for grant in worker.held.values() if grant["id"] == job_id]
    assert worker.report(completed(grant)) == ["accepted"]
    job = fleet.api().job(job_id)
    assert (outcomes(job)[-1], outcomes(job).count("completed")) == ("completed", 1)
    assert (job["failures"], job["losses"]) == (0, 0)


def test_a_lease_for_a_parked_poll_whose_commit_is_unknown_leaves_no_job_stuck(
    launcher: Launcher, postgres: PrivatePostgres, cutter: AnswerCutter
) -> None:
    fleet = fleet_with_cut(launcher, postgres, cutter, "coordinator-0")
    worker = FakeWorker(fleet.seat(0))
    poll = worker.park()
    cutter.arm(lambda: counted(fleet, RUNNING) > 0)
    job = fleet.api().submit()
    assert cutter.has_cut.wait(5), "the lease was never committed"
    assert fleet.api().job(job["id"])["state"] == "running"
    poll.abandon()
    granted_again(worker, job["id"])
    has_completed(fleet, worker, job["id"])


def test_a_lease_in_the_transaction_of_a_poll_whose_commit_is_unknown_leaves_no_job_stuck(
    launcher: Launcher, postgres: PrivatePostgres, cutter: AnswerCutter
) -> None:
    fleet = fleet_with_cut(launcher, postgres, cutter, "coordinator-0")
    worker = FakeWorker(fleet.seat(0))
    job = fleet.api().submit()
    cutter.arm(lambda: counted(fleet, RUNNING) > 0)
    worker.send_poll(wait_seconds=1)
    assert cutter.has_cut.wait(5), "the lease was never committed"
    assert fleet.api().job(job["id"])["state"] == "running"
    granted_again(worker, job["id"])
    has_completed(fleet, worker, job["id"])


def test_a_move_whose_commit_is_unknown_does_not_hide_what_the_session_was_granted_elsewhere(
    launcher: Launcher, postgres: PrivatePostgres, cutter: AnswerCutter
) -> None:
    fleet = fleet_with_cut(launcher, postgres, cutter, "coordinator-0")
    worker = FakeWorker(fleet.seat(1))
    poll = worker.park()
    job = fleet.api().submit()
    fleet.api().job_in_state(job["id"], "running", within=5)
    poll.abandon()  # the grant of coordinator 1 never arrived

    before = counted(fleet, SEAT, worker.worker_id)
    worker.turn_to(fleet.seat(0))
    cutter.arm(lambda: counted(fleet, SEAT, worker.worker_id) != before)
    worker.send_poll(wait_seconds=0, running=[])
    assert cutter.has_cut.wait(5), "the session was never moved"
    granted_again(worker, job["id"])
    has_completed(fleet, worker, job["id"])


def test_a_report_whose_commit_is_unknown_can_be_repeated(
    launcher: Launcher, postgres: PrivatePostgres, cutter: AnswerCutter
) -> None:
    fleet = fleet_with_cut(launcher, postgres, cutter, "coordinator-0")
    worker = FakeWorker(fleet.seat(0))
    job = fleet.api().submit()
    grant = worker.take_one()
    cutter.arm(lambda: counted(fleet, COMPLETED) > 0)
    answer = worker.send_results(completed(grant, "once"))
    assert cutter.has_cut.wait(5), "the report was never committed"
    assert answer.status in (200, 503), answer.body
    eventually(
        lambda: worker.send_results(completed(grant, "twice")).status == 200,
        within=AGAIN_WITHIN,
        what="reports are taken again",
    )
    assert worker.report(completed(grant, "thrice")) == ["accepted"]
    done = fleet.api().job(job["id"])
    assert (outcomes(done), done["result"]) == (["completed"], "once")


def test_a_submit_whose_commit_is_unknown_is_one_job_when_it_is_repeated(
    launcher: Launcher, postgres: PrivatePostgres, cutter: AnswerCutter
) -> None:
    fleet = fleet_with_cut(launcher, postgres, cutter, "submitter-0")
    body, key = {"name": "work"}, {"Idempotency-Key": "cut"}
    cutter.arm(lambda: counted(fleet, STORED) > 0)

    def submitted() -> Answer | None:
        try:
            answer = fleet.api().post("/v1/jobs", body, key)
        except UNKNOWN_OUTCOME:
            return None
        return answer if answer.status < 500 else None

    started = time.monotonic()
    answer = eventually(submitted, within=AGAIN_WITHIN, what="the submit is answered")
    assert cutter.has_cut.is_set(), "the submit was never committed"
    stored = answer.expect(200, 201)
    assert counted(fleet, STORED) == 1, f"stored twice within {time.monotonic() - started:.1f} s"
    assert FakeWorker(fleet.seat(0)).take_one()["id"] == stored["id"]
