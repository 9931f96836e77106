# SPDX-License-Identifier: Apache-2.0
"""Bounded waits on conditions: nothing in this suite sleeps and hopes."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

Value = TypeVar("Value")

LOOK_EVERY = 0.02


def eventually(predicate: Callable[[], Value], *, within: float, what: str) -> Value:
    """The first truthy answer of `predicate`; an assertion error naming `what` once `within` seconds are over."""
    deadline = time.monotonic() + within
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within} s: {what} (last seen: {value!r})"
        time.sleep(LOOK_EVERY)  # between two looks; the deadline bounds them


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


def instant(text: str) -> float:
    """An RFC 3339 time of the server as seconds since 1970."""
    assert text.endswith("Z"), f"times are UTC with a Z, this is {text!r}"
    return datetime.fromisoformat(text).timestamp()
