# SPDX-License-Identifier: Apache-2.0
"""A worker that speaks the worker protocol by hand, so that a test decides what it says and when."""

import select
import time
from typing import TYPE_CHECKING, Any

from api_client import Answer, PendingRequest
from waiting import Stopwatch, eventually, instant

if TYPE_CHECKING:
    from stint_process import Server

Grant = dict[str, Any]
Report = dict[str, Any]

# What one poll of `take` waits: short enough to renew a session of 3 s.
TAKE_POLL_SECONDS = 1.0


class FakeWorker:
    """One worker session. `held` are the grants it has received and not reported."""

    def __init__(
        self,
        server: "Server",
        *,
        queues: list[str] | None = None,
        job_names: list[str] | None = None,
        concurrency: int = 8,
        name: str = "fake",
    ) -> None:
        self._server = server
        self.name = name
        self.concurrency = concurrency
        self.held: dict[str, Grant] = {}
        self._registration = {
            "name": name,
            "queues": queues or ["default"],
            "job_names": job_names or ["*"],
            "concurrency": concurrency,
            "labels": {},
            "sdk": "process-tests",
        }
        self.register()

    def register(self) -> None:
        """Starts a session; what an earlier one held is forgotten."""
        self.begin_session(self.send_registration())

    def begin_session(self, answer: Answer) -> None:
        """After a registration."""
        self.registered = answer.expect(201)
        self.worker_id: str = self.registered["worker_id"]
        self.held.clear()

    def turn_to(self, server: "Server") -> None:
        """Goes on with the same session at another server."""
        self._server = server

    # Calls whose answer is returned as it came.

    def send_registration(self) -> Answer:
        return self._server.coordinator.post("/v1/workers", self._registration)

    def send_poll(self, **fields: Any) -> Answer:
        return self._server.coordinator.post(self._path("/poll"), self._poll_body(**fields))

    def send_results(self, *reports: Report) -> Answer:
        return self._server.coordinator.post(self._path("/results"), {"results": list(reports)})

    def send_heartbeat(self, *leases: str, progress: dict[str, Any] | None = None) -> Answer:
        extra = {} if progress is None else {"progress": progress}
        running = [{"lease": lease, **extra} for lease in leases]
        return self._server.coordinator.post(self._path("/heartbeat"), {"running": running})

    def send_goodbye(self) -> Answer:
        return self._server.coordinator.delete(self._path(""))

    # Calls that must succeed.

    def poll(self, **fields: Any) -> dict[str, Any]:
        return self.apply(self.send_poll(**fields))

    def report(self, *reports: Report) -> list[str]:
        """One status each, in order."""
        answered = self.send_results(*reports).expect(200)["results"]
        assert [entry["lease"] for entry in answered] == [report["lease"] for report in reports]
        for report in reports:
            self.held.pop(report["lease"], None)
        return [entry["status"] for entry in answered]

    def heartbeat(self, *leases: str, progress: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.send_heartbeat(*leases, progress=progress).expect(200)

    def verdict(self, lease: str) -> str:
        """What a heartbeat that names this lease hears of it."""
        return next(entry["verdict"] for entry in self.heartbeat(lease)["leases"] if entry["lease"] == lease)

    def take(self, count: int = 1, *, within: float = 5) -> list[Grant]:
        """Polls until `count` more jobs are held; gives those."""
        watch = Stopwatch()
        taken: list[Grant] = []
        while len(taken) < count:
            remaining = within - watch.seconds
            assert remaining > 0, f"{self.name} was granted {len(taken)} of {count} jobs within {within} s"
            wait = min(TAKE_POLL_SECONDS, remaining)
            taken += self.poll(free_slots=count - len(taken), wait_seconds=wait)["jobs"]
        return taken

    def take_one(self, *, within: float = 5) -> Grant:
        return self.take(1, within=within)[0]

    def park(self, *, wait_seconds: float = 30, **fields: Any) -> "ParkedPoll":
        """Sends a poll and returns once the server has it."""
        before = self._last_heartbeat()
        eventually(lambda: time.time() > before + 0.002, within=5, what="the clock moved on since the last heartbeat")
        body = self._poll_body(wait_seconds=wait_seconds, **fields)
        pending = self._server.coordinator.begin("POST", self._path("/poll"), body)
        eventually(
            lambda: self._last_heartbeat() > before or pending.is_answered(),
            within=5,
            what=f"the poll of {self.name} renewed its session",
        )
        return ParkedPoll(self, pending)

    def apply(self, answer: Answer) -> dict[str, Any]:
        """Keeps book of a poll's answer."""
        body: dict[str, Any] = answer.expect(200)
        for entry in body["results"]:
            self.held.pop(entry["lease"], None)
        for grant in body["jobs"]:
            self.held[grant["lease"]] = grant
        return body

    def _last_heartbeat(self) -> float:
        session = self._server.api.worker(self.worker_id)
        assert session is not None, f"{self.name} is not in the list of workers"
        return instant(session["last_heartbeat_at"])

    def _path(self, call: str) -> str:
        return f"/v1/workers/{self.worker_id}{call}"

    def _poll_body(
        self,
        *,
        free_slots: int | None = None,
        wait_seconds: float = 0,
        running: list[str] | None = None,
        results: list[Report] | None = None,
    ) -> dict[str, Any]:
        results = results or []
        reported = {report["lease"] for report in results}
        held = [lease for lease in self.held if lease not in reported]
        return {
            "free_slots": self.concurrency - len(held) if free_slots is None else free_slots,
            "wait_seconds": wait_seconds,
            "running": held if running is None else running,
            "results": results,
        }


class ParkedPoll:
    """A poll that waits at the server."""

    def __init__(self, worker: FakeWorker, pending: PendingRequest) -> None:
        self.worker = worker
        self._pending = pending

    def fileno(self) -> int:
        return self._pending.fileno()

    def is_answered(self) -> bool:
        return self._pending.is_answered()

    def answer(self, within: float) -> dict[str, Any]:
        return self.worker.apply(self._pending.answer(within))

    def abandon(self) -> None:
        self._pending.abandon()


def answered(polls: list[ParkedPoll], *, within: float) -> list[ParkedPoll]:
    """The parked polls that have an answer, as soon as one has."""
    ready = select.select(polls, [], [], within)[0]
    assert ready, f"none of {len(polls)} parked polls was answered within {within} s"
    return ready


# What a worker may report of a grant.


def completed(grant: Grant, result: Any = None) -> Report:
    return {"lease": grant["lease"], "job_id": grant["id"], "outcome": "completed", "result": result}


def failed(grant: Grant, message: str = "it broke", error_type: str = "TestError", **fields: Any) -> Report:
    error = {"type": error_type, "message": message, "stack": "at line 1"}
    return {"lease": grant["lease"], "job_id": grant["id"], "outcome": "failed", "error": error, **fields}


def snoozed(grant: Grant, seconds: float) -> Report:
    return {"lease": grant["lease"], "job_id": grant["id"], "outcome": "snoozed", "snooze_seconds": seconds}


def released(grant: Grant) -> Report:
    return {"lease": grant["lease"], "job_id": grant["id"], "outcome": "released"}


def cancelled(grant: Grant) -> Report:
    return {"lease": grant["lease"], "job_id": grant["id"], "outcome": "cancelled"}
