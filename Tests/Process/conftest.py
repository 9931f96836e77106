# SPDX-License-Identifier: Apache-2.0
"""Fixtures. Tests of one file share a server where no test needs one of its own; each has a queue of its own."""

import itertools
import signal
from collections.abc import Iterator

import pytest

from api_client import ApiClient
from stint_process import Launcher, Server

OPEN_LAUNCHERS = pytest.StashKey[list[Launcher]]()
_queue_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OPEN_LAUNCHERS] = []
    # Told to end, the run still tears its fixtures down, and with them every process.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("told to end", returncode=143))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.failed:
        for launcher in item.config.stash[OPEN_LAUNCHERS]:
            report.sections.extend(launcher.transcripts())
    return report


def opened(config: pytest.Config) -> Iterator[Launcher]:
    launchers = config.stash[OPEN_LAUNCHERS]
    with Launcher() as launcher:
        launchers.append(launcher)
        try:
            yield launcher
        finally:
            launchers.remove(launcher)


@pytest.fixture
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """For a test that needs processes of its own."""
    yield from opened(request.config)


@pytest.fixture(scope="module")
def module_launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """For processes that all tests of a file share."""
    yield from opened(request.config)


@pytest.fixture(scope="module")
def server(module_launcher: Launcher) -> Server:
    """A server that all tests of a file share. Its sweep is short, its lease is not."""
    return module_launcher.server({"STINT_SWEEP_SECONDS": "0.5"})


@pytest.fixture
def api(server: Server) -> ApiClient:
    return server.api


@pytest.fixture
def queue() -> str:
    """A queue that no other test uses."""
    return f"queue-{next(_queue_numbers)}"
