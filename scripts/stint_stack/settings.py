# SPDX-License-Identifier: Apache-2.0
"""Where the stack lives, which ports it takes, and its passwords."""

import dataclasses
import json
import os
import pathlib
import secrets
import socket
from collections.abc import Mapping

from . import StackError

HOST = "127.0.0.1"
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"

# Each port: what it is called here, the variable that changes it, its default.
PORTS = {
    "api": ("STINT_STACK_API_PORT", 8000),
    "coordinator-1": ("STINT_STACK_COORDINATOR_PORT", 9000),
    "coordinator-2": ("STINT_STACK_COORDINATOR_2_PORT", 9001),
    "postgres": ("STINT_STACK_POSTGRES_PORT", 5432),
    "redis": ("STINT_STACK_REDIS_PORT", 6379),
    "prometheus": ("STINT_STACK_PROMETHEUS_PORT", 9090),
    "grafana": ("STINT_STACK_GRAFANA_PORT", 3000),
}
PASSWORDS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_ADMIN_PASSWORD")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line and the environment say."""

    directory: pathlib.Path
    binary: pathlib.Path
    free_ports: bool
    wait_seconds: float
    drain_seconds: float

    @property
    def ports_file(self) -> pathlib.Path:
        return self.directory / "ports.json"

    @property
    def secrets_file(self) -> pathlib.Path:
        return self.directory / "secrets.env"

    def prepare_directory(self) -> None:
        """Makes it. Others may pass through it, for PostgreSQL may run as another user, but not look around."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711)


def configured_ports(variables: Mapping[str, str] = {}) -> dict[str, int]:
    """The documented ports, changed by the environment, or else by these variables."""
    ports: dict[str, int] = {}
    for name, (variable, default) in PORTS.items():
        text = os.environ.get(variable) or variables.get(variable) or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= 65_535:
            raise StackError(f"{variable} is {text!r}; a port is a number from 1 to 65535.")
        if int(text) in ports.values():
            raise StackError(f"{variable} is {text}, which another part of the stack takes already.")
        ports[name] = int(text)
    return ports


def unused_ports() -> dict[str, int]:
    """Ports that are free now, all different."""
    sockets = {name: socket.socket() for name in PORTS}
    try:
        for each in sockets.values():
            each.bind((HOST, 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}
    finally:
        for each in sockets.values():
            each.close()


def stored_ports(settings: Settings) -> dict[str, int] | None:
    """The ports of the stack as it was started last."""
    try:
        return json.loads(settings.ports_file.read_text())
    except FileNotFoundError:
        return None


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A port whose last connections are still in TIME_WAIT can be listened to, and servers do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def read_variables(path: pathlib.Path) -> dict[str, str]:
    """The NAME=value lines of a file."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write_privately(path: pathlib.Path, text: str, mode: int = 0o600) -> None:
    """Replaces a file so that nobody else can read it at any moment, and a crash leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    draft.replace(path)


def ensure_passwords(path: pathlib.Path, example: str = "") -> dict[str, str]:
    """The passwords in a file of variables; those that are missing are made up and written. A token may be added."""
    variables = read_variables(path)
    missing = {name: secrets.token_hex(16) for name in PASSWORDS if not variables.get(name)}
    if missing:
        lines = (path.read_text() if path.exists() else example).splitlines()
        kept = [line for line in lines if line.partition("=")[0].strip() not in missing]
        write_privately(path, "\n".join([*kept, *(f"{name}={value}" for name, value in missing.items()), ""]))
    return read_variables(path)
