# SPDX-License-Identifier: Apache-2.0
"""A coordinator that is stopped where it is (SIGSTOP) hides nothing from the others, and holds nothing against them."""

import random
import time
from typing import Any

import pytest

from api_client import outcomes
from fake_worker import FakeWorker, Grant, Report, completed, failed
from fleet import FAST, RECOVERED_WITHIN, Fleet
from private_servers import PrivatePostgres
from stint_process import Launcher
from submit_storm import Ledger, StormThread, StormWorker, Submitter
from waiting import Stopwatch, eventually

ROUNDS = 3
HIDDEN_AT_MOST = 10.0
TRANSACTION_AT_MOST = 5.0
# How often a freeze is tried until one hits the coordinator in the middle of a transaction.
TRIES = 60
SETTLED = 0.02
FIELDS = {"max_losses": 100, "retry": {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1}}
PAUSE = 0.02
SEED = 20_260_304

# Inputs: the database, and what is a transaction of this connection itself.
# Outputs: process, start and age in seconds of the open transaction of each other connection. Locks no row.
OPEN_TRANSACTIONS = """
    SELECT pid, xact_start, extract(epoch FROM clock_timestamp() - xact_start)::float8
      FROM pg_stat_activity
     WHERE datname = %s AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'
"""


class ClumsyWorker(StormWorker):
    """Fails each job once: what is not a completion takes the record several steps, between which a freeze can fall."""

    def run_job(self, grant: Grant) -> Report:
        return failed(grant) if grant["attempt"] == 1 else completed(grant)


def open_transactions(fleet: Fleet) -> dict[tuple[Any, Any], float]:
    """The age of each."""
    return {(pid, start): age for pid, start, age in fleet.postgres.query(OPEN_TRANSACTIONS, fleet.database)}


def freeze_at_a_bad_moment(fleet: Fleet, randomness: random.Random) -> bool:
    """Stops coordinator 0; whether it was hit in the middle of a transaction."""
    victim = fleet.coordinators[0]
    for _ in range(TRIES):
        time.sleep(randomness.uniform(0, 0.02))  # the moment is to be a random one
        victim.freeze()
        time.sleep(SETTLED)  # what only waits for the database ends
        standing = open_transactions(fleet)
        if standing:
            time.sleep(SETTLED)  # and so do transactions of the others
        if standing.keys() & open_transactions(fleet).keys():
            return True
        victim.thaw()
    victim.freeze()
    return False


def hidden_jobs(fleet: Fleet, ledger: Ledger, since: float) -> list[dict[str, Any]]:
    """The jobs that were there before that instant and are not completed.

    What the stuck worker has reported may have been accepted without its hearing of it.
    """
    return [job for job_id in ledger.waiting(since=since) if (job := fleet.api().job(job_id))["state"] != "completed"]


def worst_while_frozen(fleet: Fleet, ledger: Ledger) -> tuple[float, float]:
    """The longest wait of a job that was there, and the oldest transaction, over longer than both may take."""
    since = time.monotonic()
    frozen = Stopwatch()
    oldest = 0.0
    done_after: float | None = None
    while done_after is None or frozen.seconds < TRANSACTION_AT_MOST + 1:
        oldest = max([oldest, *open_transactions(fleet).values()])
        if done_after is None and not (hidden := hidden_jobs(fleet, ledger, since)):
            done_after = frozen.seconds
        assert not ledger.errors, ledger.errors
        assert done_after is not None or frozen.seconds < HIDDEN_AT_MOST + 2, f"{len(hidden)} are hidden: {hidden[:3]}"
        time.sleep(SETTLED)  # nothing is to happen meanwhile, which no event tells
    return done_after, oldest


def test_a_coordinator_frozen_at_random_moments_hides_no_job_and_keeps_no_transaction(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    ledger = Ledger()
    randomness = random.Random(SEED)
    # The frozen coordinator has a worker too: what it holds is lost with its session, or never arrived.
    stuck = ClumsyWorker(fleet.seat(0), ledger, "stuck", ["work"])
    workers = [ClumsyWorker(fleet.seat(1), ledger, f"worker-{number}", ["work"]) for number in range(2)]
    submitters = [Submitter(fleet.seat(), ledger, number, ["work"], FIELDS, PAUSE) for number in range(2)]
    threads: list[StormThread] = [stuck, *workers, *submitters]
    caught = 0
    for thread in threads:
        thread.start()
    try:
        for _ in range(ROUNDS):
            caught += freeze_at_a_bad_moment(fleet, randomness)
            try:
                hidden_for, oldest = worst_while_frozen(fleet, ledger)
            finally:
                fleet.coordinators[0].thaw()
            assert hidden_for <= HIDDEN_AT_MOST, f"a job was hidden for {hidden_for:.1f} s"
            assert oldest <= TRANSACTION_AT_MOST, f"a transaction was open for {oldest:.1f} s"
            served = len(stuck.accepted)
            eventually(
                lambda: ledger.errors or len(stuck.accepted) > served, within=20, what="the thawed coordinator serves"
            )
        for submitter in submitters:
            submitter.finish()
        eventually(lambda: ledger.errors or fleet.unfinished_jobs() == 0, within=30, what="no job is left unfinished")
    finally:
        for thread in threads:
            thread.stopping.set()
    for thread in threads:
        thread.finish()
    assert not ledger.errors, ledger.errors
    assert not fleet.crashes()
    fleet.completed_once(ledger.acknowledged)
    assert caught, "no freeze fell into a transaction: the test is too weak"


def test_sweeping_and_schedules_go_on_while_a_coordinator_is_frozen(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, coordinators=3, settings=FAST)
    dying = FakeWorker(fleet.seat(1))
    lost = fleet.api().submit("lost")
    dying.take_one()
    delayed = fleet.api().submit("delayed", delay_seconds=2)
    fleet.coordinators[0].freeze()
    try:
        rescuer = FakeWorker(fleet.seat(2))
        grants = rescuer.take(2, within=RECOVERED_WITHIN)
    finally:
        fleet.coordinators[0].thaw()
    assert {grant["id"] for grant in grants} == {lost["id"], delayed["id"]}


def test_a_session_may_move_away_from_a_frozen_coordinator_and_keep_its_leases(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    worker = FakeWorker(fleet.seat(0))
    job = fleet.api().submit()
    grant = worker.take_one()
    fleet.coordinators[0].freeze()
    try:
        worker.turn_to(fleet.seat(1))
        assert worker.poll(running=[grant["lease"]])["jobs"] == []
        assert worker.report(completed(grant)) == ["accepted"]
    finally:
        fleet.coordinators[0].thaw()
    assert outcomes(fleet.api().job(job["id"])) == ["completed"]


def test_a_poll_left_behind_at_a_frozen_coordinator_is_granted_nothing_when_it_thaws(
    launcher: Launcher, postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, postgres, settings={**FAST, "STINT_LEASE_SECONDS": "30"})
    worker = FakeWorker(fleet.seat(0))
    left_behind = worker.park(wait_seconds=30)
    fleet.coordinators[0].freeze()
    try:
        worker.turn_to(fleet.seat(1))
        assert worker.poll()["jobs"] == []
    finally:
        fleet.coordinators[0].thaw()
    jobs = [fleet.api().submit() for _ in range(3)]
    grants = worker.take(3, within=5)
    assert {grant["id"] for grant in grants} == {job["id"] for job in jobs}
    assert all(outcomes(fleet.api().job(job["id"])) == [None] for job in jobs)
    if left_behind.is_answered():
        assert left_behind.answer(within=1)["jobs"] == []
    left_behind.abandon()


@pytest.mark.parametrize("role", ["submitter", "coordinator"])
def test_a_thawed_process_serves_at_once(launcher: Launcher, postgres: PrivatePostgres, role: str) -> None:
    fleet = Fleet(launcher, postgres, coordinators=1, settings=FAST)
    worker = FakeWorker(fleet.seat())
    node = fleet.submitters[0] if role == "submitter" else fleet.coordinators[0]
    node.freeze()
    frozen = Stopwatch()
    # Longer than servers let an idle transaction or connection live.
    eventually(lambda: frozen.seconds > TRANSACTION_AT_MOST + 1, within=TRANSACTION_AT_MOST + 2, what="time passes")
    node.thaw()
    worker.register()
    job = fleet.api().submit()
    grant = worker.take_one(within=5)
    assert grant["id"] == job["id"]
    assert worker.report(completed(grant)) == ["accepted"]
