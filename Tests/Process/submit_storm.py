# SPDX-License-Identifier: Apache-2.0
"""Submits and works without a pause while a server is killed and restarted, and keeps book of what was acknowledged."""

import itertools
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api_client import UNKNOWN_OUTCOME, Answer
from fake_worker import FakeWorker, Grant, Report, completed

if TYPE_CHECKING:
    from stint_process import Server

BATCH_SIZE = 20
PAUSE_AFTER_FAILURE = 0.02
UNDECIDED_AT_MOST = 60.0


@dataclass(frozen=True, eq=False)
class Submission:
    """One request to submit. `tag` is on each of its jobs and on no other; the short form has no tags."""

    path: str
    body: dict[str, Any]
    tag: str
    job_count: int
    is_keyed: bool

    @property
    def is_tagged(self) -> bool:
        return self.path != "/submit_job"

    def ids(self, answer: Answer) -> list[str]:
        body = answer.json
        if self.path == "/v1/jobs/batch":
            return body["ids"]
        return [body["id"] if self.is_tagged else body["job_id"]]


@dataclass
class Ledger:
    """What the submitting threads know for certain."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    acknowledged: dict[str, Submission] = field(default_factory=dict)
    # When each of those jobs was acknowledged, by the monotonic clock.
    acknowledged_at: dict[str, float] = field(default_factory=dict)
    # When each completed job was first accepted, by the same clock.
    accepted_at: dict[str, float] = field(default_factory=dict)
    # Keyed submissions whose outcome was unknown at least once, with the ids they were answered in the end.
    repeated: dict[Submission, list[str]] = field(default_factory=dict)
    # Submissions without a key whose outcome stays unknown: each may have stored one job.
    undecided: int = 0
    errors: list[BaseException] = field(default_factory=list)

    def acknowledge(self, submission: Submission, ids: list[str], was_unknown: bool) -> None:
        with self.lock:
            self.acknowledged.update((job_id, submission) for job_id in ids)
            self.acknowledged_at.update((job_id, time.monotonic()) for job_id in ids)
            if was_unknown:
                self.repeated[submission] = ids

    def accept(self, job_id: str) -> None:
        with self.lock:
            self.accepted_at.setdefault(job_id, time.monotonic())

    def give_up(self) -> None:
        with self.lock:
            self.undecided += 1

    def fail(self, error: BaseException) -> None:
        with self.lock:
            self.errors.append(error)

    def count(self) -> int:
        with self.lock:
            return len(self.acknowledged)

    def waiting(self, *, since: float) -> list[str]:
        """Jobs acknowledged before that instant whose completion has not been accepted."""
        with self.lock:
            return [
                job_id for job_id, at in self.acknowledged_at.items() if at < since and job_id not in self.accepted_at
            ]


class StormThread(threading.Thread):
    """Repeats one step until told to stop; an error ends it and is kept in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self.ledger = ledger
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.step()
        except BaseException as error:  # kept for the test's own thread, which fails with it
            self.ledger.fail(error)

    def step(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        self.stopping.set()
        self.join(UNDECIDED_AT_MOST)
        assert not self.is_alive(), f"{self.name} did not end"


class Submitter(StormThread):
    """Takes the kinds of request in turn. Keyed ones are repeated until they are answered.

    `fields` are of every job: then there is no short form, which has none. `pause` is the time between two requests.
    """

    def __init__(
        self,
        server: "Server",
        ledger: Ledger,
        number: int,
        names: list[str],
        fields: dict[str, Any] | None = None,
        pause: float = 0,
    ) -> None:
        super().__init__(ledger)
        self._fields = fields or {}
        self._pause = pause
        self._server = server
        self._number = number
        self._serial = itertools.count()
        self._names = itertools.cycle(names)

    def step(self) -> None:
        submission = self._next()
        deadline = time.monotonic() + UNDECIDED_AT_MOST
        was_unknown = False
        while (answer := self._sent(submission)) is None:
            was_unknown = True
            time.sleep(PAUSE_AFTER_FAILURE)  # the server is down: no need to knock a thousand times
            if not submission.is_keyed:
                self.ledger.give_up()
                return
            assert time.monotonic() < deadline, f"{submission.tag} was never answered"
        self.ledger.acknowledge(submission, submission.ids(answer), was_unknown)
        self.stopping.wait(self._pause)

    def _sent(self, submission: Submission) -> Answer | None:
        """None when the outcome is unknown."""
        headers = {"Idempotency-Key": submission.tag} if submission.is_keyed else {}
        try:
            answer = self._server.api.post(submission.path, submission.body, headers)
        except UNKNOWN_OUTCOME:
            return None
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
            return None
        answer.expect(200, 201)
        return answer

    def _next(self) -> Submission:
        serial = next(self._serial)
        tag = f"storm-{self._number}-{serial}"
        job = {"name": next(self._names), "payload": {"serial": serial}, "tags": [tag], **self._fields}
        match serial % 5:
            case 0:
                return Submission("/v1/jobs", job, tag, 1, is_keyed=False)
            case 1 | 2:
                return Submission("/v1/jobs", job, tag, 1, is_keyed=True)
            case 3:
                return Submission("/v1/jobs/batch", {"jobs": [job] * BATCH_SIZE}, tag, BATCH_SIZE, is_keyed=True)
            case _ if self._fields:
                return Submission("/v1/jobs", job, tag, 1, is_keyed=True)
            case _:
                short_form = {"name": job["name"], "payload": tag}
                return Submission("/submit_job", short_form, tag, 1, is_keyed=True)


class StormWorker(StormThread):
    """Completes what it is granted. A report whose answer was lost is sent again as it was."""

    def __init__(self, server: "Server", ledger: Ledger, name: str, job_names: list[str]) -> None:
        super().__init__(ledger)
        self._worker = FakeWorker(server, name=name, job_names=job_names, concurrency=50)
        self._results: list[Report] = []
        self._is_lost = False
        self.accepted: dict[str, set[str]] = defaultdict(set)

    def step(self) -> None:
        worker = self._worker
        try:
            if self._is_lost:
                answer = worker.send_registration()
            else:
                answer = worker.send_poll(results=self._results, wait_seconds=0.5)
        except UNKNOWN_OUTCOME:
            self.turn_away()
            return
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
            self.turn_away()
        elif answer.status == 410:
            self._results = []
            self._is_lost = True
        elif self._is_lost:
            worker.begin_session(answer)
            self._is_lost = False
        else:
            self._note(answer)

    def _note(self, answer: Answer) -> None:
        """After a poll."""
        job_of = {report["lease"]: report["job_id"] for report in self._results if report["outcome"] == "completed"}
        for entry in self._worker.apply(answer)["results"]:
            if entry["status"] == "accepted" and entry["lease"] in job_of:
                self.accepted[job_of[entry["lease"]]].add(entry["lease"])
                self.ledger.accept(job_of[entry["lease"]])
        self._results = [self.run_job(grant) for grant in self._worker.held.values()]

    def run_job(self, grant: Grant) -> Report:
        """What becomes of a job it was granted."""
        return completed(grant)

    def turn_away(self) -> None:
        """After a call without an answer, before the same is tried again."""
        time.sleep(PAUSE_AFTER_FAILURE)  # the server is down: no need to knock a thousand times
