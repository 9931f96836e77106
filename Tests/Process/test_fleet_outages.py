# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL goes away and comes back: nothing is lost, nothing runs again needlessly, nothing of ours is restarted."""

import random
import time
from typing import Any

from api_client import UNKNOWN_OUTCOME, ApiClient, outcomes
from fake_worker import FakeWorker, completed
from fleet import FAST, LEASE, SWEEP, Fleet
from private_servers import PrivatePostgres
from stint_process import Launcher
from submit_storm import Ledger, StormThread, StormWorker, Submitter
from waiting import Stopwatch, eventually

OUTAGES = 8
AWAY_AT_MOST = 1.5
BACK_WITHIN = 5.0
PAUSE = 0.02
# Storms come with a lease that is long beside the outages: none of them may cost an attempt.
STORM_LEASE = 20.0
STORM = {**FAST, "STINT_LEASE_SECONDS": str(STORM_LEASE), "STINT_HEARTBEAT_SECONDS": "2"}
SEED = 20_260_302


def serves(fleet: Fleet, ledger: Ledger, since: float) -> bool:
    """Whether a job that was acknowledged after that instant has been completed too."""
    with ledger.lock:
        return any(ledger.acknowledged_at.get(job_id, 0) > since for job_id in ledger.accepted_at)


def strike(fleet: Fleet, ledger: Ledger) -> None:
    """Stops PostgreSQL at random moments; each time service must be back soon after it is."""
    randomness = random.Random(SEED)
    for _ in range(OUTAGES):
        wanted = ledger.count() + randomness.randint(20, 100)
        eventually(lambda: ledger.errors or ledger.count() >= wanted, within=30, what="the storm goes on")
        fleet.postgres.stop_immediately()
        away, away_for = Stopwatch(), randomness.uniform(0, AWAY_AT_MOST)
        eventually(lambda: away.seconds > away_for, within=AWAY_AT_MOST + 1, what="the outage has lasted")
        fleet.postgres.start()
        back = time.monotonic()
        eventually(
            lambda: ledger.errors or serves(fleet, ledger, back),
            within=BACK_WITHIN,
            what="a new job is taken and completed after the outage",
        )
        assert not ledger.errors, ledger.errors


def test_eight_immediate_stops_of_postgres_under_load_cost_nothing_but_time(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, coordinators=2, submitters=2, settings=STORM)
    ledger = Ledger()
    workers = [StormWorker(fleet.seat(number), ledger, f"worker-{number}", ["work"]) for number in range(2)]
    submitters = [Submitter(fleet.seat(0, number), ledger, number, ["work"], pause=PAUSE) for number in range(2)]
    threads: list[StormThread] = [*workers, *submitters]
    for thread in threads:
        thread.start()
    try:
        # Any answer but 200, 201, 410 or 503 with Retry-After is an error of the storm.
        strike(fleet, ledger)
        for submitter in submitters:
            submitter.finish()
        eventually(lambda: ledger.errors or fleet.unfinished_jobs() == 0, within=30, what="no job is left unfinished")
    finally:
        for thread in threads:
            thread.stopping.set()
    for worker in workers:
        worker.finish()
    assert not ledger.errors, ledger.errors
    assert not fleet.crashes()
    for job in fleet.completed_once(ledger.acknowledged):
        assert (job["losses"], job["failures"]) == (0, 0), job
    assert all(len(leases) == 1 for worker in workers for leases in worker.accepted.values())


def refused(api: ApiClient) -> bool:
    """Whether a submit is refused as it must be while the record is away."""
    try:
        answer = api.post("/v1/jobs", {"name": "work"})
    except UNKNOWN_OUTCOME:
        return False
    answer.problem(503)
    return int(answer.headers["Retry-After"]) > 0


def completed_after_outage(fleet: Fleet, job_id: str, within: float = BACK_WITHIN) -> dict[str, Any]:
    """The job once it is completed; until the record is back answers may be 503."""

    def done() -> dict[str, Any] | None:
        answer = fleet.api().get(f"/v1/jobs/{job_id}")
        if answer.status == 503:
            return None
        job = answer.expect(200)
        return job if job["state"] == "completed" else None

    return eventually(done, within=within, what=f"job {job_id} is completed after the outage")


def test_while_postgres_is_away_every_process_says_so_and_lives(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    worker = FakeWorker(fleet.seat())
    own_postgres.stop_immediately()
    eventually(lambda: refused(fleet.api()), within=5, what="submits are refused with Retry-After")
    answer = worker.send_poll()
    answer.problem(503)
    assert int(answer.headers["Retry-After"]) > 0
    for client in (fleet.api(), fleet.coordinator(0), fleet.coordinator(1)):
        assert client.get("/healthz").status == 200
        assert client.get("/readyz").status == 503
    own_postgres.start()
    for client in (fleet.api(), fleet.coordinator(0), fleet.coordinator(1)):
        eventually(lambda: client.get("/readyz").status == 200, within=BACK_WITHIN, what="it is ready again")


def test_a_fleet_that_is_told_to_stop_while_postgres_is_away_ends_in_time(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    FakeWorker(fleet.seat()).park()
    own_postgres.stop_immediately()
    fleet.stop()


def test_a_frozen_postgres_is_answered_with_503_in_time(launcher: Launcher, own_postgres: PrivatePostgres) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    fleet.api().submit()
    own_postgres.freeze()
    try:
        watch = Stopwatch()
        answer = fleet.api().post("/v1/jobs", {"name": "work"})
        assert watch.seconds < 14, "the test's own client gives up after 15 s"
        assert answer.status >= 500
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
        assert fleet.api().get("/healthz").status == 200
    finally:
        own_postgres.thaw()
    eventually(
        lambda: fleet.api().post("/v1/jobs", {"name": "work"}).status == 201, within=BACK_WITHIN, what="it is back"
    )


def test_a_report_made_during_an_outage_counts_though_its_worker_is_dead_when_it_ends(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    worker = FakeWorker(fleet.seat())
    job = fleet.api().submit()
    grant = worker.take_one()
    own_postgres.stop_immediately()
    worker.send_results(completed(grant, "while it was away")).problem(503)
    # From here on the worker is silent for good, for longer than its lease.
    outage = Stopwatch()
    eventually(lambda: outage.seconds > LEASE + SWEEP, within=LEASE + SWEEP + 1, what="the lease is over")
    own_postgres.start()
    done = completed_after_outage(fleet, job["id"])
    assert (outcomes(done), done["result"], done["losses"]) == (["completed"], "while it was away", 0)


def test_a_report_made_during_an_outage_counts_though_its_coordinator_is_dead_when_it_ends(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    worker = FakeWorker(fleet.seat(0))
    job = fleet.api().submit()
    grant = worker.take_one()
    own_postgres.stop_immediately()
    worker.send_poll(results=[completed(grant, "in a poll")], wait_seconds=0).problem(503)
    fleet.coordinators[0].kill9()
    own_postgres.start()
    done = completed_after_outage(fleet, job["id"])
    assert (outcomes(done), done["result"]) == (["completed"], "in a poll")


def test_a_real_worker_that_is_killed_after_an_outage_has_not_worked_in_vain(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    assert fleet.redis
    worker = fleet.worker("swift", ["--exec", "short=sleep 1; echo done"])
    job = fleet.api().submit("short")
    fleet.api().job_in_state(job["id"], "running", within=15)
    own_postgres.stop_immediately()
    kept = lambda: fleet.redis.client.exists("stint:reports")  # noqa: E731
    eventually(kept, within=10, what="the report of the worker is kept in Redis")
    worker.kill9()
    own_postgres.start()
    done = completed_after_outage(fleet, job["id"])
    assert outcomes(done) == ["completed"]


def test_after_an_outage_longer_than_the_lease_living_workers_can_renew_first(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, settings=FAST)
    worker = FakeWorker(fleet.seat())
    job = fleet.api().submit()
    lease = worker.take_one()["lease"]
    own_postgres.stop_immediately()
    outage = Stopwatch()
    eventually(lambda: outage.seconds > LEASE + 2, within=LEASE + 3, what="the lease is over")
    own_postgres.start()
    back = Stopwatch()
    eventually(lambda: worker.send_heartbeat(lease).status == 200, within=BACK_WITHIN, what="the worker could renew")
    assert worker.verdict(lease) == "ok", f"lost after {back.seconds:.1f} s"
    kept = Stopwatch()
    eventually(
        lambda: worker.verdict(lease) == "ok" and kept.seconds > 2 * SWEEP, within=4 * SWEEP, what="sweeps are over"
    )
    # The submitter finds the record back by itself, within its own pause between two tries.
    path = f"/v1/jobs/{job['id']}"
    eventually(lambda: fleet.api().get(path).status == 200, within=BACK_WITHIN, what="the submitter has the record back")
    assert outcomes(fleet.api().job(job["id"])) == [None]


def test_an_outage_shorter_than_half_a_lease_causes_no_rerun(launcher: Launcher, own_postgres: PrivatePostgres) -> None:
    lease = 6.0
    settings = {**FAST, "STINT_LEASE_SECONDS": str(lease), "STINT_HEARTBEAT_SECONDS": "2"}
    fleet = Fleet(launcher, own_postgres, settings=settings)
    fleet.worker("swift", ["--exec", "long=sleep 10", "--concurrency", "8"])
    ids = fleet.api().submit_batch([{"name": "long"}] * 8)
    eventually(
        lambda: all(fleet.api().job(job_id)["state"] == "running" for job_id in ids), within=15, what="all of them run"
    )
    outage = Stopwatch()
    own_postgres.stop_immediately()
    eventually(lambda: outage.seconds > lease / 2 - 1.5, within=lease, what="most of half a lease is over")
    own_postgres.start()
    completed_after_outage(fleet, ids[0], within=20)
    for job_id in ids:
        job = fleet.api().job_in_state(job_id, "completed", within=20)
        assert (outcomes(job), job["losses"]) == (["completed"], 0)
