# SPDX-License-Identifier: Apache-2.0
"""The stack as local processes: up, down, status."""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import json
import shutil
import subprocess
import time
from collections.abc import Iterator

from . import StackError
from .parts import Part, Topology, variable_of
from .processes import Start, clean_environment, start
from .readiness import wait_until
from .settings import (
    Settings,
    configured_ports,
    ensure_passwords,
    is_free,
    stored_ports,
    unused_ports,
    write_privately,
)

LOG_LINES_SHOWN = 15
LOG_BYTES_KEPT = 10_000_000


class NativeStack:
    """The parts as processes of this machine, known by the files in one directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def exists(self) -> bool:
        return self.settings.secrets_file.exists()

    def up(self) -> Topology:
        """Starts what does not run, in order, and waits until all is ready; on failure stops what it started."""
        self.settings.prepare_directory()
        with self._alone():
            topology = self._topology(starting=True)
            self._check_ports(topology)
            write_privately(self.settings.ports_file, json.dumps(topology.ports) + "\n")
            started: list[Part] = []
            try:
                self._start_all(topology, started)
            except BaseException:
                print("Stopping what was started.")
                for part in reversed(started):
                    topology.file(part).stop(part.stop_signal, within=part.stop_seconds)
                raise
            return topology

    def down(self) -> bool:
        """Stops every part that runs. True when all have ended."""
        if not self.exists:
            return True
        with self._alone():
            topology = self._topology()
            stopped = [self._stop_group(topology, group) for group in topology.stop_groups]
            return all(stopped)

    def purge(self) -> None:
        """Deletes the data, the logs and the passwords of a stack that is down."""
        if not self.exists:
            return
        with self._alone():
            topology = self._topology()
            if any(topology.file(part).pid() is not None for part in topology.parts):
                raise StackError("a part of the stack still runs; its data is kept.")
            topology.postgres.purge()
            shutil.rmtree(self.settings.directory)

    def topology(self) -> Topology | None:
        """The stack as it was started last."""
        return self._topology() if self.exists else None

    def is_running(self) -> bool:
        topology = self.topology()
        return topology is not None and any(topology.file(part).pid() is not None for part in topology.parts)

    def _topology(self, *, starting: bool = False) -> Topology:
        variables = ensure_passwords(self.settings.secrets_file)
        stored = stored_ports(self.settings)
        if stored is not None:
            topology = Topology(self.settings, stored, variables)
            if not starting or any(topology.file(part).pid() is not None for part in topology.parts):
                return topology
        ports = unused_ports() if self.settings.free_ports else configured_ports()
        return Topology(self.settings, ports, variables)

    def _check_ports(self, topology: Topology) -> None:
        for part in topology.parts:
            if part.port is None or part.absent or topology.file(part).pid() is not None:
                continue
            port = topology.ports[part.port]
            if not is_free(port):
                raise StackError(
                    f"port {port}, which {part.name} is to listen on, is in use by another program. "
                    f"Stop that program, or choose another port with {variable_of(part)}."
                )

    def _start_all(self, topology: Topology, started: list[Part]) -> None:
        deadline = time.monotonic() + self.settings.wait_seconds
        if topology.postgres.initialise():
            print(f"made a database in {topology.postgres.data}")
        # Prometheus and Grafana come last: what they look at is there then.
        self._start_group(topology, topology.stores, started, deadline)
        topology.postgres.create_database()
        self._migrate(topology, deadline)
        for group in (topology.servers, topology.workers, topology.metrics):
            self._start_group(topology, group, started, deadline)

    def _start_group(self, topology: Topology, group: list[Part], started: list[Part], deadline: float) -> None:
        """Starts the parts of a group together, then waits for each."""
        for part in group:
            if part.absent:
                print(f"{part.name:14} left out: {part.absent}")
            elif topology.file(part).pid() is None:
                rotate(topology.log(part.name))
                # Noted first: a start that is interrupted is undone as well.
                started.append(part)
                start(self._marked(part.start()), topology.file(part), topology.log(part.name))
        for part in group:
            if not part.absent:
                self._await_ready(topology, part, deadline)

    def _marked(self, what: Start) -> Start:
        """Every process tells by its environment which stack it is of."""
        mark = {"STINT_STACK_DIR": str(self.settings.directory)}
        return dataclasses.replace(what, environment={**what.environment, **mark})

    def _await_ready(self, topology: Topology, part: Part, deadline: float) -> None:
        def alive() -> bool:
            return topology.file(part).pid() is not None

        if wait_until(part.is_ready, deadline=deadline, alive=alive):
            print(f"{part.name:14} ready {topology.address(part)}".rstrip(), flush=True)
            return
        what = f"was not ready within {self.settings.wait_seconds:g} s" if alive() else "ended while starting"
        raise StackError(f"{part.name} {what}. The end of {topology.log(part.name)}:\n{tail(topology, part.name)}")

    def _migrate(self, topology: Topology, deadline: float) -> None:
        what = topology.migration()
        log = topology.log("migrate")
        with log.open("ab") as output:
            log.chmod(0o600)
            try:
                code = subprocess.run(
                    what.command,
                    env=clean_environment(what.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=max(1.0, deadline - time.monotonic()),
                ).returncode
            except subprocess.TimeoutExpired:
                raise StackError(f"stint migrate up did not end in time. See {log}.") from None
        if code != 0:
            raise StackError(f"stint migrate up ended with {code}. The end of {log}:\n{tail(topology, 'migrate')}")
        print(f"{'migrate':14} done")

    def _stop_group(self, topology: Topology, group: list[Part]) -> bool:
        """Stops the parts of a group at the same time."""

        def stop(part: Part) -> str | None:
            return topology.file(part).stop(part.stop_signal, within=part.stop_seconds)

        with concurrent.futures.ThreadPoolExecutor(len(group)) as pool:
            ends = list(zip(group, pool.map(stop, group), strict=True))
        for part, how in ends:
            if how:
                print(f"{part.name:14} {how}", flush=True)
        return all(how != "does not end" for _, how in ends)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` on a directory at a time; another one is told so. The lock goes with the process."""
        path = self.settings.directory.with_name(self.settings.directory.name + ".lock")
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(f"another command works on the stack in {self.settings.directory}.") from None
            yield


def status(topology: Topology) -> list[tuple[str, str, str, str]]:
    """A row for each part: its name, its state, its process id, its address."""
    rows = []
    for part in topology.parts:
        file = topology.file(part)
        pid = file.pid()
        if part.absent and pid is None:
            state = "not installed"
        elif pid is not None:
            state = "ready" if part.is_ready() else "not ready"
        else:
            state = "died" if file.was_started() else "stopped"
        rows.append((part.name, state, str(pid or "-"), topology.address(part) or "-"))
    return rows


def all_ready(rows: list[tuple[str, str, str, str]]) -> bool:
    return all(state in ("ready", "not installed") for _, state, _, _ in rows)


def tail(topology: Topology, name: str) -> str:
    log = topology.log(name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES_SHOWN:]) or "  (nothing)"


def rotate(log) -> None:
    """Keeps one older log when this one has grown; looked at when the part is started."""
    if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
        log.replace(log.with_suffix(".log.1"))
