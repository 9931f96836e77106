# SPDX-License-Identifier: Apache-2.0
"""The parts of the stack as local processes: how each is started, when it is ready, how it is stopped."""

import dataclasses
import os
import pathlib
import shutil
import signal
from collections.abc import Callable

from . import StackError
from .postgres import Postgres
from .processes import ProcessFile, Start
from .readiness import answers_ok, live_workers, redis_answers
from .settings import DEPLOY, HOST, PORTS, Settings, write_privately

WORKERS = ("worker-1", "worker-2", "worker-3")
# What may be tuned for all servers and workers of the stack, as docs/configuration.md says.
PASSED_ON = tuple(
    f"STINT_{name}"
    for name in (
        "LEASE_SECONDS HEARTBEAT_SECONDS SWEEP_SECONDS FALLBACK_POLL_SECONDS RECONCILE_SECONDS DRAIN_SECONDS "
        "IDEMPOTENCY_SECONDS RETENTION_SECONDS LOG_LEVEL LOG_FORMAT"
    ).split()
)


@dataclasses.dataclass(frozen=True)
class Part:
    """One process."""

    name: str
    start: Callable[[], Start]
    is_ready: Callable[[], bool]
    port: str | None = None
    scheme: str = "http"
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    # Why it cannot be had here; the stack does without it.
    absent: str | None = None


class Topology:
    """All parts, in the order in which they are started."""

    def __init__(self, settings: Settings, ports: dict[str, int], variables: dict[str, str]) -> None:
        self.settings = settings
        self.ports = ports
        self.token = variables.get("STINT_TOKEN", "")
        self._variables = variables
        self.postgres = Postgres(settings.directory, ports["postgres"], variables["POSTGRES_PASSWORD"])
        self.stores = [self._postgres_part(), self._redis_part()]
        self.servers = [self._coordinator("coordinator-1"), self._coordinator("coordinator-2"), self._submitter()]
        self.workers = [self._worker(name) for name in WORKERS]
        self.metrics = [self._prometheus(), self._grafana()]

    @property
    def parts(self) -> list[Part]:
        return [*self.stores, *self.servers, *self.workers, *self.metrics]

    @property
    def stop_groups(self) -> list[list[Part]]:
        """Workers give back what they hold to coordinators that still run; the stores outlive all who use them."""
        submitter = [part for part in self.servers if part.name == "submitter"]
        coordinators = [part for part in self.servers if part.name != "submitter"]
        return [self.workers, submitter, coordinators, self.metrics, [self.stores[1]], [self.stores[0]]]

    def file(self, part: Part) -> ProcessFile:
        return ProcessFile(self.file_path(part.name))

    def file_path(self, name: str) -> pathlib.Path:
        return self.settings.directory / "run" / f"{name}.json"

    def log(self, name: str) -> pathlib.Path:
        return self.settings.directory / "logs" / f"{name}.log"

    def address(self, part: Part) -> str:
        return f"{part.scheme}://{HOST}:{self.ports[part.port]}" if part.port else ""

    def stint(self, *arguments: str, **environment: str) -> Start:
        """One run of the binary, with what all of its roles need to know."""
        if not os.access(self.settings.binary, os.X_OK):
            raise StackError(f"there is no binary at {self.settings.binary}: run make build, or set STINT_BINARY.")
        passed = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        token = {"STINT_TOKEN": self.token} if self.token else {}
        return Start([str(self.settings.binary), *arguments], {**passed, **token, **environment})

    def migration(self) -> Start:
        return self.stint("migrate", "up", STINT_DATABASE_URL=self.postgres.url)

    def _stores(self) -> dict[str, str]:
        redis = f"redis://:{self._variables['REDIS_PASSWORD']}@{HOST}:{self.ports['redis']}/0"
        return {"STINT_DATABASE_URL": self.postgres.url, "STINT_REDIS_URL": redis}

    def _postgres_part(self) -> Part:
        return Part(
            "postgres",
            self.postgres.start,
            self.postgres.answers,
            port="postgres",
            scheme="postgres",
            # Its fast shutdown: does not wait for clients to go.
            stop_signal=signal.SIGINT,
            stop_seconds=60,
        )

    def _redis_part(self) -> Part:
        port, password = self.ports["redis"], self._variables["REDIS_PASSWORD"]

        def start() -> Start:
            program = shutil.which("redis-server")
            if program is None:
                raise StackError("redis-server is not installed: scripts/install-dependencies.sh stack does it.")
            # The queue is disposable: nothing is written to disk, nothing is evicted silently. In a file, so that the
            # password stands in no command line.
            lines = [f"bind {HOST}", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no"]
            lines += ["maxmemory 256mb", "maxmemory-policy noeviction", "daemonize no"]
            configuration = self.settings.directory / "redis.conf"
            write_privately(configuration, "\n".join(lines) + "\n")
            return Start([program, str(configuration)], directory=self.settings.directory)

        return Part("redis", start, lambda: redis_answers(port, password), port="redis", scheme="redis")

    def _coordinator(self, name: str) -> Part:
        port = self.ports[name]
        own = {"STINT_COORDINATOR_HOST": HOST, "STINT_COORDINATOR_PORT": str(port)}
        return Part(
            name,
            lambda: self.stint("coordinator", **self._stores(), **own),
            lambda: answers_ok(port, "/readyz"),
            port=name,
            stop_seconds=self._stop_seconds,
        )

    def _submitter(self) -> Part:
        port = self.ports["api"]
        own = {"STINT_API_HOST": HOST, "STINT_API_PORT": str(port)}
        return Part(
            "submitter",
            lambda: self.stint("submitter", **self._stores(), **own),
            lambda: answers_ok(port, "/readyz"),
            port="api",
            stop_seconds=self._stop_seconds,
        )

    def _worker(self, name: str) -> Part:
        # Each begins with another coordinator, so that both have work.
        urls = [f"http://{HOST}:{self.ports[each]}" for each in ("coordinator-1", "coordinator-2")]
        if WORKERS.index(name) % 2:
            urls.reverse()
        scale = os.environ.get("STINT_STACK_TIME_SCALE")
        flags = ["--time-scale", scale] if scale else []

        def is_ready() -> bool:
            # By its process: the session of a worker that was killed lives on for a while under the same name.
            pid = ProcessFile(self.file_path(name)).pid()
            return any(worker["pid"] == pid for worker in live_workers(self.ports["api"], self.token))

        return Part(
            name,
            lambda: self.stint("worker", "--sample", "--name", name, *flags, STINT_COORDINATOR_URLS=",".join(urls)),
            is_ready,
            stop_seconds=self._stop_seconds,
        )

    def _prometheus(self) -> Part:
        port, directory = self.ports["prometheus"], self.settings.directory
        program = shutil.which("prometheus")

        def start() -> Start:
            configuration = directory / "prometheus.yml"
            token = directory / "stint-token"
            write_privately(token, self.token)
            write_privately(configuration, self._prometheus_configuration(token))
            return Start(
                [str(program), f"--config.file={configuration}", f"--storage.tsdb.path={directory / 'prometheus'}"]
                + [f"--web.listen-address={HOST}:{port}", "--storage.tsdb.retention.time=15d"]
                + ["--storage.tsdb.retention.size=2GB", "--log.level=warn"]
            )

        absent = None if program else "prometheus is not installed: scripts/install-dependencies.sh stack does it"
        return Part("prometheus", start, lambda: answers_ok(port, "/-/ready"), port="prometheus", absent=absent)

    def _prometheus_configuration(self, token: pathlib.Path) -> str:
        """The file that the containers use, with the addresses and the place of the token put in."""
        text = (DEPLOY / "prometheus/prometheus.yml").read_text()
        places = {
            "submitter:8000": f"{HOST}:{self.ports['api']}",
            "coordinator-1:9000": f"{HOST}:{self.ports['coordinator-1']}",
            "coordinator-2:9000": f"{HOST}:{self.ports['coordinator-2']}",
            "localhost:9090": f"{HOST}:{self.ports['prometheus']}",
            "/run/secrets/stint-token": str(token),
        }
        for place, value in places.items():
            if place not in text:
                raise StackError(f"deploy/prometheus/prometheus.yml does not name {place}, which is to be replaced.")
            text = text.replace(place, value)
        return text

    def _grafana(self) -> Part:
        port, directory = self.ports["grafana"], self.settings.directory
        program = shutil.which("grafana-server")
        environment = {
            "GF_SERVER_HTTP_ADDR": HOST,
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_SECURITY_ADMIN_PASSWORD": self._variables["GRAFANA_ADMIN_PASSWORD"],
            "GF_PATHS_DATA": str(directory / "grafana"),
            "GF_PATHS_LOGS": str(directory / "grafana/logs"),
            "GF_PATHS_PLUGINS": str(directory / "grafana/plugins"),
            "GF_PATHS_PROVISIONING": str(DEPLOY / "grafana/provisioning"),
            "GF_LOG_MODE": "console",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(DEPLOY / "grafana/dashboards/overview.json"),
            "STINT_PROMETHEUS_URL": f"http://{HOST}:{self.ports['prometheus']}",
            "STINT_DASHBOARDS_DIR": str(DEPLOY / "grafana/dashboards"),
        }
        return Part(
            "grafana",
            lambda: Start([str(program), "--homepath", "/usr/share/grafana"], environment),
            lambda: answers_ok(port, "/api/health"),
            port="grafana",
            absent=None if program else "grafana-server is not installed, and Debian has no package of it",
        )

    @property
    def _stop_seconds(self) -> float:
        return self.settings.drain_seconds + 10


def variable_of(part: Part) -> str:
    """The environment variable that changes the port of a part."""
    return PORTS[part.port][0] if part.port else ""
