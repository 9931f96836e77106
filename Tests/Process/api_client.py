# SPDX-License-Identifier: Apache-2.0
"""A small HTTP client that speaks to one port of a server."""

import http.client
import json
import select
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from waiting import eventually

HOST = "127.0.0.1"
ANSWER_WITHIN = 15.0
# A kept connection that was idle for longer is not used again: the server may have closed it meanwhile.
REUSE_WITHIN = 2.0

# Well formed, and nobody's.
UNKNOWN_ID = "019a0000-0000-7000-8000-000000000000"

# What a broken connection looks like: whether the request took effect is unknown.
UNKNOWN_OUTCOME = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    """One response, its body as the exact bytes."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, *statuses: int) -> Any:
        """The JSON body, after the status was checked."""
        assert self.status in statuses, f"expected {statuses}, got {self.status}: {self.body[:500]!r}"
        return self.json if self.body else None

    def problem(self, *statuses: int, code: str | None = None) -> dict[str, Any]:
        """The RFC 9457 problem, after its shape was checked."""
        problem = self.expect(*statuses)
        content_type = self.headers.get("Content-Type", "")
        assert content_type.startswith("application/problem+json"), content_type
        assert problem["status"] == self.status
        assert problem["type"] == f"urn:stint:problem:{problem['code']}"
        assert problem["title"]
        assert problem["request_id"] == self.headers["X-Request-Id"]
        if code is not None:
            assert problem["code"] == code
        return problem


def encoded(body: Any) -> bytes | None:
    """Bytes stay as they are, everything else becomes JSON, None stays no body at all."""
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def received(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


class PendingRequest:
    """A request that was sent and whose answer has not been read yet."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.sock.fileno()

    def is_answered(self) -> bool:
        return bool(select.select([self], [], [], 0)[0])

    def answer(self, within: float) -> Answer:
        self._connection.sock.settimeout(within)
        try:
            return received(self._connection)
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Closes the connection without reading what may have come."""
        self._connection.close()


class ApiClient:
    """Keeps one connection per thread. A broken one raises one of `UNKNOWN_OUTCOME`; nothing is ever repeated."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port = port
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._local = threading.local()

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection = self._connection()
        try:
            self._send(connection, method, path, body, headers)
            answer = received(connection)
        except UNKNOWN_OUTCOME:
            self.disconnect()
            raise
        self._local.used_at = time.monotonic()
        return answer

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def begin(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> PendingRequest:
        """Sends a request on a connection of its own and does not wait for the answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_WITHIN)
        self._send(connection, method, path, body, headers)
        return PendingRequest(connection)

    def disconnect(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is not None and time.monotonic() - self._local.used_at < REUSE_WITHIN:
            return connection
        self.disconnect()
        self._local.connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_WITHIN)
        return self._local.connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any,
        headers: dict[str, str] | None,
    ) -> None:
        data = encoded(body)
        content = {} if data is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, data, {**self._headers, **content, **(headers or {})})
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: reading shows the answer, or that there is none

    # The calls that most tests need.

    def submit(self, name: str = "work", **fields: Any) -> dict[str, Any]:
        return self.post("/v1/jobs", {"name": name, **fields}).expect(201)

    def submit_batch(self, jobs: list[dict[str, Any]]) -> list[str]:
        return self.post("/v1/jobs/batch", {"jobs": jobs}).expect(201)["ids"]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/v1/jobs/{job_id}").expect(200)

    def job_in_state(self, job_id: str, *states: str, within: float) -> dict[str, Any]:
        """The job once it is in one of the states."""

        def current() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in states else None

        return eventually(current, within=within, what=f"job {job_id} is {' or '.join(states)}")

    def items(self, path: str) -> list[dict[str, Any]]:
        """All items of a list, over all its pages."""
        separator = "&" if "?" in path else "?"
        page = self.get(path).expect(200)
        items: list[dict[str, Any]] = page["items"]
        while page["next_cursor"] is not None:
            page = self.get(f"{path}{separator}cursor={quote(page['next_cursor'])}").expect(200)
            items.extend(page["items"])
        return items

    def worker(self, worker_id: str) -> dict[str, Any] | None:
        return next((worker for worker in self.items("/v1/workers") if worker["worker_id"] == worker_id), None)

    def live_workers(self) -> list[dict[str, Any]]:
        return [worker for worker in self.items("/v1/workers") if worker["state"] != "unavailable"]


def outcomes(job: dict[str, Any]) -> list[str | None]:
    """How the attempts of a job ended, oldest first."""
    return [attempt["outcome"] for attempt in job["attempts"]]
