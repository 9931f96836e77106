# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL: its programs, its data directory, its database."""

import dataclasses
import hashlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from . import StackError
from .processes import Start, clean_environment, identity
from .settings import HOST

DEBIAN = pathlib.Path("/usr/lib/postgresql")
ELSEWHERE = pathlib.Path("/var/lib/stint-stack")
NAME = "stint"
STEP_WITHIN = 120


@dataclasses.dataclass(frozen=True)
class Postgres:
    """A server that listens on the loopback address only, to those who know the password."""

    stack: pathlib.Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"postgres://{NAME}:{self.password}@{HOST}:{self.port}/{NAME}"

    @property
    def user(self) -> str | None:
        """Who runs it. PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam("postgres").pw_name
        except KeyError:
            raise StackError("PostgreSQL does not run as root, and this machine has no user postgres.") from None

    @property
    def data(self) -> pathlib.Path:
        """Where its data lies: with the stack, or elsewhere when its user cannot get there (as below /root)."""
        if self.user is None or self._can_reach(self.stack):
            return self.stack / "postgres"
        return self.elsewhere / "postgres"

    @property
    def elsewhere(self) -> pathlib.Path:
        return ELSEWHERE / hashlib.sha256(str(self.stack).encode()).hexdigest()[:12]

    def start(self) -> Start:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            # No socket in the file system: its path can be too long, and nothing here uses it.
            "unix_socket_directories": "",
            "shared_buffers": "128MB",
            "autovacuum_naptime": "10s",
            "max_wal_size": "1GB",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._program("postgres")), "-D", str(self.data), *flags]
        return Start(command, user=self.user, directory=pathlib.Path("/"))

    def initialise(self) -> bool:
        """Makes the data directory; False when it is there already. One that was begun only is made anew."""
        if (self.data / "PG_VERSION").exists():
            return False
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        for directory in (draft.parent.parent, draft.parent):
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=draft.parent, prefix="password-") as file:
            file.write(self.password)
            file.flush()
            if self.user:
                shutil.chown(draft, self.user)
                shutil.chown(file.name, self.user)
            self._run(
                [self._program("initdb"), "--pgdata", draft, "--username", NAME, "--pwfile", file.name]
                + ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"]
                + ["--no-instructions"],
                "initialise the database",
            )
        draft.replace(self.data)
        return True

    def answers(self) -> bool:
        command = [self._program("pg_isready"), "--quiet", "--host", HOST, "--port", str(self.port), "--timeout", "3"]
        return subprocess.run(command, env=clean_environment({}), cwd="/").returncode == 0

    def create_database(self) -> None:
        """Makes the database unless it is there."""
        if not self._query(f"SELECT 1 FROM pg_database WHERE datname = '{NAME}'"):
            self._query(f"CREATE DATABASE {NAME}")

    def purge(self) -> None:
        """Deletes the data, wherever it lies."""
        shutil.rmtree(self.stack / "postgres", ignore_errors=True)
        shutil.rmtree(self.elsewhere, ignore_errors=True)

    def _query(self, statement: str) -> str:
        return self._run(
            [self._program("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--host", HOST]
            + ["--port", str(self.port), "--username", NAME, "--dbname", "postgres", "--command", statement],
            "prepare the database",
            {"PGPASSWORD": self.password},
        ).strip()

    def _run(self, command: list, purpose: str, environment: dict[str, str] | None = None) -> str:
        ended = subprocess.run(
            command,
            env=clean_environment(environment or {}),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_WITHIN,
            **identity(self.user),
        )
        if ended.returncode != 0:
            raise StackError(f"PostgreSQL could not {purpose}: {(ended.stderr or ended.stdout).strip()}")
        return ended.stdout

    def _program(self, name: str) -> pathlib.Path:
        """A program of the version that made the data, or of the newest one."""
        version = self.data / "PG_VERSION"
        wanted = version.read_text().strip() if version.exists() else "*"
        found = sorted(DEBIAN.glob(f"{wanted}/bin/{name}"), key=lambda path: int(path.parts[-3]))
        if found:
            return found[-1]
        if elsewhere := shutil.which(name):
            return pathlib.Path(elsewhere)
        raise StackError(
            f"PostgreSQL's {name} is not installed (version {wanted}): scripts/install-dependencies.sh stack does it."
        )

    def _can_reach(self, directory: pathlib.Path) -> bool:
        return subprocess.run(["test", "-x", directory], cwd="/", **identity(self.user)).returncode == 0
