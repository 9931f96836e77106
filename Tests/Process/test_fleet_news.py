# SPDX-License-Identifier: Apache-2.0
"""What is said to one process is soon known to the others: at once over Redis, without it within the fallback poll."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fake_worker import FakeWorker, ParkedPoll
from fleet import Fleet
from private_servers import PrivatePostgres
from stint_process import Launcher
from waiting import Stopwatch

COORDINATORS = 3
WAKE_UPS = 30
MEDIAN_WAKE_UP = 0.050
SLACK = 0.5
# Long enough for a coordinator to grant what it should not.
A_WHILE = 0.5


@dataclass(frozen=True)
class Connection:
    """How the processes of a fleet hear of each other, and how soon."""

    redis: bool
    fallback_poll: float
    heard_within: float


# With Redis the fallback poll is so long that nothing can be mistaken for news.
OVER_REDIS = Connection(redis=True, fallback_poll=30, heard_within=1.0)
BY_POLLING = Connection(redis=False, fallback_poll=1, heard_within=1 + SLACK)
CONNECTIONS = pytest.mark.parametrize("fleet", [OVER_REDIS, BY_POLLING], ids=["redis", "no redis"], indirect=True)


class ConnectedFleet(Fleet):
    connection: Connection


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest, module_launcher: Launcher, postgres: PrivatePostgres) -> ConnectedFleet:
    connection: Connection = request.param
    settings = {"STINT_FALLBACK_POLL_SECONDS": str(connection.fallback_poll)}
    fleet = ConnectedFleet(
        module_launcher,
        postgres,
        coordinators=COORDINATORS,
        submitters=2,
        redis=connection.redis,
        settings=settings,
    )
    fleet.connection = connection
    return fleet


def reaction(poll: ParkedPoll, act: Callable[[], Any], within: float) -> tuple[float, dict[str, Any]]:
    """How long after the answer to what was done the parked poll was answered, and how."""
    act()
    watch = Stopwatch()
    answer = poll.answer(within)
    return watch.seconds, answer


@CONNECTIONS
def test_a_job_wakes_a_poll_that_is_parked_at_any_coordinator(fleet: ConnectedFleet, queue: str) -> None:
    worker = FakeWorker(fleet.seat(), queues=[queue], concurrency=WAKE_UPS)
    times: list[float] = []
    for number in range(WAKE_UPS if fleet.connection.redis else COORDINATORS):
        worker.turn_to(fleet.seat(number % COORDINATORS))
        poll = worker.park()
        submitter = fleet.api(number % len(fleet.submitters))
        seconds, answer = reaction(poll, lambda: submitter.submit(queue=queue), fleet.connection.heard_within)
        assert len(answer["jobs"]) == 1
        times.append(seconds)
    if fleet.connection.redis:
        assert statistics.median(times) < MEDIAN_WAKE_UP, sorted(times)


@CONNECTIONS
@pytest.mark.parametrize("coordinator", range(COORDINATORS))
def test_a_cancellation_reaches_a_poll_parked_at_any_coordinator(
    fleet: ConnectedFleet, queue: str, coordinator: int
) -> None:
    worker = FakeWorker(fleet.seat(coordinator), queues=[queue])
    job = fleet.api(0).submit(queue=queue)
    grant = worker.take_one()
    poll = worker.park(free_slots=0)
    cancel = lambda: fleet.api(1).post(f"/v1/jobs/{job['id']}/cancel").expect(200)  # noqa: E731
    _, answer = reaction(poll, cancel, fleet.connection.heard_within)
    assert answer["cancel"] == [grant["lease"]]


@CONNECTIONS
@pytest.mark.parametrize("coordinator", range(COORDINATORS))
def test_a_drain_order_reaches_a_poll_parked_at_any_coordinator(
    fleet: ConnectedFleet, queue: str, coordinator: int
) -> None:
    worker = FakeWorker(fleet.seat(coordinator), queues=[queue])
    poll = worker.park()
    drain = lambda: fleet.api(1).post(f"/v1/workers/{worker.worker_id}/drain").expect(200, 202)  # noqa: E731
    _, answer = reaction(poll, drain, fleet.connection.heard_within)
    assert answer["drain"] is True


@CONNECTIONS
def test_a_pause_and_its_end_reach_the_polls_parked_at_every_coordinator(fleet: ConnectedFleet, queue: str) -> None:
    polls = [FakeWorker(fleet.seat(number), queues=[queue], concurrency=1).park() for number in range(COORDINATORS)]
    fleet.api(0).post(f"/v1/queues/{queue}/pause").expect(200)
    ids = {fleet.api(1).submit(queue=queue)["id"] for _ in polls}
    assert FakeWorker(fleet.seat(), queues=[queue]).poll(wait_seconds=A_WHILE)["jobs"] == []
    assert not any(poll.is_answered() for poll in polls)

    fleet.api(1).post(f"/v1/queues/{queue}/resume").expect(200)
    watch = Stopwatch()
    grants = [poll.answer(within=fleet.connection.heard_within)["jobs"] for poll in polls]
    assert watch.seconds < fleet.connection.heard_within
    assert {grant["id"] for given in grants for grant in given} == ids
