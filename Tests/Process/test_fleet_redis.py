# SPDX-License-Identifier: Apache-2.0
"""Redis holds nothing that matters: stopped, frozen, emptied, out of date or full of nonsense, it costs time only."""

import itertools
import random
import threading
import time
from collections.abc import Callable

import pytest

from api_client import Answer, outcomes
from fake_worker import FakeWorker, completed
from fleet import FAST, POLL, RECONCILE, Fleet
from private_servers import PrivatePostgres, PrivateRedis
from stint_process import Launcher
from submit_storm import Ledger, StormThread, StormWorker
from waiting import Stopwatch, eventually

AWAY_FOR = 10.0
EMPTIED = 5
SUBMIT_EVERY = 0.05
DISPATCHED_WITHIN = POLL + RECONCILE
# For a debug binary on two cores that run everything else as well.
SLACK = 1.0
SEED = 20_260_303


class SteadySubmitter(StormThread):
    """Submits a job now and then; every answer must be 201, whatever Redis does."""

    def __init__(self, fleet: Fleet, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._apis = itertools.cycle(node.client for node in fleet.submitters)

    def step(self) -> None:
        job = next(self._apis).submit()
        with self.ledger.lock:
            self.ledger.acknowledged_at[job["id"]] = time.monotonic()
        self.stopping.wait(SUBMIT_EVERY)


class ReadingWorker(StormWorker):
    """Sees to it that what it is granted stands in the record as running under that lease."""

    def __init__(self, fleet: Fleet, ledger: Ledger, number: int) -> None:
        super().__init__(fleet.seat(number), ledger, f"reading-{number}", ["work"])
        self._api = fleet.api()

    def _note(self, answer: Answer) -> None:
        super()._note(answer)
        for grant in answer.json["jobs"]:
            job = self._api.job(grant["id"])
            assert job["state"] == "running", job
            assert (job["attempt"], job["lease"]["worker"]) == (grant["attempt"], self._worker.worker_id), job


class Traffic:
    """Steady submits and a worker at each coordinator, for as long as the block lasts; then all must be done."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.ledger = Ledger()
        self._submitter = SteadySubmitter(fleet, self.ledger)
        self._workers = [ReadingWorker(fleet, self.ledger, number) for number in range(len(fleet.coordinators))]

    def __enter__(self) -> "Traffic":
        for thread in (*self._workers, self._submitter):
            thread.start()
        self.await_jobs(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._submitter.finish()
                eventually(
                    lambda: self.ledger.errors or not self.ledger.waiting(since=time.monotonic()),
                    within=DISPATCHED_WITHIN + SLACK,
                    what="the last jobs are done",
                )
        finally:
            for thread in (*self._workers, self._submitter):
                thread.stopping.set()
        for thread in (*self._workers, self._submitter):
            thread.finish()
        if kind is None:
            self.check()

    def await_jobs(self, count: int) -> None:
        """So many more are done."""
        wanted = len(self.ledger.accepted_at) + count
        eventually(lambda: self.ledger.errors or len(self.ledger.accepted_at) >= wanted, within=30, what="work goes on")
        assert not self.ledger.errors, self.ledger.errors

    def go_on_for(self, seconds: float) -> None:
        watch = Stopwatch()
        eventually(lambda: self.ledger.errors or watch.seconds >= seconds, within=seconds + 1, what="time passes")
        assert not self.ledger.errors, self.ledger.errors

    def check(self) -> None:
        """Each job was completed once, in its first attempt, soon after its submit."""
        ledger = self.ledger
        assert not ledger.errors, ledger.errors
        assert not self._fleet.crashes()
        late = {
            job_id: ledger.accepted_at[job_id] - at
            for job_id, at in ledger.acknowledged_at.items()
            if ledger.accepted_at[job_id] - at > DISPATCHED_WITHIN + SLACK
        }
        assert not late, f"{len(late)} of {len(ledger.acknowledged_at)} jobs waited for longer than P + R: {late}"
        for job_id in ledger.acknowledged_at:
            job = self._fleet.api().job(job_id)
            assert (job["state"], outcomes(job)) == ("completed", ["completed"]), job
        assert all(len(leases) == 1 for worker in self._workers for leases in worker.accepted.values())


@pytest.fixture
def fleet(launcher: Launcher, postgres: PrivatePostgres) -> Fleet:
    return Fleet(launcher, postgres, submitters=2, settings=FAST)


def redis_of(fleet: Fleet) -> PrivateRedis:
    assert fleet.redis
    return fleet.redis


def stopped(redis: PrivateRedis, traffic: Traffic) -> None:
    redis.stop()
    traffic.go_on_for(AWAY_FOR)
    redis.start()


def frozen(redis: PrivateRedis, traffic: Traffic) -> None:
    redis.freeze()
    traffic.go_on_for(AWAY_FOR / 2)
    redis.thaw()


def emptied(redis: PrivateRedis, traffic: Traffic) -> None:
    for _ in range(EMPTIED):
        redis.empty()
        traffic.go_on_for(RECONCILE / 2)


def spoiled(redis: PrivateRedis, traffic: Traffic) -> None:
    randomness = random.Random(SEED)
    for _ in range(EMPTIED):
        redis.fill_with_nonsense(randomness)
        traffic.go_on_for(RECONCILE / 2)


@pytest.mark.parametrize("strike", [stopped, frozen, emptied, spoiled])
def test_work_goes_on_whatever_happens_to_redis(fleet: Fleet, strike: Callable[[PrivateRedis, Traffic], None]) -> None:
    with Traffic(fleet) as traffic:
        strike(redis_of(fleet), traffic)
        traffic.await_jobs(20)


def test_a_backlog_on_a_belt_that_is_emptied_is_dispatched_all_the_same(fleet: Fleet) -> None:
    ids = fleet.api().submit_batch([{"name": "work"}] * 300)
    redis_of(fleet).empty()
    worker = FakeWorker(fleet.seat(), concurrency=300)
    grants = worker.take(300, within=DISPATCHED_WITHIN + SLACK)
    assert sorted(grant["id"] for grant in grants) == sorted(ids)


def test_a_backlog_on_a_belt_full_of_nonsense_is_dispatched_all_the_same(fleet: Fleet) -> None:
    ids = fleet.api().submit_batch([{"name": f"work-{number % 10}"} for number in range(300)])
    redis_of(fleet).fill_with_nonsense(random.Random(SEED))
    worker = FakeWorker(fleet.seat(), concurrency=300)
    grants = worker.take(300, within=DISPATCHED_WITHIN + SLACK)
    assert sorted(grant["id"] for grant in grants) == sorted(ids)
    assert not fleet.crashes()


def test_an_old_snapshot_runs_no_finished_job_again(fleet: Fleet) -> None:
    redis = redis_of(fleet)
    finished = fleet.api().submit_batch([{"name": "work"}] * 50)
    snapshot = redis.snapshot()
    worker = FakeWorker(fleet.seat(), concurrency=100)
    grants = worker.take(50)
    assert worker.report(*map(completed, grants)) == ["accepted"] * 50

    redis.restore(snapshot)
    assert redis.client.keys(), "the snapshot was empty: it proves nothing"
    new = fleet.api().submit_batch([{"name": "work"}] * 20)
    grants = worker.take(20, within=DISPATCHED_WITHIN + SLACK)
    assert sorted(grant["id"] for grant in grants) == sorted(new)
    assert worker.poll(wait_seconds=DISPATCHED_WITHIN)["jobs"] == []
    assert all(outcomes(fleet.api().job(job_id)) == ["completed"] for job_id in finished)


def test_an_old_snapshot_does_not_hide_what_was_submitted_after_it(fleet: Fleet) -> None:
    """The lanes of the snapshot are known to the belt, the newer jobs in them are not."""
    redis = redis_of(fleet)
    fleet.api().submit_batch([{"name": "work"}] * 5)
    snapshot = redis.snapshot()
    fleet.api().submit_batch([{"name": "work"}] * 100)
    redis.restore(snapshot)
    FakeWorker(fleet.seat(), concurrency=105).take(105, within=2 * DISPATCHED_WITHIN + SLACK)


def test_a_fleet_starts_and_works_while_redis_is_away(launcher: Launcher, postgres: PrivatePostgres) -> None:
    fleet = Fleet(launcher, postgres, settings=FAST)
    redis_of(fleet).stop()
    for node in fleet.nodes:
        node.restart_after_kill9()
    job = fleet.api().submit()
    assert FakeWorker(fleet.seat(1)).take_one(within=DISPATCHED_WITHIN)["id"] == job["id"]
    redis_of(fleet).start()


def test_no_job_is_left_behind_on_a_belt_in_process_when_redis_returns(fleet: Fleet) -> None:
    redis = redis_of(fleet)
    redis.stop()
    ids = fleet.api().submit_batch([{"name": "work"}] * 200)
    # Each coordinator has filled a belt of its own by now.
    first = FakeWorker(fleet.seat(0), concurrency=10)
    first.report(*map(completed, first.take(10, within=DISPATCHED_WITHIN + SLACK)))
    redis.start()
    rest = FakeWorker(fleet.seat(1), concurrency=190).take(190, within=2 * DISPATCHED_WITHIN + SLACK)
    assert len({grant["id"] for grant in rest} & set(ids)) == 190


def test_a_dead_letter_is_announced_in_redis(fleet: Fleet) -> None:
    worker = FakeWorker(fleet.seat())
    job = fleet.api().submit(max_attempts=1)
    grant = worker.take_one()
    worker.report(
        {"lease": grant["lease"], "job_id": grant["id"], "outcome": "failed", "error": None, "retryable": False}
    )
    entries = eventually(
        lambda: redis_of(fleet).client.xrange("stint:dead-letters"), within=5, what="the dead letter is announced"
    )
    assert [fields[b"job_id"].decode() for _, fields in entries] == [job["id"]]


def test_two_coordinators_never_grant_one_job_twice(fleet: Fleet) -> None:
    ids = fleet.api().submit_batch([{"name": "work"}] * 2000)
    granted: list[list[str]] = [[], []]

    def take(number: int) -> None:
        worker = FakeWorker(fleet.seat(number), concurrency=1000)
        granted[number] = [grant["id"] for grant in worker.take(1000, within=30)]

    threads = [threading.Thread(target=take, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted[0] + granted[1]) == sorted(ids)
    assert all(outcomes(fleet.api().job(job_id)) == [None] for job_id in random.Random(SEED).sample(ids, 100))
