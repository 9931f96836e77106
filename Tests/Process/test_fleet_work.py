# SPDX-License-Identifier: Apache-2.0
"""A fleet shares its work: through whichever process a job comes in, whichever worker runs it, it is done once."""

import threading

import pytest

from api_client import outcomes
from fake_worker import FakeWorker, completed
from fleet import FAST, POLL, RECONCILE, Fleet
from private_servers import PrivatePostgres
from stint_process import Launcher
from submit_storm import Ledger, StormWorker
from waiting import eventually

JOBS = 20_000
BATCH = 500
DONE_WITHIN = 120.0
WORK = "work"


def submit_in_batches(fleet: Fleet, submitter: int, count: int, ids: list[str]) -> None:
    for first in range(0, count, BATCH):
        jobs = [{"name": WORK, "payload": {"from": submitter, "number": first + number}} for number in range(BATCH)]
        ids.extend(fleet.api(submitter).submit_batch(jobs))


def submit_through_all(fleet: Fleet, count: int) -> list[str]:
    """Through all submitters at once."""
    shares: list[list[str]] = [[] for _ in fleet.submitters]
    threads = [
        threading.Thread(target=submit_in_batches, args=(fleet, number, count // len(shares), share))
        for number, share in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [job_id for share in shares for job_id in share]


def worked_off(fleet: Fleet, ledger: Ledger, count: int) -> list[StormWorker]:
    """Has one worker at each coordinator until that many jobs are completed; the workers."""
    workers = [
        StormWorker(fleet.seat(number), ledger, f"worker-{number}", [WORK]) for number in range(len(fleet.coordinators))
    ]
    for worker in workers:
        worker.start()
    try:
        eventually(
            lambda: ledger.errors or len(ledger.accepted_at) >= count, within=DONE_WITHIN, what=f"{count} jobs are done"
        )
    finally:
        for worker in workers:
            worker.stopping.set()
    for worker in workers:
        worker.finish()
    assert not ledger.errors, ledger.errors
    return workers


def test_twenty_thousand_jobs_through_two_submitters_are_each_completed_once(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=3, submitters=2)
    ids: list[str] = []
    submitting = threading.Thread(target=lambda: ids.extend(submit_through_all(fleet, JOBS)))
    submitting.start()
    workers = worked_off(fleet, Ledger(), JOBS)
    submitting.join()

    assert len(set(ids)) == JOBS
    accepted = [leases for worker in workers for leases in worker.accepted.values()]
    assert len(accepted) == JOBS, "a job was accepted from two workers"
    assert all(len(leases) == 1 for leases in accepted), "a job was completed under two leases"
    assert all(worker.accepted for worker in workers), "each worker took part"
    assert all((job["failures"], job["losses"]) == (0, 0) for job in fleet.completed_once(ids))
    assert fleet.api().get("/v1/stats").expect(200)["counts"]["completed"] == JOBS


def test_a_job_is_readable_on_every_submitter_right_after_its_answer(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=1, submitters=2)
    for number in range(50):
        at, other = number % 2, (number + 1) % 2
        job = fleet.api(at).submit(payload={"number": number})
        assert fleet.api(other).job(job["id"]) == job


def test_a_key_that_was_used_at_one_submitter_is_known_to_the_other(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=1, submitters=2)
    body, key = {"name": WORK}, {"Idempotency-Key": "once"}
    first = fleet.api(0).post("/v1/jobs", body, key).expect(201)
    replayed = fleet.api(1).post("/v1/jobs", body, key)
    assert (replayed.expect(200)["id"], replayed.headers["Idempotency-Replayed"]) == (first["id"], "true")
    fleet.api(1).post("/v1/jobs", {"name": "other"}, key).problem(422)


def test_one_key_at_two_submitters_at_the_same_time_makes_one_job(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=1, submitters=2)
    for number in range(30):
        fields = {"name": WORK, "tags": [f"key-{number}"]}
        pending = [
            fleet.api(submitter).begin("POST", "/v1/jobs", fields, {"Idempotency-Key": f"key-{number}"})
            for submitter in (0, 1, 0, 1)
        ]
        answers = [request.answer(within=10) for request in pending]
        assert {answer.status for answer in answers} <= {200, 201, 409}
        assert [answer.status for answer in answers].count(201) == 1
        assert len(fleet.api().items(f"/v1/jobs?tag=key-{number}")) == 1


def test_a_result_is_awaited_at_a_submitter_until_a_coordinator_hears_of_it(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=1, submitters=2)
    worker = FakeWorker(fleet.seat())
    job = fleet.api(0).submit()
    grant = worker.take_one()
    waiting = [fleet.api(number).begin("GET", f"/v1/jobs/{job['id']}/result?wait=30") for number in (0, 1)]
    assert worker.report(completed(grant, "here")) == ["accepted"]
    for request in waiting:
        assert request.answer(within=2).expect(200)["result"] == "here"


@pytest.mark.parametrize("what", ["postgres alone", "behind pgbouncer"])
def test_a_fleet_needs_no_redis_and_minds_no_pgbouncer(
    launcher: Launcher, postgres: PrivatePostgres, what: str
) -> None:
    is_pooled = what == "behind pgbouncer"
    fleet = Fleet(launcher, postgres, submitters=2, redis=is_pooled, pgbouncer=is_pooled, settings=FAST)
    ids = submit_through_all(fleet, 2000)
    worked_off(fleet, Ledger(), 2000)
    jobs = fleet.api(1).items("/v1/jobs?limit=200")
    assert sorted(job["id"] for job in jobs) == sorted(ids)
    assert {(job["state"], job["attempt"], job["losses"]) for job in jobs} == {("completed", 1, 0)}


def test_a_fleet_goes_on_when_its_pgbouncer_is_restarted(launcher: Launcher, postgres: PrivatePostgres) -> None:
    fleet = Fleet(launcher, postgres, pgbouncer=True, settings=FAST)
    assert fleet.pgbouncer
    worker = FakeWorker(fleet.seat())
    fleet.api().submit()
    worker.report(completed(worker.take_one()))
    fleet.pgbouncer.stop()
    fleet.api().post("/v1/jobs", {"name": WORK}).problem(503)
    fleet.pgbouncer.start()
    eventually(
        lambda: fleet.api().post("/v1/jobs", {"name": WORK}).status == 201, within=5, what="submits are taken again"
    )
    eventually(lambda: worker.send_poll().status == 200, within=5, what="polls are answered again")
    assert fleet.unfinished_jobs() == 1


def test_a_job_submitted_in_sql_is_dispatched_when_its_transaction_is_committed(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    worker = FakeWorker(fleet.seat())
    # Inputs: name, payload, queue. Outputs: the id. Locks the row of the new job.
    submit = "SELECT stint.submit(%s, %s, %s)::text"
    (job_id,) = postgres.query(submit, WORK, '{ "b": 1.0, "a": 1e400}', "default", database=fleet.database)[0]
    assert fleet.api().job(job_id)["state"] == "available"
    grant = worker.take_one(within=POLL + RECONCILE + 1)
    assert grant["id"] == job_id
    assert b'"payload":{ "b": 1.0, "a": 1e400}' in fleet.api().get(f"/v1/jobs/{job_id}").body
    assert worker.report(completed(grant)) == ["accepted"]
    assert fleet.unfinished_jobs() == 0


def test_a_stopped_fleet_has_lost_nothing_when_it_is_started_again(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    ids = fleet.api().submit_batch([{"name": WORK}] * 100)
    fleet.stop()
    for node in fleet.nodes:
        node.start()
    worked_off(fleet, Ledger(), 100)
    assert all(outcomes(fleet.api().job(job_id)) == ["completed"] for job_id in ids)
