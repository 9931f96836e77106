# SPDX-License-Identifier: Apache-2.0
"""Processes of a fleet that are killed: the others go on, and nothing acknowledged is lost or done twice."""

import random
import time
from typing import Any

import pytest

from api_client import outcomes
from fake_worker import FakeWorker, completed
from fleet import FAST, LEASE, RECOVERED_WITHIN, Fleet, RovingSeat, Worker
from private_servers import PrivatePostgres
from stint_process import Launcher
from submit_storm import Ledger, StormThread, StormWorker, Submitter
from waiting import Stopwatch, eventually, instant

STORM_SECONDS = 45.0
KILL_EVERY = 0.7
STARTED_WITHIN = 30.0
SEED = 20_260_301
BY_HAND = "by_hand"
BY_SWIFT = "by_swift"
BY_SWIFT_FOR = 0.3
WORKERS = 3
# Jobs must survive any number of dead workers here.
# So many that the workers keep up with them, whoever is dead: a batch of 20 is one request of five.
PAUSE = 0.05
NAMES = [BY_HAND] * 11 + [BY_SWIFT]
FIELDS = {"max_losses": 100, "retry": {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1}}


class RovingWorker(StormWorker):
    """Turns to another coordinator after a call that was not answered."""

    def __init__(self, fleet: Fleet, ledger: Ledger, number: int, job_names: list[str]) -> None:
        self._seat = RovingSeat(fleet, number)
        super().__init__(self._seat, ledger, f"roving-{number}", job_names)

    def turn_away(self) -> None:
        super().turn_away()
        self._seat.turn()


class Killings:
    """Kills one process of the fleet after another and starts it again at once."""

    def __init__(self, fleet: Fleet, workers: list[Worker], ledger: Ledger) -> None:
        self._fleet = fleet
        self._workers = workers
        self._ledger = ledger
        # When each start of a worker was killed, by its name, in seconds since 1970.
        self.workers_killed: dict[str, float] = {}

    def go_on_for(self, seconds: float) -> None:
        randomness = random.Random(SEED)
        watch = Stopwatch()
        victims: list[Any] = [*self._fleet.nodes, *self._workers]
        while watch.seconds < seconds:
            due = watch.seconds + KILL_EVERY
            victim = randomness.choice(victims)
            if isinstance(victim, Worker):
                self.workers_killed[victim.name] = time.time()
            victim.restart_after_kill9()
            self._await(lambda: watch.seconds >= due)

    def _await(self, is_due: Any) -> None:
        eventually(lambda: is_due() or self._ledger.errors, within=STARTED_WITHIN, what="the next kill is due")
        assert not self._ledger.errors, self._ledger.errors


def rage(fleet: Fleet) -> tuple[Ledger, list[RovingWorker], dict[str, float]]:
    """The whole storm, until every thread has ended and every job is done."""
    ledger = Ledger()
    swift = [
        fleet.worker(f"swift-{number}", ["--exec", f"{BY_SWIFT}=sleep {BY_SWIFT_FOR}"]) for number in range(WORKERS)
    ]
    workers = [RovingWorker(fleet, ledger, number, [BY_HAND]) for number in range(2)]
    submitters = [Submitter(RovingSeat(fleet, number), ledger, number, NAMES, FIELDS, PAUSE) for number in range(2)]
    threads: list[StormThread] = [*workers, *submitters]
    killings = Killings(fleet, swift, ledger)
    for thread in threads:
        thread.start()
    try:
        killings.go_on_for(STORM_SECONDS)
        for submitter in submitters:
            submitter.finish()
        eventually(lambda: ledger.errors or fleet.unfinished_jobs() == 0, within=90, what="no job is left unfinished")
    finally:
        for thread in threads:
            thread.stopping.set()
    for worker in workers:
        worker.finish()
    assert not ledger.errors, f"a thread of the storm failed: {ledger.errors}"
    return ledger, workers, killings.workers_killed


def rerun_after(job: dict[str, Any], killed_at: dict[str, float]) -> float | None:
    """How long after the kill of its worker a job ran again; nil when it lost none of those, or not the first time.

    A second loss backs off.
    """
    attempts = job["attempts"]
    first = next((number for number, attempt in enumerate(attempts) if attempt["outcome"] == "lost"), None)
    if first is None or attempts[first]["worker_name"] not in killed_at:
        return None
    return instant(attempts[first + 1]["started_at"]) - killed_at[attempts[first]["worker_name"]]


def test_a_storm_survives_kills_of_coordinators_submitters_and_workers(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=2, submitters=2, settings=FAST)
    ledger, workers, workers_killed = rage(fleet)

    assert len(ledger.acknowledged) > 500, "the storm was too weak"
    jobs = fleet.completed_once(ledger.acknowledged)
    for worker in workers:
        assert all(len(leases) == 1 for leases in worker.accepted.values()), "a job was completed under two leases"

    assert ledger.repeated, "no keyed request was ever in flight at a kill: the storm was too weak"
    for submission, ids in ledger.repeated.items():
        if submission.is_tagged:
            stored = {job["id"] for job in fleet.api().items(f"/v1/jobs?tag={submission.tag}")}
            assert stored == set(ids), f"{submission.tag} stored other jobs than it was answered"
    total = fleet.api().get("/v1/stats").expect(200)["counts"]["completed"]
    assert len(ledger.acknowledged) <= total <= len(ledger.acknowledged) + ledger.undecided

    reruns = {job["id"]: seconds for job in jobs if (seconds := rerun_after(job, workers_killed)) is not None}
    assert reruns, "no killed worker held a job: the storm was too weak"
    late = {job_id: seconds for job_id, seconds in reruns.items() if seconds > RECOVERED_WITHIN}
    assert not late, f"{len(late)} of {len(reruns)} jobs of killed workers ran again after {RECOVERED_WITHIN} s: {late}"


@pytest.mark.parametrize("killed", [0, 1])
def test_the_workers_of_a_killed_coordinator_go_on_with_another_one(
    launcher: Launcher, postgres: PrivatePostgres, killed: int
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    # Longer than a lease, so that without renewals it would be lost.
    fleet.worker("swift", ["--exec", f"long=sleep {LEASE + 2}", "--exec", "quick=true", "--concurrency", "8"])
    ids = fleet.api().submit_batch([{"name": "long"}] * 6)
    eventually(
        lambda: all(fleet.api().job(job_id)["state"] == "running" for job_id in ids), within=15, what="all of them run"
    )
    fleet.coordinators[killed].kill9()

    quick = fleet.api().submit("quick")
    fleet.api().job_in_state(quick["id"], "completed", within=LEASE + 2)
    for job_id in ids:
        job = fleet.api().job_in_state(job_id, "completed", within=LEASE + 5)
        assert (job["attempt"], job["losses"], outcomes(job)) == (1, 0, ["completed"])


def test_a_lease_of_a_killed_coordinator_is_renewed_and_reported_at_another(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    worker = FakeWorker(fleet.seat(0))
    job = fleet.api().submit()
    grant = worker.take_one()
    fleet.coordinators[0].kill9()
    worker.turn_to(fleet.seat(1))
    assert worker.verdict(grant["lease"]) == "ok"
    assert worker.report(completed(grant, "elsewhere")) == ["accepted"]
    assert fleet.api().job(job["id"])["result"] == "elsewhere"


def test_an_accepted_report_is_known_to_every_coordinator(launcher: Launcher, postgres: PrivatePostgres) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    worker = FakeWorker(fleet.seat(0))
    fleet.api().submit()
    grant = worker.take_one()
    assert worker.report(completed(grant)) == ["accepted"]
    worker.turn_to(fleet.seat(1))
    assert worker.report(completed(grant)) == ["accepted"]


def test_a_grant_whose_answer_died_with_its_coordinator_is_released_at_another(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings={**FAST, "STINT_LEASE_SECONDS": "30"})
    worker = FakeWorker(fleet.seat(0))
    poll = worker.park()
    job = fleet.api().submit()
    fleet.api().job_in_state(job["id"], "running", within=5)
    fleet.coordinators[0].kill9()
    poll.abandon()

    worker.turn_to(fleet.seat(1))
    grant = worker.take_one(within=5)
    assert (grant["id"], grant["attempt"]) == (job["id"], 2)
    running = fleet.api().job(job["id"])
    assert (outcomes(running), running["failures"], running["losses"]) == (["released", None], 0, 0)
    assert worker.report(completed(grant)) == ["accepted"]


def test_a_grant_that_was_named_at_another_coordinator_is_kept(launcher: Launcher, postgres: PrivatePostgres) -> None:
    fleet = Fleet(launcher, postgres, settings={**FAST, "STINT_LEASE_SECONDS": "30"})
    worker = FakeWorker(fleet.seat(0))
    job = fleet.api().submit()
    grant = worker.take_one()
    for number in (1, 0, 1):
        worker.turn_to(fleet.seat(number))
        assert worker.poll(running=[grant["lease"]])["jobs"] == []
    assert outcomes(fleet.api().job(job["id"])) == [None]


def test_jobs_of_a_dead_worker_run_again_when_its_coordinator_died_with_it(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    worker = FakeWorker(fleet.seat(0), concurrency=4)
    ids = fleet.api().submit_batch([{"name": "work"}] * 4)
    worker.take(4)
    fleet.coordinators[0].kill9()
    watch = Stopwatch()
    grants = FakeWorker(fleet.seat(1), concurrency=4).take(4, within=RECOVERED_WITHIN)
    assert watch.seconds <= RECOVERED_WITHIN
    assert sorted(grant["id"] for grant in grants) == sorted(ids)
    assert all(fleet.api().job(job_id)["losses"] == 1 for job_id in ids)


def test_a_delayed_job_runs_in_time_when_the_coordinator_that_knew_of_it_is_dead(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    job = fleet.api().submit(delay_seconds=2)
    watch = Stopwatch()
    fleet.coordinators[0].kill9()
    assert FakeWorker(fleet.seat(1)).take_one(within=5)["id"] == job["id"]
    assert 1.5 <= watch.seconds <= 2 + 1.5


def test_a_rolling_restart_under_load_costs_no_attempt(launcher: Launcher, postgres: PrivatePostgres) -> None:
    fleet = Fleet(launcher, postgres, coordinators=2, submitters=2, settings=FAST)
    fleet.worker("swift", ["--exec", f"{BY_SWIFT}=sleep {BY_SWIFT_FOR}"])
    ledger = Ledger()
    workers = [RovingWorker(fleet, ledger, number, [BY_HAND]) for number in range(2)]
    submitters = [Submitter(RovingSeat(fleet, number), ledger, number, NAMES, pause=PAUSE) for number in range(2)]
    threads: list[StormThread] = [*workers, *submitters]
    for thread in threads:
        thread.start()
    try:
        for node in fleet.nodes:
            wanted = ledger.count() + 100
            eventually(lambda: ledger.errors or ledger.count() >= wanted, within=30, what="work goes on")
            node.stop()
            node.start()
        for submitter in submitters:
            submitter.finish()
        eventually(lambda: ledger.errors or fleet.unfinished_jobs() == 0, within=60, what="no job is left unfinished")
    finally:
        for thread in threads:
            thread.stopping.set()
    for worker in workers:
        worker.finish()
    assert not ledger.errors, ledger.errors
    for job in fleet.completed_once(ledger.acknowledged):
        assert (job["losses"], job["failures"]) == (0, 0), job
