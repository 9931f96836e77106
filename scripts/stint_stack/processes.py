# SPDX-License-Identifier: Apache-2.0
"""Local processes that are known by a file each, and ended by their id only.

A process id is used again by the system sooner or later. So a file holds, beside the id, the moment the process was
started (in the kernel's ticks) and the boot it belongs to; a process that differs in either is a stranger. Signals go
through a pidfd that is opened before the comparison, so that the process cannot be exchanged in between.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import pwd
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from .settings import write_privately

BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id")


def ticks_at_start(pid: int) -> int | None:
    """When the process was started, or None where there is none or only a zombie of it."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


@dataclasses.dataclass(frozen=True)
class ProcessFile:
    """The file that knows one process."""

    path: pathlib.Path

    def pid(self) -> int | None:
        """The id of the process, when it is the one that was started and it still runs."""
        try:
            known = json.loads(self.path.read_text())
            pid, ticks, boot = known["pid"], known["ticks"], known["boot"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        # No ticks: it had ended before they could be read.
        same = ticks is not None and ticks_at_start(pid) == ticks and boot == BOOT.read_text().strip()
        return pid if same else None

    def remember(self, pid: int) -> None:
        """Writes down a process that runs."""
        known = {"pid": pid, "ticks": ticks_at_start(pid), "boot": BOOT.read_text().strip()}
        write_privately(self.path, json.dumps(known) + "\n")

    def was_started(self) -> bool:
        """Whether a process was started and never stopped by us: if it does not run, it died."""
        return self.path.exists()

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def stop(self, number: signal.Signals, *, within: float) -> str | None:
        """Ends the process: a word on how it went, None when there was nothing to end."""
        with self._opened() as descriptor:
            if descriptor is None:
                self.forget()
                return None
            signal.pidfd_send_signal(descriptor, number)
            how = "stopped"
            if not ended(descriptor, within):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                how = f"killed after {within:g} s"
                if not ended(descriptor, 10):
                    return "does not end"
        self.forget()
        return how

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        """A pidfd of the process, None when it does not run."""
        pid = self.pid()
        try:
            descriptor = os.pidfd_open(pid) if pid is not None else None
        except ProcessLookupError:
            descriptor = None
        try:
            # The second look: what the descriptor stands for now is the process of the file.
            yield descriptor if self.pid() is not None else None
        finally:
            if descriptor is not None:
                os.close(descriptor)


def ended(descriptor: int, within: float) -> bool:
    """Whether the process of a pidfd has ended, or does so in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(within * 1000))


@dataclasses.dataclass(frozen=True)
class Start:
    """How a process is started."""

    command: Sequence[str]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    user: str | None = None
    directory: pathlib.Path | None = None


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Nothing of Stint's or PostgreSQL's settings is inherited: the stack is what this tool says."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("STINT_", "PG", "GF_"))}
    return {**mine, **extra}


def start(what: Start, file: ProcessFile, log: pathlib.Path) -> subprocess.Popen[bytes]:
    """Starts a process that outlives this one: in a session of its own, its output appended to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
        child = subprocess.Popen(
            what.command,
            env=clean_environment(what.environment),
            cwd=what.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **identity(what.user),
        )
    file.remember(child.pid)
    return child


def identity(user: str | None) -> dict:
    """The arguments of Popen that make a process another user's."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
