# SPDX-License-Identifier: Apache-2.0
"""Submitters, coordinators and workers as processes of their own, on one PostgreSQL and, mostly, one Redis."""

import itertools
import signal
from collections.abc import Collection, Sequence
from typing import Any

from api_client import HOST, ApiClient, outcomes
from private_servers import PrivatePgBouncer, PrivatePostgres, PrivateRedis
from stint_process import (
    DRAIN_SECONDS,
    EXIT_SLACK_SECONDS,
    READY_WITHIN,
    TRANSCRIPT_LENGTH,
    Launcher,
    Settings,
    StintProcess,
    unused_port,
)

# All that can be short is: lease L, heartbeat, sweep S, fallback poll P, reconciliation R.
LEASE = 3.0
SWEEP = 0.5
POLL = 1.0
RECONCILE = 2.0
FAST: Settings = {
    "STINT_LEASE_SECONDS": str(LEASE),
    "STINT_HEARTBEAT_SECONDS": "1",
    "STINT_SWEEP_SECONDS": str(SWEEP),
    "STINT_FALLBACK_POLL_SECONDS": str(POLL),
    "STINT_RECONCILE_SECONDS": str(RECONCILE),
}
# A dead worker's jobs run again within L + S + P; two seconds are for a machine that runs all of a fleet on two cores.
RECOVERED_WITHIN = LEASE + SWEEP + POLL + 2
LISTENERS = {"submitter": "api", "coordinator": "coordinator"}
MIGRATED_WITHIN = 60.0


def stopped_cleanly(process: StintProcess, within: float) -> None:
    """Waits for the end of a process that was told to stop."""
    code = process.exited(within=within)
    assert code == 0, f"`{process.title}` ended with {code}:\n{process.stderr.text[-TRANSCRIPT_LENGTH:]}"


class Process:
    """A process of the fleet that can be ended, stopped where it is, and started again."""

    def __init__(self) -> None:
        self.process: StintProcess | None = None

    @property
    def running(self) -> StintProcess:
        assert self.process is not None, "it is stopped"
        return self.process

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.exit_code is None

    def kill9(self) -> None:
        self.running.kill9()
        self.process = None

    def freeze(self) -> None:
        self.running.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.running.signal(signal.SIGCONT)

    def begin_stop(self) -> None:
        self.running.signal(signal.SIGTERM)

    def finish_stop(self) -> None:
        process = self.running
        self.process = None
        stopped_cleanly(process, DRAIN_SECONDS + EXIT_SLACK_SECONDS)

    def stop(self) -> None:
        process = self.running
        assert process.exit_code is None, f"it died by itself:\n{process.stderr.text[-TRANSCRIPT_LENGTH:]}"
        self.begin_stop()
        self.finish_stop()


class Node(Process):
    """One `stint submitter` or `stint coordinator`, on a port that it keeps over restarts."""

    def __init__(self, launcher: Launcher, role: str, settings: Settings, *, arguments: Sequence[str] = ()) -> None:
        super().__init__()
        self._arguments = list(arguments)
        self.role = role
        self.settings = settings
        self._launcher = launcher
        self._port = unused_port()
        self._renew_client()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def begin_start(self) -> None:
        listener = LISTENERS[self.role]
        command = [self.role, f"--{listener}-port", str(self._port), *self._arguments]
        self.process = self._launcher.spawn(command, self.settings)

    def finish_start(self) -> None:
        line = f"listening {LISTENERS[self.role]}={self.url}"
        self.running.stdout.line(line, within=READY_WITHIN)
        self.running.stdout.line("ready", within=READY_WITHIN)
        self._renew_client()

    def start(self) -> None:
        self.begin_start()
        self.finish_start()

    def restart_after_kill9(self) -> None:
        self.kill9()
        self.start()

    def _renew_client(self) -> None:
        # A new one holds no connection to the process that was there before.
        self.client = ApiClient(self._port, self.settings.get("STINT_TOKEN"))


class Worker(Process):
    """One `stint worker` that knows all coordinators; each start has another name."""

    def __init__(self, launcher: Launcher, settings: Settings, title: str, arguments: Sequence[str]) -> None:
        super().__init__()
        self._launcher = launcher
        self._settings = settings
        self._title = title
        self._arguments = list(arguments)
        self._starts = itertools.count(1)
        self.start()

    def start(self) -> None:
        self.name = f"{self._title}.{next(self._starts)}"
        self.process = self._launcher.spawn(["worker", "--name", self.name, *self._arguments], self._settings)

    def restart_after_kill9(self) -> None:
        self.kill9()
        self.start()


class Seat:
    """What one client sees of a fleet: a submitter and a coordinator. Stands where a `Server` can stand."""

    def __init__(self, submitter: Node, coordinator: Node, coordinator_url: str | None = None) -> None:
        self._submitter = submitter
        self._coordinator = coordinator
        self.settings = coordinator.settings
        self.api_url = submitter.url
        self.coordinator_url = coordinator_url or coordinator.url

    @property
    def api(self) -> ApiClient:
        return self._submitter.client

    @property
    def coordinator(self) -> ApiClient:
        return self._coordinator.client


class RovingSeat:
    """Another submitter for each call; another coordinator whenever the client turns away from one, as workers do."""

    def __init__(self, fleet: "Fleet", first: int = 0) -> None:
        self._submitters = itertools.cycle([*fleet.submitters[first:], *fleet.submitters[:first]])
        self._coordinators = itertools.cycle([*fleet.coordinators[first:], *fleet.coordinators[:first]])
        self.settings = fleet.settings
        self.turn()

    def turn(self) -> None:
        self._coordinator = next(self._coordinators)

    @property
    def api(self) -> ApiClient:
        return next(self._submitters).client

    @property
    def coordinator(self) -> ApiClient:
        return self._coordinator.client


class Fleet:
    """A whole fleet on a new database, migrated and ready. It must stop as it should at the end."""

    def __init__(
        self,
        launcher: Launcher,
        postgres: PrivatePostgres,
        *,
        coordinators: int = 2,
        submitters: int = 1,
        redis: bool = True,
        pgbouncer: bool = False,
        database: str | None = None,
        settings: Settings | None = None,
        settings_of: dict[str, Settings] | None = None,
    ) -> None:
        """`settings_of`: what only one process has, by its name, such as `coordinator-1`."""
        self._launcher = launcher
        self.postgres = postgres
        self.database = database or postgres.create_database()
        self.redis = PrivateRedis() if redis else None
        if self.redis:
            launcher.accompany(self.redis)
        self.pgbouncer = PrivatePgBouncer(postgres) if pgbouncer else None
        if self.pgbouncer:
            launcher.accompany(self.pgbouncer)
        self.settings = {
            "STINT_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "STINT_DATABASE_URL": (self.pgbouncer or postgres).url(self.database),
            **({"STINT_REDIS_URL": self.redis.url} if self.redis else {}),
            **(settings or {}),
        }
        self.migrate()
        special = settings_of or {}
        self.submitters = self._nodes("submitter", submitters, special)
        self.coordinators = self._nodes("coordinator", coordinators, special)
        launcher.keep(self)
        for node in self.nodes:
            node.begin_start()
        for node in self.nodes:
            node.finish_start()

    @property
    def nodes(self) -> list[Node]:
        return [*self.submitters, *self.coordinators]

    @property
    def coordinator_urls(self) -> str:
        return ",".join(node.url for node in self.coordinators)

    def api(self, submitter: int = 0) -> ApiClient:
        return self.submitters[submitter].client

    def coordinator(self, coordinator: int = 0) -> ApiClient:
        return self.coordinators[coordinator].client

    def seat(self, coordinator: int = 0, submitter: int = 0) -> Seat:
        return Seat(self.submitters[submitter], self.coordinators[coordinator])

    def every_seat(self) -> list[Seat]:
        return [Seat(submitter, coordinator) for submitter in self.submitters for coordinator in self.coordinators]

    def entrance(self) -> Seat:
        """For real workers, which are told of every coordinator."""
        return Seat(self.submitters[0], self.coordinators[0], self.coordinator_urls)

    def worker(self, title: str, arguments: Sequence[str]) -> Worker:
        """`stint worker`, started and not waited for."""
        settings = {"STINT_COORDINATOR_URLS": self.coordinator_urls}
        if "STINT_TOKEN" in self.settings:
            settings["STINT_TOKEN"] = self.settings["STINT_TOKEN"]
        return Worker(self._launcher, settings, title, arguments)

    def migrate(self) -> None:
        # Past PgBouncer, as docs/deploying.md says.
        ended = self._launcher.run(
            ["migrate", "up"], {"STINT_DATABASE_URL": self.postgres.url(self.database)}, within=MIGRATED_WITHIN
        )
        assert ended.returncode == 0, f"migrating ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"

    def stop(self) -> None:
        """Everything that runs must end with exit code 0 within its drain time."""
        running = [node for node in self.nodes if node.process is not None]
        dead = [f"{node.running.title}: {node.running.exit_code}" for node in running if not node.is_alive]
        assert not dead, f"died by itself: {dead}"
        for node in running:
            node.begin_stop()
        for node in running:
            node.finish_stop()

    def close(self) -> None:
        self.stop()

    def crashes(self) -> list[str]:
        """The processes that ended without having been told to."""
        return [node.running.title for node in self.nodes if node.process is not None and not node.is_alive]

    def completed_once(self, ids: Collection[str]) -> list[dict[str, Any]]:
        """Sees to it that each of the jobs was completed, and once; those that took more than one attempt."""
        listed = {job["id"]: job for job in self.api().items("/v1/jobs?limit=200")}
        missing = [job_id for job_id in ids if job_id not in listed]
        assert not missing, f"{len(missing)} of {len(ids)} acknowledged jobs are lost: {missing[:5]}"
        several = []
        for job_id in ids:
            job = listed[job_id]
            if job["attempt"] > 1:
                job = self.api().job(job_id)
                assert outcomes(job).count("completed") == 1 and outcomes(job)[-1] == "completed", job
                several.append(job)
            assert job["state"] == "completed", job
        return several

    def unfinished_jobs(self) -> int:
        counts = self.api().get("/v1/stats").expect(200)["counts"]
        return sum(counts.get(state, 0) for state in ("blocked", "scheduled", "available", "running"))

    def _nodes(self, role: str, count: int, special: dict[str, Settings]) -> list[Node]:
        return [
            Node(self._launcher, role, {**self.settings, **special.get(f"{role}-{number}", {})})
            for number in range(count)
        ]


class SplitServer:
    """One submitter and one coordinator, as processes of their own, where a test expects one server.

    What a client says at one port becomes known at the other only through the record and the news.
    """

    def __init__(
        self, postgres: PrivatePostgres, launcher: Launcher, settings: Settings, arguments: Sequence[str]
    ) -> None:
        assert not arguments, f"a fleet knows nothing of {arguments}"
        self._fleet = Fleet(launcher, postgres, coordinators=1, settings=settings)
        self._seat = self._fleet.seat()
        self.settings = self._fleet.settings

    @property
    def api(self) -> ApiClient:
        return self._seat.api

    @property
    def coordinator(self) -> ApiClient:
        return self._seat.coordinator

    @property
    def api_url(self) -> str:
        return self._seat.api_url

    @property
    def coordinator_url(self) -> str:
        return self._seat.coordinator_url

    @property
    def is_alive(self) -> bool:
        return not self._fleet.crashes()

    def begin_stop(self) -> None:
        for node in self._fleet.nodes:
            node.begin_stop()

    def finish_stop(self) -> None:
        for node in self._fleet.nodes:
            node.finish_stop()

    def restart(self) -> None:
        self._fleet.stop()
        for node in self._fleet.nodes:
            node.start()

    def kill9(self) -> None:
        for node in self._fleet.nodes:
            node.kill9()

    def restart_after_kill9(self) -> None:
        self.kill9()
        for node in self._fleet.nodes:
            node.start()

    def close(self) -> None:
        """The launcher closes the fleet."""
