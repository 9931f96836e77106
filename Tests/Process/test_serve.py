# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping a server: settings, the data directory, the token."""

import socket
import subprocess
from pathlib import Path

import pytest

from api_client import HOST, ApiClient
from fake_worker import FakeWorker
from stint_process import Launcher, Settings
from waiting import Stopwatch, eventually

TOKEN = "a-token-of-the-process-tests"


def refused_start(launcher: Launcher, settings: Settings, data_dir: Path | None = None) -> str:
    """What a server that must not start says instead."""
    ports = {"STINT_API_PORT": "0", "STINT_COORDINATOR_PORT": "0"}
    directory = data_dir or launcher.directory("data")
    ended: subprocess.CompletedProcess[str] = launcher.run(
        ["serve", "--data-dir", str(directory)], {**ports, **settings}, within=15
    )
    assert ended.returncode > 0, f"it must end with an exit code of its own, not with {ended.returncode}"
    assert "ready" not in ended.stdout.splitlines()
    return ended.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STINT_LEASE_SECONDS", "0"),
        ("STINT_LEASE_SECONDS", "-30"),
        ("STINT_LEASE_SECONDS", "soon"),
        ("STINT_LEASE_SECONDS", "nan"),
        ("STINT_HEARTBEAT_SECONDS", "29"),
        ("STINT_HEARTBEAT_SECONDS", "0"),
        ("STINT_SWEEP_SECONDS", "-1"),
        ("STINT_SWEEP_SECONDS", "1e300"),
        ("STINT_DRAIN_SECONDS", "-5"),
        ("STINT_IDEMPOTENCY_SECONDS", "a day"),
        ("STINT_RETENTION_SECONDS", "-1"),
        ("STINT_API_PORT", "65536"),
        ("STINT_API_PORT", "http"),
        ("STINT_COORDINATOR_PORT", "-1"),
        ("STINT_LOG_LEVEL", "shouting"),
        ("STINT_LOG_FORMAT", "runes"),
    ],
)
def test_a_setting_out_of_range_stops_the_start_with_a_sentence(launcher: Launcher, key: str, value: str) -> None:
    said = refused_start(launcher, {key: value})
    assert key in said
    assert value in said


@pytest.mark.parametrize("key", ["STINT_API_HOST", "STINT_COORDINATOR_HOST"])
def test_a_server_does_not_listen_beyond_loopback_without_a_token(launcher: Launcher, key: str) -> None:
    said = refused_start(launcher, {key: "0.0.0.0"})
    assert "STINT_TOKEN" in said


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(launcher: Launcher) -> None:
    server = launcher.server()
    said = refused_start(launcher, {}, server.data_dir)
    assert str(server.data_dir) in said
    assert server.api.submit()["state"] == "available"


def test_a_port_in_use_stops_the_start_with_a_sentence(launcher: Launcher) -> None:
    server = launcher.server()
    said = refused_start(launcher, {"STINT_API_PORT": str(server.api.port)})
    assert str(server.api.port) in said


def test_flags_come_before_the_environment(launcher: Launcher) -> None:
    server = launcher.server({"STINT_API_PORT": "1", "STINT_DATA_DIR": "/nonexistent/stint"})
    assert server.api.get("/healthz").status == 200
    assert server.record_file().exists()


def test_durations_may_be_fractions(launcher: Launcher) -> None:
    server = launcher.server({"STINT_LEASE_SECONDS": "3.5", "STINT_HEARTBEAT_SECONDS": "0.75"})
    registered = FakeWorker(server).registered
    assert (registered["lease_seconds"], registered["heartbeat_seconds"]) == (3.5, 0.75)


def test_an_idle_server_stops_at_once(launcher: Launcher) -> None:
    server = launcher.server()
    watch = Stopwatch()
    server.stop()
    assert watch.seconds < 3


def has_read_all(port: int, client: socket.socket) -> bool:
    """Whether the server on the port has accepted the connection and read all that was sent."""
    ends = f":{port:04X}", f":{client.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
            return fields[4].endswith(":00000000") and fields[9] != "0"
    return False


def unfinished_request(port: int) -> socket.socket:
    """A request whose body is not all there: the server cannot end before it has come, or its time is over."""
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.sendall(b"POST /v1/workers HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
    eventually(lambda: has_read_all(port, connection), within=5, what="the server has read the beginning of the request")
    return connection


def is_not_ready(api: ApiClient) -> bool:
    return api.get("/readyz").status == 503


def test_a_draining_server_is_not_ready_and_answers_parked_polls(launcher: Launcher) -> None:
    server = launcher.server()
    assert server.api.get("/readyz").status == 200
    parked = FakeWorker(server).park(wait_seconds=60)
    with unfinished_request(server.coordinator.port):
        server.begin_stop()
        assert parked.answer(within=3)["jobs"] == []
        eventually(lambda: is_not_ready(server.api), within=3, what="the server says that it drains")
        problem = server.api.get("/readyz").problem(503, code="unavailable")
        assert "draining" in problem["detail"]
        assert server.api.get("/healthz").status == 200
    server.finish_stop()


def test_a_server_whose_own_worker_drains_is_not_ready(launcher: Launcher) -> None:
    # Sleeping samples take ten seconds at least: the worker has not ended when the server is asked.
    server = launcher.server(arguments=["--worker", "--sample-time-scale", "100"])
    job = server.api.submit("sleeps")
    server.api.job_in_state(job["id"], "running", within=10)
    server.begin_stop()
    eventually(lambda: is_not_ready(server.api), within=1.5, what="the server says that it drains")
    server.finish_stop()


def test_an_embedded_worker_runs_the_samples(launcher: Launcher) -> None:
    server = launcher.server(arguments=["--worker"])
    job = server.api.post("/submit_job", {"name": "cpu_intensive", "payload": "test task"}).expect(201)
    server.api.job_in_state(job["job_id"], "completed", within=30)


def test_calls_without_the_token_are_refused(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN})
    for port, path in ((server.api.port, "/v1/stats"), (server.coordinator.port, "/v1/workers/abc/poll")):
        method = "GET" if path == "/v1/stats" else "POST"
        for shown in (None, "", "wrong", TOKEN + "x", TOKEN[:-1], TOKEN.upper()):
            ApiClient(port, shown).request(method, path, None if method == "GET" else {"free_slots": 1}).problem(401)


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_the_token_must_be_a_bearer_token(launcher: Launcher, scheme: str) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN})
    header = {"Authorization": f"{scheme} {TOKEN}".strip()}
    ApiClient(server.api.port).request("GET", "/v1/stats", None, header).problem(401)


def test_a_token_in_the_query_counts_for_nothing(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN})
    ApiClient(server.api.port).get(f"/v1/stats?token={TOKEN}").problem(401)


def test_health_needs_no_token(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN})
    for port in (server.api.port, server.coordinator.port):
        assert ApiClient(port).get("/healthz").status == 200


def test_with_the_token_everything_works(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN})
    job = server.api.submit()
    assert FakeWorker(server).take_one()["id"] == job["id"]


def test_a_worker_shows_its_token(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN})
    launcher.exec_worker(server, {"quick": "true"})
    job = server.api.submit("quick")
    server.api.job_in_state(job["id"], "completed", within=10)


def test_the_token_is_never_written(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": TOKEN, "STINT_LOG_LEVEL": "debug"})
    server.api.submit()
    ApiClient(server.api.port, TOKEN[:-1]).get("/v1/stats").problem(401)
    process = server.running
    server.stop()
    assert TOKEN[:-1] not in process.stdout.text + process.stderr.text
