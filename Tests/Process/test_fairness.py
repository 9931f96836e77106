# SPDX-License-Identifier: Apache-2.0
"""Which worker gets the next job, and which job is next."""

from collections import Counter

from fake_worker import FakeWorker, ParkedPoll, answered, completed
from stint_process import Server

SLOTS = (1, 2, 3, 1)
ASSIGNED_WITHIN = 3.0


class Pool:
    """Workers that are always all asking when a job comes."""

    def __init__(self, server: Server, queue: str) -> None:
        self._server = server
        self._queue = queue
        self._polls: dict[FakeWorker, ParkedPoll] = {}

    def hire(self, name: str, slots: int) -> None:
        worker = FakeWorker(self._server, name=name, queues=[self._queue], concurrency=slots)
        self._polls[worker] = worker.park()

    def next_assigned(self) -> str:
        """Submits one job, sees who gets it, and lets that worker complete it and ask again."""
        job = self._server.api.submit(queue=self._queue)
        poll, *others = answered(list(self._polls.values()), within=ASSIGNED_WITHIN)
        assert not others, "one job ends one poll"
        grants = poll.answer(within=ASSIGNED_WITHIN)["jobs"]
        assert [grant["id"] for grant in grants] == [job["id"]]
        assert poll.worker.report(completed(grants[0])) == ["accepted"]
        self._polls[poll.worker] = poll.worker.park()
        return poll.worker.name

    def rounds(self, count: int) -> list[str]:
        return [self.next_assigned() for _ in range(count)]


def test_workers_get_jobs_strictly_least_recently_assigned(server: Server, queue: str) -> None:
    pool = Pool(server, queue)
    for number, slots in enumerate(SLOTS):
        pool.hire(f"worker-{number}", slots)
    first_round = pool.rounds(4)
    assert len(set(first_round)) == 4, "a worker that was never given a job comes first"
    assert pool.rounds(12) == first_round * 3


def test_a_worker_that_joins_gets_one_job_per_round_and_no_flood(server: Server, queue: str) -> None:
    pool = Pool(server, queue)
    for number, slots in enumerate(SLOTS):
        pool.hire(f"worker-{number}", slots)
    veterans = pool.rounds(8)[4:]
    pool.hire("newcomer", 3)
    assert pool.rounds(10) == ["newcomer", *veterans] * 2


def test_a_burst_is_dealt_out_one_each(server: Server, queue: str) -> None:
    workers = [FakeWorker(server, queues=[queue], concurrency=slots) for slots in SLOTS]
    polls = [worker.park() for worker in workers]
    server.api.submit_batch([{"name": "work", "queue": queue}] * 4)
    for poll in polls:
        assert len(poll.answer(within=ASSIGNED_WITHIN)["jobs"]) == 1


def test_a_burst_fills_every_free_slot(server: Server, queue: str) -> None:
    workers = [FakeWorker(server, queues=[queue], concurrency=slots) for slots in SLOTS]
    polls = [worker.park() for worker in workers]
    server.api.submit_batch([{"name": "work", "queue": queue}] * sum(SLOTS))
    for poll in polls:
        poll.answer(within=ASSIGNED_WITHIN)
    for worker in workers:
        missing = worker.concurrency - len(worker.held)
        worker.take(missing, within=ASSIGNED_WITHIN)
    assert tuple(len(worker.held) for worker in workers) == SLOTS


def test_a_job_with_a_name_that_nobody_knows_is_never_leased_and_blocks_nobody(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue], job_names=["known"], concurrency=8)
    unknown = server.api.submit_batch([{"name": "unknown", "queue": queue, "priority": 100}] * 20)
    known = server.api.submit_batch([{"name": "known", "queue": queue}] * 5)
    assert sorted(grant["id"] for grant in worker.take(5)) == sorted(known)
    assert worker.poll(wait_seconds=0.3)["jobs"] == []
    for job_id in unknown:
        job = server.api.job(job_id)
        assert (job["state"], job["attempt"]) == ("available", 0)


def test_a_job_in_a_queue_that_nobody_serves_waits(server: Server, queue: str) -> None:
    elsewhere = f"{queue}-elsewhere"
    worker = FakeWorker(server, queues=[queue])
    waiting = server.api.submit(queue=elsewhere)
    assert worker.poll(wait_seconds=0.3)["jobs"] == []
    assert FakeWorker(server, queues=[queue, elsewhere]).take_one()["id"] == waiting["id"]


def test_a_worker_for_every_name_gets_every_name(server: Server, queue: str) -> None:
    server.api.submit_batch([{"name": name, "queue": queue} for name in ("a", "b.c", "d:e_f-g")])
    grants = FakeWorker(server, queues=[queue], job_names=["*"]).take(3)
    assert Counter(grant["name"] for grant in grants) == Counter(["a", "b.c", "d:e_f-g"])


def test_jobs_of_one_priority_are_served_in_the_order_of_their_submission(server: Server, queue: str) -> None:
    ids = server.api.submit_batch([{"name": "work", "queue": queue}] * 10)
    ids += [server.api.submit(queue=queue)["id"] for _ in range(10)]
    worker = FakeWorker(server, queues=[queue], concurrency=20)
    assert [worker.take_one()["id"] for _ in ids] == ids


def test_order_holds_across_the_names_of_a_queue(server: Server, queue: str) -> None:
    ids = [server.api.submit(name, queue=queue)["id"] for name in "zabzyxabc"]
    worker = FakeWorker(server, queues=[queue], concurrency=len(ids))
    assert [worker.take_one()["id"] for _ in ids] == ids


def test_a_priority_is_a_head_start(server: Server, queue: str) -> None:
    by_priority = {priority: server.api.submit(queue=queue, priority=priority)["id"] for priority in (0, 1, -100, 100)}
    worker = FakeWorker(server, queues=[queue])
    assert [worker.take_one()["id"] for _ in range(4)] == [by_priority[priority] for priority in (100, 1, 0, -100)]


def test_an_urgent_job_passes_one_that_has_waited_less_than_its_head_start(server: Server, queue: str) -> None:
    plain = server.api.submit(queue=queue)
    urgent = server.api.submit(queue=queue, priority=1, delay_seconds=1)
    server.api.job_in_state(urgent["id"], "available", within=3)
    worker = FakeWorker(server, queues=[queue])
    assert [worker.take_one()["id"] for _ in range(2)] == [urgent["id"], plain["id"]]
