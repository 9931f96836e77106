# SPDX-License-Identifier: Apache-2.0
"""Everything at once: kills, freezes, outages of PostgreSQL and Redis, while jobs fail, are cancelled and sent back."""

import itertools
import random
from collections.abc import Callable
from typing import Any

from api_client import UNKNOWN_OUTCOME, outcomes
from fake_worker import Grant, Report, completed, failed
from fleet import FAST, Fleet, RovingSeat
from private_servers import PrivatePostgres, PrivateRedis
from stint_process import Launcher
from submit_storm import Ledger, StormThread, StormWorker, Submitter
from waiting import Stopwatch, eventually

BACK_WITHIN = 5.0
CHAOS_SECONDS = 30.0
STRIKE_EVERY = 0.8
DONE_WITHIN = 60.0
SEED = 20_260_306
PAUSE = 0.05
FIELDS = {"max_losses": 100, "retry": {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1}}
ENDED = {"completed", "cancelled"}


class MoodyWorker(StormWorker):
    """Turns to another coordinator when it is not answered, and fails every fourth job the first time."""

    def __init__(self, fleet: Fleet, ledger: Ledger, number: int) -> None:
        self._seat = RovingSeat(fleet, number)
        self._serial = itertools.count()
        super().__init__(self._seat, ledger, f"moody-{number}", ["work"])

    def turn_away(self) -> None:
        super().turn_away()
        self._seat.turn()

    def run_job(self, grant: Grant) -> Report:
        fails = grant["attempt"] == 1 and next(self._serial) % 4 == 0
        return failed(grant) if fails else completed(grant)


class Meddler(StormThread):
    """Cancels jobs, sends cancelled ones back, pauses and resumes the queue; whatever is refused is refused."""

    def __init__(self, fleet: Fleet, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._seat = RovingSeat(fleet)
        self._randomness = random.Random(SEED + 1)

    def step(self) -> None:
        self.stopping.wait(PAUSE)
        with self.ledger.lock:
            known = list(self.ledger.acknowledged)
        if not known:
            return
        job_id = self._randomness.choice(known[-200:])
        self._call(
            self._randomness.choice(
                [f"/v1/jobs/{job_id}/cancel", f"/v1/jobs/{job_id}/retry", "/v1/queues/default/pause"]
            )
        )
        self._call("/v1/queues/default/resume")

    def _call(self, path: str) -> None:
        try:
            answer = self._seat.api.post(path)
        except UNKNOWN_OUTCOME:
            return
        answer.expect(200, 409, 503)


class Strikes:
    """What befalls the fleet, one thing after another."""

    def __init__(self, fleet: Fleet, redis: PrivateRedis) -> None:
        self._fleet = fleet
        self._redis = redis
        self._randomness = random.Random(SEED)
        self._kinds: list[Callable[[], None]] = [
            self._kill, self._kill, self._freeze, self._stop_postgres, self._empty_redis, self._restart_redis,
        ]  # fmt: skip

    def go_on_for(self, seconds: float, ledger: Ledger) -> None:
        watch = Stopwatch()
        while watch.seconds < seconds:
            due = watch.seconds + STRIKE_EVERY
            self._randomness.choice(self._kinds)()
            eventually(lambda: ledger.errors or watch.seconds >= due, within=STRIKE_EVERY + 1, what="time passes")
            assert not ledger.errors, ledger.errors

    def _kill(self) -> None:
        self._randomness.choice(self._fleet.nodes).restart_after_kill9()

    def _freeze(self) -> None:
        node = self._randomness.choice(self._fleet.nodes)
        node.freeze()
        self._last(self._randomness.uniform(0, 4))
        node.thaw()

    def _stop_postgres(self) -> None:
        self._fleet.postgres.stop_immediately()
        self._last(self._randomness.uniform(0, 2))
        self._fleet.postgres.start()

    def _empty_redis(self) -> None:
        self._redis.empty()

    def _restart_redis(self) -> None:
        self._redis.stop()
        self._last(self._randomness.uniform(0, 2))
        self._redis.start()

    @staticmethod
    def _last(seconds: float) -> None:
        watch = Stopwatch()
        eventually(lambda: watch.seconds >= seconds, within=seconds + 1, what="it has lasted")


def assert_once(job: dict[str, Any]) -> None:
    assert job["state"] in ENDED, job
    assert outcomes(job).count("completed") <= 1, job
    assert (job["state"] == "completed") == ("completed" in outcomes(job)), job
    assert job["lease"] is None and None not in outcomes(job), job


def test_nothing_acknowledged_is_lost_when_everything_happens_at_once(
    launcher: Launcher, own_postgres: PrivatePostgres
) -> None:
    fleet = Fleet(launcher, own_postgres, coordinators=3, submitters=2, settings=FAST)
    assert fleet.redis
    ledger = Ledger()
    workers = [MoodyWorker(fleet, ledger, number) for number in range(3)]
    submitters = [Submitter(RovingSeat(fleet, number), ledger, number, ["work"], FIELDS, PAUSE) for number in range(2)]
    meddler = Meddler(fleet, ledger)
    threads: list[StormThread] = [*workers, *submitters, meddler]
    for thread in threads:
        thread.start()
    try:
        Strikes(fleet, fleet.redis).go_on_for(CHAOS_SECONDS, ledger)
        for thread in (*submitters, meddler):
            thread.finish()
        # The last strike may have been at the record, which each process finds back in its own time.
        eventually(
            lambda: fleet.api().post("/v1/queues/default/resume").status == 200,
            within=BACK_WITHIN,
            what="the record is back",
        )
        eventually(
            lambda: ledger.errors or fleet.unfinished_jobs() == 0, within=DONE_WITHIN, what="no job is left unfinished"
        )
    finally:
        for thread in threads:
            thread.stopping.set()
    for worker in workers:
        worker.finish()
    assert not ledger.errors, ledger.errors
    assert not fleet.crashes()
    assert len(ledger.acknowledged) > 300, "the storm was too weak"

    listed = {job["id"]: job for job in fleet.api().items("/v1/jobs?limit=200")}
    assert ledger.acknowledged.keys() <= listed.keys()
    for job in listed.values():
        assert job["state"] in ENDED, job
        if job["attempt"] > 1 or job["state"] == "cancelled":
            assert_once(fleet.api().job(job["id"]))
    counts = fleet.api().get("/v1/stats").expect(200)["counts"]
    shown = [job["state"] for job in listed.values()]
    assert {state: counts[state] for state in ENDED} == {state: shown.count(state) for state in ENDED}
