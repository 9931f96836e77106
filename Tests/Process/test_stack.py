# SPDX-License-Identifier: Apache-2.0
"""The distributed stack as local processes: what `make up`, `status`, `logs` and `down` do.

Real servers on free ports in a directory of the test.
"""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from api_client import HOST, ApiClient
from stint_process import REPOSITORY, Launcher, Settings, binary, environment_of, is_running
from waiting import eventually

TOOL = REPOSITORY / "scripts/stack.py"
UP_WITHIN = 150.0
DOWN_WITHIN = 90.0
SERVERS = ["postgres", "redis", "coordinator-1", "coordinator-2", "submitter"]
WORKERS = ["worker-1", "worker-2", "worker-3"]
REQUIRED = [*SERVERS, *WORKERS, "prometheus"]
AT_ONCE = {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1}
PORT_VARIABLES = {
    "STINT_STACK_API_PORT": "api",
    "STINT_STACK_COORDINATOR_PORT": "coordinator-1",
    "STINT_STACK_COORDINATOR_2_PORT": "coordinator-2",
    "STINT_STACK_POSTGRES_PORT": "postgres",
    "STINT_STACK_REDIS_PORT": "redis",
    "STINT_STACK_PROMETHEUS_PORT": "prometheus",
    "STINT_STACK_GRAFANA_PORT": "grafana",
}


class Stack:
    """One stack, driven through the tool only."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        parent = launcher.directory("stack")
        # PostgreSQL runs as another user when the tests run as root, and must get there.
        for directory in (parent, parent.parent):
            directory.chmod(0o711)
        self.directory = parent / "stack"

    def run(self, *arguments: str, within: float = 60, **settings: str) -> subprocess.CompletedProcess[str]:
        own: Settings = {
            "STINT_STACK_DIR": str(self.directory),
            "STINT_STACK_MODE": "native",
            "STINT_BINARY": str(binary()),
            "STINT_STACK_TIME_SCALE": "0.02",
        }
        return self._launcher.run_program([sys.executable, str(TOOL), *arguments], {**own, **settings}, within=within)

    def up(self, *arguments: str, **settings: str) -> str:
        ended = self.run("up", *(arguments or ("--free-ports",)), within=UP_WITHIN, **settings)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def down(self, *arguments: str) -> str:
        ended = self.run("down", *arguments, within=DOWN_WITHIN)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def states(self) -> dict[str, str]:
        """Each part's state, as the table says."""
        header, *rows = self.run("status").stdout.splitlines()
        columns = [header.index(title) for title in ("PART", "STATE", "PID", "ADDRESS")]
        cells = [[row[begin:end].strip() for begin, end in zip(columns, columns[1:])] for row in rows]
        return {part: state for part, state, _ in cells}

    def pids(self) -> dict[str, int]:
        files = (self.directory / "run").glob("*.json")
        return {file.stem: json.loads(file.read_text())["pid"] for file in files}

    @property
    def ports(self) -> dict[str, int]:
        return json.loads((self.directory / "ports.json").read_text())

    @property
    def api(self) -> ApiClient:
        return ApiClient(self.ports["api"])

    def processes(self) -> set[int]:
        """All that lives and belongs to this stack, whoever its parent is."""
        entries = [entry for entry in Path("/proc").glob("[0-9]*") if self._owns(entry)]
        return {int(entry.name) for entry in entries if is_running(int(entry.name))}

    def _owns(self, process_entry: Path) -> bool:
        """By its environment, or by its directory: Redis writes its title over the environment."""
        try:
            directory = os.readlink(process_entry / "cwd")
        except OSError:
            directory = ""
        mark = f"STINT_STACK_DIR={self.directory}".encode()
        return mark in environment_of(process_entry) or directory == str(self.directory)


@pytest.fixture(scope="module")
def stack(module_launcher: Launcher) -> Iterator[Stack]:
    """A stack that is up, shared by the tests that only look at it and use it."""
    stack = Stack(module_launcher)
    try:
        stack.up()
        yield stack
    finally:
        stack.run("down", within=DOWN_WITHIN)


@pytest.fixture
def own_stack(launcher: Launcher) -> Iterator[Stack]:
    """A stack of one test, which starts it."""
    stack = Stack(launcher)
    try:
        yield stack
    finally:
        stack.run("down", within=DOWN_WITHIN)


def example_of(output: str) -> str:
    """The command that `up` prints for a first try."""
    return next(line.strip() for line in output.splitlines() if line.strip().startswith("curl "))


def test_every_part_is_ready_after_up(stack: Stack) -> None:
    states = stack.states()
    assert {part: states[part] for part in REQUIRED} == dict.fromkeys(REQUIRED, "ready")
    assert states["grafana"] in ("ready", "not installed")
    assert stack.run("status", "--check").returncode == 0


def test_the_command_that_up_prints_submits_a_job_that_completes(stack: Stack) -> None:
    command = example_of(stack.up())
    sent = subprocess.run(["bash", "-c", f"{command} --silent --fail"], capture_output=True, text=True, timeout=30)
    assert sent.returncode == 0, sent.stderr
    stack.api.job_in_state(json.loads(sent.stdout)["job_id"], "completed", within=30)


def test_up_again_changes_nothing(stack: Stack) -> None:
    before = stack.pids(), stack.ports
    stack.up()
    assert (stack.pids(), stack.ports) == before


def test_workers_are_spread_over_both_coordinators(stack: Stack) -> None:
    def first_url(pid: int) -> str:
        variables = dict(entry.partition(b"=")[::2] for entry in environment_of(Path(f"/proc/{pid}")))
        return variables[b"STINT_COORDINATOR_URLS"].decode().split(",")[0]

    pids = stack.pids()
    urls = {first_url(pids[worker]) for worker in WORKERS}
    assert urls == {f"http://{HOST}:{stack.ports[name]}" for name in ("coordinator-1", "coordinator-2")}


def coordinators_are_read(stack: Stack) -> None:
    """Waits until Prometheus has read the metrics of both coordinators."""
    prometheus = ApiClient(stack.ports["prometheus"])

    def healthy() -> set[str]:
        targets = prometheus.get("/api/v1/targets").expect(200)["data"]["activeTargets"]
        return {each["labels"]["instance"] for each in targets if each["health"] == "up"}

    wanted = {f"{HOST}:{stack.ports[name]}" for name in ("coordinator-1", "coordinator-2")}
    eventually(lambda: wanted <= healthy(), within=30, what="both coordinators are read")


def test_prometheus_reads_both_coordinators(stack: Stack) -> None:
    coordinators_are_read(stack)


def test_every_panel_of_the_dashboard_shows_something(stack: Stack) -> None:
    jobs = [stack.api.submit("cpu_intensive", payload=f"panel {index}")["id"] for index in range(5)]
    jobs += [stack.api.submit("cpu_intensive", payload="invalid_job", max_attempts=2, retry=AT_ONCE)["id"]]
    for job in jobs:
        stack.api.job_in_state(job, "completed", "dead", within=30)
    board = json.loads((REPOSITORY / "deploy/grafana/dashboards/overview.json").read_text())
    prometheus = ApiClient(stack.ports["prometheus"])

    def without_data() -> list[str]:
        return [panel["title"] for panel in board["panels"] if not any(map(series, panel["targets"]))]

    def series(query: dict[str, str]) -> list[object]:
        expression = query["expr"].replace("$__rate_interval", "1m").replace("$queue", ".*")
        return prometheus.get(f"/api/v1/query?query={quote(expression)}").expect(200)["data"]["result"]

    # Nothing has failed in the record, and nothing counts that until it does.
    quiet = ["Record errors"]
    eventually(lambda: set(without_data()) <= set(quiet), within=40, what=f"only {quiet} are empty: {without_data()}")


def test_everything_listens_on_the_loopback_address_only(stack: Stack) -> None:
    addresses = {
        line.split()[1].partition(":")[0]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].partition(":")[2], 16) in stack.ports.values()
    }
    assert addresses == {"0100007F"}


def test_both_coordinators_have_their_queue_in_redis(stack: Stack) -> None:
    def reach_redis() -> bool:
        texts = [ApiClient(stack.ports[name]).get("/metrics").body for name in ("coordinator-1", "coordinator-2")]
        return all(b"\nstint_queue_backend_up 1\n" in text for text in texts)

    eventually(reach_redis, within=15, what="both coordinators say that their queue is up")


def test_the_logs_of_all_parts_are_shown_with_their_names(stack: Stack) -> None:
    shown = stack.run("logs", "--no-follow").stdout.splitlines()
    assert {"postgres", "redis", "submitter", "coordinator-1", "coordinator-2"} <= {
        line.partition("|")[0].strip() for line in shown
    }
    assert any(line.startswith("coordinator-2") and line.endswith("| ready") for line in shown)


def test_passwords_are_in_private_files_and_on_no_command_line(stack: Stack) -> None:
    secrets = stack.directory / "secrets.env"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    passwords = [value for line in secrets.read_text().splitlines() if (value := line.partition("=")[2])]
    assert len(passwords) >= 3
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        assert not any(password in command for password in passwords), command
    for path in [*(stack.directory / "logs").glob("*.log"), stack.directory / "redis.conf"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_part_that_died_is_seen_and_started_again(stack: Stack) -> None:
    victim = stack.pids()["coordinator-2"]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not is_running(victim), within=10, what="the coordinator is gone")
    assert stack.states()["coordinator-2"] == "died"
    assert stack.run("status", "--check").returncode == 1
    others = {name: pid for name, pid in stack.pids().items() if name != "coordinator-2"}
    stack.up()
    pids = stack.pids()
    assert pids.pop("coordinator-2") != victim
    assert pids == others
    assert stack.states()["coordinator-2"] == "ready"


def test_down_leaves_no_process_and_keeps_the_jobs(own_stack: Stack) -> None:
    own_stack.up()
    job = own_stack.api.submit("kept", delay_seconds=3600)
    started = set(own_stack.pids().values())
    assert started <= own_stack.processes()

    own_stack.down()
    assert own_stack.processes() == set()
    assert not any(is_running(pid) for pid in started)
    assert set(own_stack.states().values()) <= {"stopped", "not installed"}

    own_stack.up()
    assert own_stack.api.job(job["id"])["state"] == "scheduled"
    own_stack.down("--purge")
    assert own_stack.processes() == set()
    assert not own_stack.directory.exists()


@pytest.mark.parametrize("variable", ["STINT_STACK_API_PORT", "STINT_STACK_POSTGRES_PORT"])
def test_a_port_in_use_is_named_and_nothing_is_started(own_stack: Stack, variable: str) -> None:
    with socket.create_server((HOST, 0)) as stranger:
        taken = stranger.getsockname()[1]
        others = unused_ports(len(PORT_VARIABLES))
        ports = {name: str(port) for name, port in zip(PORT_VARIABLES, others, strict=True)}
        ended = own_stack.run("up", **{**ports, variable: str(taken)})
    assert ended.returncode == 1
    assert str(taken) in ended.stderr
    assert variable in ended.stderr
    assert own_stack.processes() == set()


def test_a_start_that_fails_is_undone(own_stack: Stack) -> None:
    broken = own_stack.directory.parent / "broken"
    broken.write_text('#!/bin/sh\n[ "$1" = migrate ] || { echo "cannot work today"; exit 3; }\n')
    broken.chmod(0o755)
    ended = own_stack.run("up", "--free-ports", within=UP_WITHIN, STINT_BINARY=str(broken))
    assert ended.returncode == 1
    assert "coordinator-1 ended while starting" in ended.stderr
    assert "cannot work today" in ended.stderr
    assert own_stack.processes() == set()


def test_a_stale_file_never_ends_a_stranger(own_stack: Stack) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        run = own_stack.directory / "run"
        run.mkdir(parents=True, exist_ok=True)
        (own_stack.directory / "secrets.env").touch()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        stale = {"pid": stranger.pid, "ticks": 1, "boot": boot}
        (run / "redis.json").write_text(json.dumps(stale))
        (run / "postgres.json").write_text(json.dumps({**stale, "boot": "another boot"}))
        (run / "worker-1.json").write_text("not even JSON")
        own_stack.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_token_in_the_private_file_is_asked_for_and_shown_everywhere(own_stack: Stack) -> None:
    own_stack.directory.mkdir()
    (own_stack.directory / "secrets.env").write_text("STINT_TOKEN=a-token-of-the-stack-tests\n")
    command = example_of(own_stack.up())
    assert "a-token-of-the-stack-tests" not in command
    own_stack.api.get("/v1/stats").problem(401)
    sent = subprocess.run(["bash", "-c", f"{command} --silent --fail"], capture_output=True, text=True, timeout=30)
    assert sent.returncode == 0, sent.stderr
    api = ApiClient(own_stack.ports["api"], "a-token-of-the-stack-tests")
    api.job_in_state(json.loads(sent.stdout)["job_id"], "completed", within=30)
    coordinators_are_read(own_stack)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_data_lies_elsewhere_when_the_user_of_postgresql_cannot_reach_the_stack(own_stack: Stack) -> None:
    own_stack.directory.parent.chmod(0o700)
    elsewhere = Path("/var/lib/stint-stack")
    before = set(elsewhere.glob("*"))
    own_stack.up()
    assert own_stack.states()["postgres"] == "ready"
    made = set(elsewhere.glob("*")) - before
    assert len(made) == 1
    own_stack.down("--purge")
    assert not made & set(elsewhere.glob("*"))


def unused_ports(count: int) -> list[int]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
