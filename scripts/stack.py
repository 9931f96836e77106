#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The distributed stack on this machine: up, down, status, logs.

Runs it with Docker Compose where an engine answers, else the same parts as local processes. See docs/deploying.md.
"""

import argparse
import os
import pathlib
import signal
import sys

from stint_stack import StackError
from stint_stack.containers import ContainerStack, engine_answers
from stint_stack.logs import follow
from stint_stack.native import NativeStack, all_ready, status
from stint_stack.parts import Topology
from stint_stack.settings import HOST, REPOSITORY, Settings


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stack.py", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "logs", "mode"])
    parser.add_argument(
        "--mode",
        choices=["auto", "compose", "native"],
        default=os.environ.get("STINT_STACK_MODE") or "auto",
        help="containers or local processes; auto: containers where a Docker engine answers (STINT_STACK_MODE)",
    )
    parser.add_argument("--dir", type=pathlib.Path, help="where the local processes keep their data (STINT_STACK_DIR)")
    parser.add_argument("--binary", type=pathlib.Path, help="the stint of the local processes (STINT_BINARY)")
    parser.add_argument("--free-ports", action="store_true", help="local processes take any ports that are free")
    parser.add_argument("--wait-seconds", type=float, default=120, help="how long up waits until all is ready")
    parser.add_argument("--purge", action="store_true", help="down: delete the data too")
    parser.add_argument("--check", action="store_true", help="status: end with 1 unless every part is ready")
    parser.add_argument("--no-follow", action="store_true", help="logs: print what is there and end")
    return parser.parse_args(arguments)


def settings_from(options: argparse.Namespace) -> Settings:
    directory = options.dir or os.environ.get("STINT_STACK_DIR") or REPOSITORY / "var/stack"
    binary = options.binary or os.environ.get("STINT_BINARY") or REPOSITORY / ".build/release/stint"
    try:
        drain = float(os.environ.get("STINT_DRAIN_SECONDS") or 25)
    except ValueError:
        raise StackError(f"STINT_DRAIN_SECONDS is {os.environ['STINT_DRAIN_SECONDS']!r}, which is no number.") from None
    return Settings(
        directory=pathlib.Path(directory).absolute(),
        binary=pathlib.Path(binary).absolute(),
        free_ports=options.free_ports,
        wait_seconds=options.wait_seconds,
        drain_seconds=drain,
    )


class Tool:
    """The commands, for whichever of the two runs."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._native = NativeStack(settings_from(options))
        self._containers = ContainerStack(options.wait_seconds)

    def run(self) -> int:
        return getattr(self, self._options.command)()

    def mode(self) -> int:
        """Prints which of the two it is, for the Makefile."""
        print("compose" if self._uses_containers() else "native")
        return 0

    def up(self) -> int:
        if self._uses_containers():
            ports, token, where = self._containers.up(), self._containers.token(), "deploy/.env"
            names = {name: f"http://{HOST}:{port}" for name, port in ports.items() if name not in ("postgres", "redis")}
        else:
            topology = self._native.up()
            ports, token, where = topology.ports, topology.token, str(topology.settings.secrets_file)
            names = {part.name: topology.address(part) for part in topology.parts if part.port and not part.absent}
            names = {name: address for name, address in names.items() if address.startswith("http")}
        print("\nThe stack is ready.")
        for name, address in names.items():
            print(f"  {'submitter' if name == 'api' else name:14} {address}")
        print(f"  {'passwords':14} {where}\n\nTry:\n  {example(ports['api'], token, where)}")
        return 0

    def down(self) -> int:
        containers = self._uses_containers()
        if containers and self._containers.exists:
            if self._options.purge:
                self._containers.purge()
            else:
                self._containers.down()
        # Local processes may be left from a time when no engine answered.
        if not self._native.down():
            raise StackError("not every process has ended.")
        if self._options.purge:
            self._native.purge()
        print("The stack is down." + ("" if self._options.purge else " Its data is kept; PURGE=1 deletes it."))
        return 0

    def status(self) -> int:
        if self._uses_containers():
            if not self._containers.exists:
                print("The stack was never started: make up starts it.")
                return 1 if self._options.check else 0
            self._containers.status()
            return 1 if self._options.check and not self._containers.is_ready() else 0
        topology = self._native.topology()
        if topology is None:
            print("The stack was never started: make up starts it.")
            return 1 if self._options.check else 0
        rows = status(topology)
        table = [("PART", "STATE", "PID", "ADDRESS"), *rows]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        for row in table:
            print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        return 1 if self._options.check and not all_ready(rows) else 0

    def logs(self) -> int:
        forever = not self._options.no_follow
        if self._uses_containers():
            self._containers.logs(forever=forever)
            return 0
        topology = self._native.topology()
        if topology is None:
            raise StackError("the stack was never started: make up starts it.")
        follow(topology.log("x").parent, names_of_logs(topology), forever=forever)
        return 0

    def _uses_containers(self) -> bool:
        """What runs already stays what it is."""
        if self._options.mode != "auto":
            return self._options.mode == "compose"
        return not self._native.is_running() and engine_answers()


def names_of_logs(topology: Topology) -> list[str]:
    return ["migrate", *(part.name for part in topology.parts if not part.absent)]


def example(port: int, token: str, where: str) -> str:
    """A first job, as curl sends it. The token stays in its file."""
    shown = f""" -H "Authorization: Bearer $(sed -n 's/^STINT_TOKEN=//p' {where})\"""" if token else ""
    body = """'{"name": "cpu_intensive", "payload": "test task"}'"""
    return f'curl -X POST http://{HOST}:{port}/submit_job{shown} -H "Content-Type: application/json" -d {body}'


def end_at_once(*_: object) -> None:
    """Told to end, `up` still stops what it started."""
    sys.exit(128 + signal.SIGTERM)


def main() -> int:
    signal.signal(signal.SIGTERM, end_at_once)
    try:
        return Tool(parse(sys.argv[1:])).run()
    except StackError as error:
        print(f"stint: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read what we print has seen enough (`make logs | head`); nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
