# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent: a 4xx, never a 5xx, a hang or a crash, and nothing is stored."""

import re
import socket
from collections import Counter

import pytest

from api_client import HOST
from fake_worker import FakeWorker, completed
from malformed_requests import BAD_FRAMING, BAD_REQUESTS, CUT_SHORT, BadRequest
from stint_process import Launcher, Server

ANSWERED_WITHIN = 10.0
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


@pytest.fixture(scope="module")
def server(module_launcher: Launcher) -> Server:
    """Its lease is long: one worker session serves all tests."""
    return module_launcher.server({"STINT_LEASE_SECONDS": "600"})


@pytest.fixture(scope="module")
def worker(server: Server) -> FakeWorker:
    return FakeWorker(server)


@pytest.fixture(scope="module")
def job_id(server: Server) -> str:
    return server.api.submit("known", queue="nobody-serves-this")["id"]


def jobs_stored(server: Server) -> int:
    return sum(server.api.get("/v1/stats").expect(200)["counts"].values())


def sent_raw(server: Server, data: bytes, *, end_of_stream: bool) -> int | None:
    """The status of the first response; None when the connection was closed without one. A hang is a time-out error."""
    with socket.create_connection((HOST, server.api.port), timeout=ANSWERED_WITHIN) as connection:
        try:
            connection.sendall(data)
            if end_of_stream:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # refused in the middle; what was answered may still be there to read
        return first_status(connection)


def first_status(connection: socket.socket) -> int | None:
    received = b""
    try:
        while not (match := STATUS_LINE.match(received)):
            chunk = connection.recv(65_536)
            if not chunk:
                assert received == b"", f"closed in the middle of a status line: {received!r}"
                return None
            received += chunk
    except ConnectionError:
        return None
    return int(match[1])


def assert_alive(server: Server) -> None:
    assert server.is_alive, "the server crashed"
    assert server.api.get("/healthz").status == 200


def test_the_table_is_long_and_says_each_thing_once() -> None:
    facts = Counter(request.fact for request in BAD_REQUESTS)
    assert [fact for fact, count in facts.items() if count > 1] == []
    assert len(facts) + len(BAD_FRAMING) + len(CUT_SHORT) >= 100


@pytest.mark.parametrize("request_", BAD_REQUESTS, ids=lambda request: request.fact)
def test_a_bad_request_is_refused_with_a_problem(
    server: Server, worker: FakeWorker, job_id: str, request_: BadRequest
) -> None:
    stored = jobs_stored(server)
    client = server.api if request_.port == "api" else server.coordinator
    path = request_.path.replace("{worker}", worker.worker_id).replace("{job}", job_id)
    headers = {name: value.encode("latin-1") for name, value in request_.headers.items()}
    problem = client.request(request_.method, path, request_.body, headers).problem(*request_.statuses)
    assert "detail" in problem
    if request_.index is not None:
        assert problem["index"] == request_.index
    assert jobs_stored(server) == stored
    assert_alive(server)


@pytest.mark.parametrize("data", BAD_FRAMING.values(), ids=BAD_FRAMING.keys())
def test_bad_framing_is_refused_or_the_connection_closed(server: Server, data: bytes) -> None:
    stored = jobs_stored(server)
    status = sent_raw(server, data, end_of_stream=False)
    assert status is None or 400 <= status < 500
    assert jobs_stored(server) == stored
    assert_alive(server)


@pytest.mark.parametrize("data", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_a_request_cut_short_stores_nothing(server: Server, data: bytes) -> None:
    stored = jobs_stored(server)
    status = sent_raw(server, data, end_of_stream=True)
    assert status is None or 400 <= status < 500
    assert jobs_stored(server) == stored
    assert_alive(server)


def test_a_field_error_points_at_the_field(server: Server) -> None:
    problem = server.api.post("/v1/jobs", {"name": "bad", "retry": {"jitter": "some"}}).problem(400)
    assert [error["pointer"] for error in problem["errors"]] == ["/retry/jitter"]
    assert problem["errors"][0]["detail"]


def test_a_refused_request_does_not_spoil_its_connection(server: Server) -> None:
    for _ in range(3):
        server.api.post("/v1/jobs", b'{"name":').problem(400)
        server.api.submit("known", queue="nobody-serves-this")


def test_a_forged_lease_has_no_effect(server: Server, worker: FakeWorker) -> None:
    for forged in ("", "lease", "x" * 10_000, "\x00", "-" * 56, "0" * 32 + "-1-" + "0" * 16):
        report = {"lease": forged, "job_id": "019a0000-0000-7000-8000-000000000000", "outcome": "completed"}
        answer = worker.send_results(report)
        assert answer.status in (200, 400), answer.body
        if answer.status == 200:
            assert answer.json["results"] == [{"lease": forged, "status": "lease_lost"}]


def test_after_all_this_a_good_job_still_completes(server: Server, queue: str) -> None:
    worker = FakeWorker(server, queues=[queue])
    job = server.api.submit(queue=queue)
    assert worker.report(completed(worker.take_one())) == ["accepted"]
    assert server.api.job(job["id"])["state"] == "completed"
