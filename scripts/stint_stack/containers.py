# SPDX-License-Identifier: Apache-2.0
"""The stack in containers, with Docker Compose."""

import shutil
import subprocess
import time

from . import StackError
from .parts import WORKERS
from .readiness import answers_ok, wait_until, live_workers
from .settings import DEPLOY, configured_ports, ensure_passwords, is_free, read_variables, write_privately

ENVIRONMENT = DEPLOY / ".env"
TOKEN = DEPLOY / "secrets/stint-token"
COMPOSE = ("docker", "compose", "--file", str(DEPLOY / "docker-compose.yml"), "--env-file", str(ENVIRONMENT))
# The engine gives each container its own time (stop_grace_period); this is only for those that name none.
STOP_SECONDS = 60


def engine_answers() -> bool:
    """Whether a Docker engine answers and the compose plugin is there."""
    if shutil.which("docker") is None:
        return False
    try:
        return all(
            subprocess.run(command, capture_output=True, timeout=10).returncode == 0
            for command in (["docker", "info"], ["docker", "compose", "version"])
        )
    except subprocess.TimeoutExpired:
        return False


class ContainerStack:
    """The services of docker-compose.yml."""

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds

    @property
    def exists(self) -> bool:
        return ENVIRONMENT.exists()

    def up(self) -> dict[str, int]:
        """Builds the image, starts what does not run, waits until all is ready. Returns the ports."""
        variables = ensure_passwords(ENVIRONMENT, (DEPLOY / ".env.example").read_text())
        self._write_token(variables.get("STINT_TOKEN", ""))
        ports = self.ports()
        if not self.is_running():
            for port in ports.values():
                if not is_free(port):
                    raise StackError(f"port {port} is in use by another program; deploy/.env can name another one.")
        print("Building the image and starting the containers; the first build takes some ten minutes.")
        self._run("up", "--detach", "--build", "--remove-orphans")
        self._await_ready()
        return ports

    def down(self) -> None:
        self._run("down", "--timeout", str(STOP_SECONDS), "--remove-orphans")

    def purge(self) -> None:
        """Deletes the containers' volumes too. The passwords go with the data that they open."""
        self._run("down", "--timeout", str(STOP_SECONDS), "--remove-orphans", "--volumes")
        ENVIRONMENT.unlink(missing_ok=True)
        shutil.rmtree(TOKEN.parent, ignore_errors=True)

    def status(self) -> None:
        self._run("ps", "--all")

    def logs(self, *, forever: bool) -> None:
        self._run("logs", "--tail", "10", *(["--follow"] if forever else []))

    def is_running(self) -> bool:
        if not self.exists:
            return False
        ended = subprocess.run([*COMPOSE, "ps", "--quiet"], capture_output=True, text=True)
        return ended.returncode == 0 and bool(ended.stdout.strip())

    def token(self) -> str:
        return read_variables(ENVIRONMENT).get("STINT_TOKEN", "")

    def ports(self) -> dict[str, int]:
        """As Compose sees them: the environment comes before .env."""
        return configured_ports(read_variables(ENVIRONMENT))

    def _write_token(self, token: str) -> None:
        # The file must be readable for the user inside the container; the directory keeps this machine's users out.
        TOKEN.parent.mkdir(mode=0o700, exist_ok=True)
        TOKEN.parent.chmod(0o700)
        # In place, because a container's mount would go on showing a file that was replaced.
        TOKEN.touch()
        TOKEN.chmod(0o644)
        if TOKEN.read_text() != token:
            TOKEN.write_text(token)

    def is_ready(self) -> bool:
        """Whether the servers are ready and all workers have registered."""
        ports = self.ports()
        servers = all(answers_ok(ports[name], "/readyz") for name in ("api", "coordinator-1", "coordinator-2"))
        return servers and set(WORKERS) <= {worker["name"] for worker in live_workers(ports["api"], self.token())}

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._wait_seconds
        if not wait_until(self.is_ready, deadline=deadline, alive=lambda: True):
            raise StackError(f"the containers are not ready within {self._wait_seconds:g} s; make logs tells more.")

    def _run(self, *arguments: str) -> None:
        code = subprocess.run([*COMPOSE, *arguments]).returncode
        if code != 0:
            raise StackError(f"docker compose {arguments[0]} ended with {code}; the lines above say why.")
