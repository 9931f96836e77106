# SPDX-License-Identifier: Apache-2.0
"""Fixtures. Tests of one file share a server where no test needs one of its own; each has a queue of its own.

The promises of the API are kept whatever the record is: the files in `ON_EVERY_RECORD` run twice, embedded and against
a submitter and a coordinator on PostgreSQL and Redis. `--record` runs one of the two only.
"""

import itertools
import signal
from collections.abc import Iterator

import pytest

from api_client import ApiClient
from fleet import SplitServer
from private_servers import PrivatePostgres
from stint_process import Launcher, Server

EMBEDDED = "embedded"
FLEET = "fleet"
ON_EVERY_RECORD = {
    "test_durability",
    "test_fairness",
    "test_grants",
    "test_idempotency",
    "test_jobs_api",
    "test_malformed_input",
    "test_operations_api",
    "test_payload_fidelity",
    "test_retries",
    "test_sample_worker",
    "test_worker_death",
}
OPEN_LAUNCHERS = pytest.StashKey[list[Launcher]]()
_queue_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", choices=[EMBEDDED, FLEET], help="only what runs on this record")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "record" in metafunc.fixturenames and metafunc.module.__name__ in ON_EVERY_RECORD:
        only_here = metafunc.definition.get_closest_marker("embedded")
        records = [EMBEDDED] if only_here else [EMBEDDED, FLEET]
        metafunc.parametrize("record", records, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--record")
    if wanted is None:
        return
    chosen = [item for item in items if record_of(item) == wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def record_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "record" in callspec.params:
        return callspec.params["record"]
    return FLEET if item.path.stem.startswith("test_fleet") else EMBEDDED


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


@pytest.fixture(scope="module")
def record(request: pytest.FixtureRequest) -> str:
    """What the servers of a test stand on."""
    return getattr(request, "param", EMBEDDED)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """One for all tests that do it no harm; each takes databases of its own."""
    server = PrivatePostgres()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def own_postgres(launcher: Launcher) -> PrivatePostgres:
    """For a test that stops it."""
    server = PrivatePostgres()
    launcher.accompany(server)
    return server


def opened(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    launchers = request.config.stash[OPEN_LAUNCHERS]
    with launcher_on(request) as launcher:
        launchers.append(launcher)
        try:
            yield launcher
        finally:
            launchers.remove(launcher)


def launcher_on(request: pytest.FixtureRequest) -> Launcher:
    """One that makes servers on the record that the test is to run on."""
    if request.getfixturevalue("record") == EMBEDDED:
        return Launcher()
    postgres = request.getfixturevalue("postgres")
    return Launcher(lambda launcher, settings, arguments, _: SplitServer(postgres, launcher, settings, arguments))


@pytest.fixture
def launcher(request: pytest.FixtureRequest, record: str) -> Iterator[Launcher]:
    """For a test that needs processes of its own."""
    yield from opened(request)


@pytest.fixture(scope="module")
def module_launcher(request: pytest.FixtureRequest, record: str) -> Iterator[Launcher]:
    """For processes that all tests of a file share."""
    yield from opened(request)


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
