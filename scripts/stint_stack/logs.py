# SPDX-License-Identifier: Apache-2.0
"""Follows the logs of all parts at once, each line with the name of its part."""

import os
import pathlib
import sys
import time
from typing import IO

LAST_LINES = 10
LOOK_EVERY = 0.3


class Follower:
    """One log. It may not be there yet, and may be replaced while it is followed."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._rest = ""

    def last(self, count: int) -> list[str]:
        """The last lines that are there; following goes on from them."""
        return self.fresh()[-count:]

    def fresh(self) -> list[str]:
        """The lines written since the last look."""
        lines = self._read()
        if self._was_replaced():
            self._file.close()
            self._file = None
            lines += self._read()
        return lines

    def _read(self) -> list[str]:
        if self._file is None:
            try:
                self._file = self.path.open(errors="replace")
            except FileNotFoundError:
                return []
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        return lines

    def _was_replaced(self) -> bool:
        if self._file is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False  # being replaced: the next look finds the new one


def follow(directory: pathlib.Path, names: list[str], *, forever: bool, count: int = LAST_LINES) -> None:
    """Prints the last lines of each log, then what is added, until interrupted."""
    followers = [(name, Follower(directory / f"{name}.log")) for name in names]
    width = max(map(len, names))
    for name, follower in followers:
        show(name, width, follower.last(count))
    while forever:
        time.sleep(LOOK_EVERY)
        for name, follower in followers:
            show(name, width, follower.fresh())


def show(name: str, width: int, lines: list[str]) -> None:
    for line in lines:
        print(f"{name:{width}} | {line}")
    sys.stdout.flush()
