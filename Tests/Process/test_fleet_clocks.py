# SPDX-License-Identifier: Apache-2.0
"""Only the record's clock decides: a process whose clock is a day off writes wrong times into its log, and no more."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_client import outcomes
from fake_worker import FakeWorker, completed, failed
from fleet import FAST, LEASE, Fleet, Node
from private_servers import PrivatePostgres
from stint_process import Launcher, Settings
from waiting import Stopwatch, eventually, instant

DAY = 86_400
SOURCE = Path(__file__).with_name("wrong_clock.c")
LOG_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT[0-9:.]+Z) ", re.MULTILINE)
OFFSETS = {"coordinator-0": DAY, "coordinator-1": -DAY, "submitter-0": DAY, "submitter-1": -DAY}
# A day's error must not make anything look old enough to be deleted, or a key look forgotten.
KEEPING: Settings = {"STINT_RETENTION_SECONDS": "3600", "STINT_IDEMPOTENCY_SECONDS": "3600"}
NEARLY = 5.0


@pytest.fixture(scope="module")
def wrong_clock(module_launcher: Launcher) -> Path:
    """The library that makes a clock wrong."""
    compiler = shutil.which("cc") or shutil.which("clang")
    assert compiler, "there is no C compiler on this machine, not even that of the Swift toolchain"
    library = module_launcher.directory("clock") / "wrong_clock.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    ended = module_launcher.run_program(command, {}, within=60)
    assert ended.returncode == 0, ended.stderr
    return library


@pytest.fixture(scope="module")
def fleet(module_launcher: Launcher, postgres: PrivatePostgres, wrong_clock: Path) -> Fleet:
    wrong = {"LD_PRELOAD": str(wrong_clock), "STINT_LOG_LEVEL": "debug"}
    return Fleet(
        module_launcher,
        postgres,
        submitters=2,
        settings={**FAST, **KEEPING},
        settings_of={name: {**wrong, "WRONG_CLOCK_SECONDS": str(offset)} for name, offset in OFFSETS.items()},
    )


def log_offset(node: Node) -> float:
    """How far the times in its log are off."""
    written = LOG_TIME.findall(node.running.stderr.text)
    assert written, "it has logged nothing"
    return instant(written[-1]) - time.time()


def nodes(fleet: Fleet) -> Iterator[tuple[str, Node]]:
    for role, group in (("submitter", fleet.submitters), ("coordinator", fleet.coordinators)):
        yield from ((f"{role}-{number}", node) for number, node in enumerate(group))


def test_the_clocks_are_off_indeed(fleet: Fleet) -> None:
    """Otherwise the tests of this file prove nothing: the library must reach the binary's clock."""
    for name, node in nodes(fleet):
        assert log_offset(node) == pytest.approx(OFFSETS[name], abs=600), f"the clock of {name} is right"


@pytest.mark.parametrize("coordinator", [0, 1])
@pytest.mark.parametrize("submitter", [0, 1])
def test_times_of_a_job_are_those_of_the_record(fleet: Fleet, queue: str, submitter: int, coordinator: int) -> None:
    seat = fleet.seat(coordinator, submitter)
    job = seat.api.submit(queue=queue)
    worker = FakeWorker(seat, queues=[queue])
    assert worker.report(completed(worker.take_one())) == ["accepted"]
    done = seat.api.job(job["id"])
    for field in ("created_at", "run_at", "started_at", "finished_at"):
        assert instant(done[field]) == pytest.approx(time.time(), abs=NEARLY), field


@pytest.mark.parametrize("coordinator", [0, 1])
@pytest.mark.parametrize("submitter", [0, 1])
def test_a_delay_is_neither_cut_nor_drawn_out(fleet: Fleet, queue: str, submitter: int, coordinator: int) -> None:
    seat = fleet.seat(coordinator, submitter)
    worker = FakeWorker(seat, queues=[queue])
    watch = Stopwatch()
    job = seat.api.submit(queue=queue, delay_seconds=1.5)
    assert job["state"] == "scheduled"
    assert worker.take_one(within=5)["id"] == job["id"]
    assert 1.4 <= watch.seconds <= 1.5 + 1.5


@pytest.mark.parametrize("submitter", [0, 1])
def test_a_time_to_run_at_is_compared_with_the_clock_of_the_record(fleet: Fleet, queue: str, submitter: int) -> None:
    api = fleet.api(submitter)
    past, future = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hour * 3600)) for hour in (-1, 1))
    assert api.submit(queue=queue, run_at=past)["state"] == "available"
    assert api.submit(queue=queue, run_at=future)["state"] == "scheduled"


@pytest.mark.parametrize("coordinator", [0, 1])
def test_a_backoff_is_neither_cut_nor_drawn_out(fleet: Fleet, queue: str, coordinator: int) -> None:
    seat = fleet.seat(coordinator)
    worker = FakeWorker(seat, queues=[queue])
    retry = {"base_seconds": 1, "factor": 1, "cap_seconds": 1, "jitter": "none"}
    job = seat.api.submit(queue=queue, retry=retry)
    worker.report(failed(worker.take_one()))
    watch = Stopwatch()
    assert worker.take_one(within=5)["id"] == job["id"]
    assert 0.9 <= watch.seconds <= 1 + 1.5


@pytest.mark.parametrize("coordinator", [0, 1])
def test_a_living_session_is_kept_and_a_dead_one_found_in_time(fleet: Fleet, queue: str, coordinator: int) -> None:
    seat = fleet.seat(coordinator)
    living = FakeWorker(seat, queues=[queue], concurrency=1)
    kept = seat.api.submit(queue=queue)
    lease = living.take_one()["lease"]
    dead = FakeWorker(seat, queues=[queue], concurrency=1)
    lost = seat.api.submit(queue=queue)
    dead.take_one()
    watch = Stopwatch()

    def is_lost() -> bool:
        assert living.verdict(lease) == "ok"
        return seat.api.job(lost["id"])["losses"] == 1

    eventually(is_lost, within=2 * LEASE, what="the silent session is lost")
    assert watch.seconds > LEASE - 0.5
    assert outcomes(seat.api.job(kept["id"])) == [None]


@pytest.mark.parametrize("coordinator", [0, 1])
def test_an_attempt_is_timed_out_in_time(fleet: Fleet, queue: str, coordinator: int) -> None:
    seat = fleet.seat(coordinator)
    worker = FakeWorker(seat, queues=[queue])
    job = seat.api.submit(queue=queue, timeout_seconds=1, max_attempts=1)
    worker.take_one()
    watch = Stopwatch()
    dead = seat.api.job_in_state(job["id"], "dead", within=5)
    assert watch.seconds > 0.9
    assert outcomes(dead) == ["timed_out"]


def test_jobs_of_submitters_two_days_apart_are_served_and_listed_in_the_order_they_came(
    fleet: Fleet, queue: str
) -> None:
    ids = []
    for number in range(6):
        job = fleet.api(number % 2).submit(queue=queue)
        ids.append(job["id"])
        # The next one is to be younger by the record's clock, which counts milliseconds.
        eventually(lambda: time.time() > instant(job["created_at"]) + 0.002, within=5, what="a millisecond has passed")
    assert [job["id"] for job in fleet.api().items(f"/v1/jobs?queue={queue}")] == ids[::-1], "newest first"
    worker = FakeWorker(fleet.seat(), queues=[queue], concurrency=1)
    served = []
    for _ in ids:
        grant = worker.take_one()
        served.append(grant["id"])
        worker.report(completed(grant))
    assert served == ids


def test_a_key_is_not_forgotten_and_an_ended_job_not_deleted(fleet: Fleet, queue: str) -> None:
    key = {"Idempotency-Key": f"clocks-{queue}"}
    body = {"name": "work", "queue": queue}
    first = fleet.api(0).post("/v1/jobs", body, key).expect(201)
    worker = FakeWorker(fleet.seat(), queues=[queue])
    worker.report(completed(worker.take_one()))
    # Pruners look at once when they start.
    for node in fleet.coordinators:
        node.stop()
        node.start()
    settled = Stopwatch()
    eventually(lambda: settled.seconds > 2, within=3, what="the pruners have looked")
    assert fleet.api(1).job(first["id"])["state"] == "completed"
    for submitter in (0, 1):
        assert fleet.api(submitter).post("/v1/jobs", body, key).expect(200)["id"] == first["id"]
