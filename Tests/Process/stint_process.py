# SPDX-License-Identifier: Apache-2.0
"""Starts, watches and ends the real binary. Whatever a test starts is gone when its launcher is closed."""

import collections
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol

from api_client import HOST, ApiClient
from waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
READY_WITHIN = 30.0
DRAIN_SECONDS = 5.0
EXIT_SLACK_SECONDS = 3.0
OUTPUT_LINES_KEPT = 5_000
TRANSCRIPT_LENGTH = 4_000
# Below the range from which the system picks ports for outgoing connections, which could take a stopped server's port.
RESTARTABLE_PORTS = range(18_000, 30_000)
# Every child, and what it starts in turn, carries this variable with the mark of its launcher.
MARK_VARIABLE = "PROCESS_TEST_LAUNCHER"

Settings = dict[str, str]


def binary() -> Path:
    """The binary under test. A missing one is a failure, never a skip."""
    path = Path(os.environ.get("STINT_BINARY") or REPOSITORY / ".build" / "debug" / "stint").absolute()
    assert os.access(path, os.X_OK), f"there is no binary at {path}: run `swift build`, or set STINT_BINARY"
    return path


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def unused_port() -> int:
    """A port that is free now and that the system gives to nobody else by itself."""
    for port in random.sample(RESTARTABLE_PORTS, k=200):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port among 200 of {RESTARTABLE_PORTS}")


class Output:
    """The lines a process has written to one pipe."""

    def __init__(self, pipe: IO[str]) -> None:
        self._lines: collections.deque[str] = collections.deque(maxlen=OUTPUT_LINES_KEPT)
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    @property
    def text(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    def line(self, pattern: str, *, within: float) -> re.Match[str]:
        """The first line that matches as a whole; fails when the pipe ends or the time is over."""
        expression = re.compile(pattern)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._match(expression), timeout=within)
            match = self._match(expression)
            assert match, f"no line {pattern!r} within {within} s, only:\n" + "\n".join(self._lines)
            return match

    def _match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        return next((match for match in map(expression.fullmatch, self._lines) if match), None)

    def _read(self, pipe: IO[str]) -> None:
        for line in pipe:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class StintProcess:
    """One running `stint`, leader of a process group of its own."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.title = " ".join(["stint", *arguments])
        self._popen = subprocess.Popen(
            [binary(), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        )
        assert self._popen.stdout and self._popen.stderr
        self.stdout = Output(self._popen.stdout)
        self.stderr = Output(self._popen.stderr)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def exited(self, *, within: float) -> int:
        """Its exit code once it has ended."""
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"`{self.title}` did not end within {within} s") from None

    def kill9(self) -> None:
        self.signal(signal.SIGKILL)
        self.exited(within=10)

    def kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # all of the group has ended, which is what is wanted
        self.exited(within=10)


class Server:
    """`stint serve` on one data directory; the ports of the first start are kept over restarts."""

    def __init__(self, launcher: "Launcher", settings: Settings, arguments: Sequence[str], restartable: bool) -> None:
        self._launcher = launcher
        self._arguments = tuple(arguments)
        self.settings = {"STINT_DRAIN_SECONDS": str(DRAIN_SECONDS), **settings}
        self.data_dir = launcher.directory("data")
        self._ports = (unused_port(), unused_port()) if restartable else (0, 0)
        self.process: StintProcess | None = None
        self.start()

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def coordinator_url(self) -> str:
        return f"http://{HOST}:{self._ports[1]}"

    @property
    def running(self) -> StintProcess:
        assert self.process is not None, "the server is stopped"
        return self.process

    @property
    def is_alive(self) -> bool:
        return self.running.exit_code is None

    def start(self) -> None:
        api_port, coordinator_port = self._ports
        self.process = self._launcher.spawn(
            ["serve", "--data-dir", str(self.data_dir), "--api-port", str(api_port)]
            + ["--coordinator-port", str(coordinator_port), *self._arguments],
            self.settings,
        )
        self._ports = self._listening("api"), self._listening("coordinator")
        self.running.stdout.line("ready", within=READY_WITHIN)
        token = self.settings.get("STINT_TOKEN")
        self.api = ApiClient(self._ports[0], token)
        self.coordinator = ApiClient(self._ports[1], token)

    def begin_stop(self) -> None:
        self.running.signal(signal.SIGTERM)

    def finish_stop(self) -> None:
        """Waits for the end of a server that was told to stop: within its drain time, with exit code 0."""
        process = self.running
        self.process = None
        code = process.exited(within=DRAIN_SECONDS + EXIT_SLACK_SECONDS)
        assert code == 0, f"`{process.title}` ended with {code}:\n{process.stderr.text[-TRANSCRIPT_LENGTH:]}"

    def stop(self) -> None:
        process = self.running
        assert process.exit_code is None, f"the server died by itself:\n{process.stderr.text[-TRANSCRIPT_LENGTH:]}"
        self.begin_stop()
        self.finish_stop()

    def kill9(self) -> None:
        self.running.kill9()
        self.process = None

    def close(self) -> None:
        """One that still runs must stop as it should."""
        if self.process is not None:
            self.stop()

    def restart(self) -> None:
        """On the same data and ports."""
        self.stop()
        self.start()

    def restart_after_kill9(self) -> None:
        self.kill9()
        self.start()

    def record_file(self) -> Path:
        files = list(self.data_dir.glob("*.sqlite"))
        assert len(files) == 1, f"expected one .sqlite file in the data directory, found {files}"
        return files[0]

    def memory_bytes(self) -> int:
        """What the process has resident."""
        status = Path(f"/proc/{self.running.pid}/status").read_text()
        kilobytes = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert kilobytes, "the system does not tell VmRSS"
        return int(kilobytes[1]) * 1024

    def _listening(self, listener: str) -> int:
        line = rf"listening {listener}=http://{re.escape(HOST)}:(\d+)"
        return int(self.running.stdout.line(line, within=READY_WITHIN)[1])


class SwiftWorker:
    """`stint worker`, the real one."""

    def __init__(self, process: StintProcess, server: Server, known: set[str]) -> None:
        self.process = process
        self._server = server
        self._known = known
        self.session_id = self.await_new_session()

    def await_new_session(self, *, within: float = 15) -> str:
        """The id of a live session that was not there before; waits until it is."""

        def newcomer() -> str | None:
            ids = {worker["worker_id"] for worker in self._server.api.live_workers()} - self._known
            return next(iter(ids), None)

        session = eventually(newcomer, within=within, what="the worker registered")
        self._known = self._known | {session}
        return session

    def ignore_session(self, session_id: str) -> None:
        """Another worker's: never taken for a new session of this one."""
        self._known = self._known | {session_id}

    def freeze(self) -> None:
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.signal(signal.SIGCONT)

    def kill9(self) -> None:
        self.process.kill9()

    def stop(self, *, within: float) -> None:
        self.process.signal(signal.SIGTERM)
        code = self.process.exited(within=within)
        assert code == 0, f"the worker ended with {code}:\n{self.process.stderr.text[-TRANSCRIPT_LENGTH:]}"


class Closable(Protocol):
    """What a launcher closes at the end."""

    def close(self) -> None: ...


class Companion(Closable, Protocol):
    """A program that is not ours, which our processes need for as long as they run."""

    def transcript(self) -> tuple[str, str]: ...


ServerMaker = Callable[["Launcher", Settings, Sequence[str], bool], Server]


class Launcher:
    """Starts processes and answers for their end. `make_server` decides on which record its servers stand."""

    def __init__(self, make_server: ServerMaker = Server) -> None:
        self._make_server = make_server
        self._mark = uuid.uuid4().hex
        self._root = Path(tempfile.mkdtemp(prefix="stint-process-"))
        self._processes: list[StintProcess] = []
        self._servers: list[Closable] = []
        self._companions: list[Companion] = []

    def __enter__(self) -> "Launcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def directory(self, name: str) -> Path:
        """A new directory that is removed at the end."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._root))

    def environment(self, settings: Settings) -> dict[str, str]:
        """Nothing of Stint's own settings is inherited."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("STINT_")}
        return {**inherited, MARK_VARIABLE: self._mark, **settings}

    def spawn(self, arguments: Sequence[str], settings: Settings) -> StintProcess:
        process = StintProcess(arguments, self.environment(settings))
        self._processes.append(process)
        return process

    def run(
        self, arguments: Sequence[str], settings: Settings, *, within: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Runs `stint` to its end."""
        return self.run_program([str(binary()), *arguments], settings, within=within)

    def run_program(
        self, command: Sequence[str], settings: Settings, *, within: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs any program to its end."""
        return subprocess.run(
            command,
            env=self.environment(settings),
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            start_new_session=True,
        )

    def server(
        self, settings: Settings | None = None, *, arguments: Sequence[str] = (), restartable: bool = False
    ) -> Server:
        """`restartable`: picks ports that nobody takes while the server is down."""
        server = self._make_server(self, settings or {}, arguments, restartable)
        self.keep(server)
        return server

    def keep(self, server: Closable) -> None:
        """Closes it at the end, before anything is killed."""
        self._servers.append(server)

    def accompany(self, companion: Companion) -> None:
        """Closes it at the end, after all else."""
        self._companions.append(companion)

    def exec_worker(
        self, server: Server, commands: dict[str, str], *, concurrency: int = 8, settings: Settings | None = None
    ) -> SwiftWorker:
        """`stint worker --exec`: a shell command for each job name."""
        handlers = [part for name, command in commands.items() for part in ("--exec", f"{name}={command}")]
        return self._worker(server, [*handlers, "--concurrency", str(concurrency)], settings or {})

    def sample_worker(self, server: Server, *, time_scale: float) -> SwiftWorker:
        return self._worker(server, ["--sample", "--time-scale", str(time_scale)], {})

    def _worker(self, server: Server, arguments: Sequence[str], settings: Settings) -> SwiftWorker:
        known = {worker["worker_id"] for worker in server.api.live_workers()}
        shown = {key: value for key, value in server.settings.items() if key == "STINT_TOKEN"}
        urls = {"STINT_COORDINATOR_URLS": server.coordinator_url}
        process = self.spawn(["worker", *arguments], {**urls, **shown, **settings})
        return SwiftWorker(process, server, known)

    def transcripts(self) -> list[tuple[str, str]]:
        """What each process has written, for the report of a failed test."""
        return [
            (
                f"`{process.title}` ({process.pid})",
                f"{process.stdout.text[-TRANSCRIPT_LENGTH:]}\n--- stderr\n{process.stderr.text[-TRANSCRIPT_LENGTH:]}",
            )
            for process in self._processes
        ] + [companion.transcript() for companion in self._companions]

    def close(self) -> None:
        """Servers that still run must stop as they should; then everything is ended whatever happened."""
        try:
            for server in self._servers:
                server.close()
        finally:
            self._end_everything()
            for companion in self._companions:
                companion.close()

    def _end_everything(self) -> None:
        for process in self._processes:
            process.kill_group()
        for pid in self._marked_processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself meanwhile
        shutil.rmtree(self._root, ignore_errors=True)

    def _marked_processes(self) -> list[int]:
        """Grandchildren that outlived their worker in a group of their own."""
        mark = f"{MARK_VARIABLE}={self._mark}".encode()
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if mark in environment_of(entry)]


def environment_of(process_entry: Path) -> list[bytes]:
    """The environment of a process in /proc, empty when it has ended or is not ours to read."""
    try:
        return (process_entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
