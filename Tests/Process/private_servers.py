# SPDX-License-Identifier: Apache-2.0
"""Real PostgreSQL, Redis and PgBouncer for one test: free ports, directories of their own, gone at the end."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import redis

from api_client import HOST
from stint_process import unused_port
from waiting import eventually

# PostgreSQL and PgBouncer refuse to run as root.
UNPRIVILEGED_USER = "postgres"
ROLE = "stint"
PASSWORD = "process-tests"
STARTED_WITHIN = 60.0
ENDED_WITHIN = 30.0
TRANSCRIPT_LENGTH = 4_000


def program(name: str, *directories: str) -> str:
    """Where a Debian package has put it. A missing one is a failure, never a skip."""
    path = shutil.which(name, path=os.pathsep.join([*directories, os.environ.get("PATH", ""), "/usr/sbin"]))
    assert path, f"there is no {name} on this machine: scripts/install-dependencies.sh test installs it"
    return path


def postgres_programs() -> str:
    """The directory of the newest PostgreSQL; Debian keeps its server off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda directory: int(directory.parent.name))
    assert found, "there is no PostgreSQL on this machine: scripts/install-dependencies.sh test installs it"
    return str(found[-1])


def parents() -> dict[int, int]:
    """The parent of every process."""
    table: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue  # it has ended meanwhile
        table[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return table


class PrivateServer:
    """One server program, its directory, its port and its processes."""

    def __init__(self, title: str, user: str | None) -> None:
        self.title = title
        self.port = unused_port()
        self._user = user if os.geteuid() == 0 else None
        self.directory = Path(tempfile.mkdtemp(prefix=f"stint-{title}-"))
        self._log = self.directory / "log"
        self._popen: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(self.directory, self._user, self._user)

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None, f"{self.title} is stopped"
        return self._popen

    def freeze(self) -> None:
        """Stops all its processes where they are; connections to it stay open."""
        os.kill(self.running.pid, signal.SIGSTOP)
        for pid in self._children():
            self._signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in [*self._children(), self.running.pid]:
            self._signal(pid, signal.SIGCONT)

    def transcript(self) -> tuple[str, str]:
        text = self._log.read_text(errors="backslashreplace") if self._log.exists() else ""
        return f"{self.title} on port {self.port}", text[-TRANSCRIPT_LENGTH:]

    def close(self) -> None:
        """Ends it and removes what it stored."""
        try:
            if self._popen is not None:
                self.thaw()
                self._end(signal.SIGKILL)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, command: Sequence[str]) -> None:
        """Runs a program of the server to its end, as the server's user."""
        ended = subprocess.run(command, **self._identity(), cwd=self.directory, capture_output=True, text=True)
        assert ended.returncode == 0, f"{command[0]} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"

    def _launch(self, command: Sequence[str]) -> None:
        assert self._popen is None, f"{self.title} runs already"
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                command,
                **self._identity(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _identity(self) -> dict[str, Any]:
        # An own environment: settings of the tester's own servers must not reach these.
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if self._user is None:
            return {"env": environment}
        return {"env": environment, "user": self._user, "group": self._user, "extra_groups": []}

    def _end(self, number: signal.Signals) -> None:
        process = self.running
        children = self._children()
        process.send_signal(number)
        process.wait(ENDED_WITHIN)
        self._popen = None
        if number == signal.SIGKILL:
            for pid in children:
                self._signal(pid, number)

    def _await(self, is_up: Any) -> None:
        """Waits until the server answers."""

        def answers() -> bool:
            code = self.running.poll()
            assert code is None, f"{self.title} ended with {code}:\n{self.transcript()[1]}"
            return is_up()

        eventually(answers, within=STARTED_WITHIN, what=f"{self.title} answers")

    def _children(self) -> list[int]:
        return [pid for pid, parent in parents().items() if parent == self.running.pid]

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it has ended by itself, which does as well


class PrivatePostgres(PrivateServer):
    """A PostgreSQL that flushes as a real one does."""

    # Its connections must not run out before those of a whole fleet and its pools.
    SETTINGS = {"max_connections": "200", "shared_buffers": "64MB", "max_wal_size": "1GB", "log_min_messages": "log"}

    def __init__(self) -> None:
        super().__init__("postgres", UNPRIVILEGED_USER)
        self._programs = postgres_programs()
        self._data = self.directory / "data"
        self._numbers = itertools.count(1)
        try:
            self._create_cluster()
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "postgres") -> str:
        return f"postgres://{ROLE}:{PASSWORD}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Returns when it takes connections."""
        settings = {
            **self.SETTINGS,
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._launch([program("postgres", self._programs), "-D", str(self._data), *options])
        self._await(self._takes_connections)

    def stop_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: nothing is finished, the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def query(self, statement: str, *parameters: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs one statement in a transaction of its own; its rows."""
        with self._connect(database) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def run_script(self, script: str, *, database: str) -> None:
        """Runs what one would give to psql."""
        with self._connect(database) as connection:
            connection.execute(script)

    def create_database(self) -> str:
        """The name of a new, empty database."""
        name = f"stint_{next(self._numbers)}"
        self.query(f"CREATE DATABASE {name}")
        return name

    def _create_cluster(self) -> None:
        secret = self.directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        initdb = program("initdb", self._programs)
        options = ["--auth=scram-sha-256", f"--username={ROLE}", f"--pwfile={secret}"]
        # Nothing is lost when the machine dies while the cluster is made; from its start on it flushes.
        options += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run([initdb, "-D", str(self._data), *options])

    def _takes_connections(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5, application_name="process-tests")


class PrivatePgBouncer(PrivateServer):
    """A PgBouncer in transaction mode before a PostgreSQL."""

    def __init__(self, postgres: PrivatePostgres) -> None:
        super().__init__("pgbouncer", UNPRIVILEGED_USER)
        self._postgres = postgres
        try:
            self._write_configuration()
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str) -> str:
        return f"postgres://{ROLE}:{PASSWORD}@{HOST}:{self.port}/{database}?pgbouncer=true"

    def start(self) -> None:
        self._launch([program("pgbouncer"), str(self.directory / "pgbouncer.ini")])
        self._await(self._takes_connections)

    def stop(self) -> None:
        """At once: all connections through it break."""
        self._end(signal.SIGTERM)

    def _takes_connections(self) -> bool:
        address = f"host={HOST} port={self.port} user={ROLE} password={PASSWORD} dbname=postgres connect_timeout=5"
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            return False
        return True

    def _write_configuration(self) -> None:
        users = self.directory / "users"
        users.write_text(f'"{ROLE}" "{PASSWORD}"\n')
        users.chmod(0o644)
        lines = [
            "[databases]",
            f"* = host={HOST} port={self._postgres.port}",
            "[pgbouncer]",
            f"listen_addr = {HOST}",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = scram-sha-256",
            f"auth_file = {users}",
            "pool_mode = transaction",
            "default_pool_size = 8",
            "max_client_conn = 200",
        ]
        (self.directory / "pgbouncer.ini").write_text("\n".join(lines) + "\n")


class PrivateRedis(PrivateServer):
    """A Redis with a password that keeps nothing unless it is told to."""

    def __init__(self) -> None:
        super().__init__("redis", None)
        self.client = redis.Redis(HOST, self.port, password=PASSWORD, socket_timeout=5)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@{HOST}:{self.port}/0"

    def start(self) -> None:
        options = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.directory), "--requirepass", PASSWORD]
        self._launch([program("redis-server"), *options, "--save", "", "--appendonly", "no"])
        self._await(self._answers)

    def stop(self) -> None:
        """At once and without saving anything."""
        self._end(signal.SIGKILL)

    def empty(self) -> None:
        self.client.flushall()

    def snapshot(self) -> bytes:
        """All it holds now."""
        self.client.save()
        return (self.directory / "dump.rdb").read_bytes()

    def restore(self, snapshot: bytes) -> None:
        """Comes back with what it held then."""
        self.stop()
        (self.directory / "dump.rdb").write_bytes(snapshot)
        self.start()

    def fill_with_nonsense(self, randomness: random.Random) -> None:
        """Spoils every key, with strange members or another type altogether; says nonsense on every channel."""
        for key in list(self.client.scan_iter(count=1000)):
            if randomness.random() < 0.3:
                # In one step: a fleet that is at work would make the key anew in between.
                with self.client.pipeline(transaction=True) as step:
                    step.delete(key)
                    randomness.choice([self._string, self._hash, self._list, self._set])(step, key, randomness)
                    step.execute()
            else:
                with contextlib.suppress(redis.ResponseError, redis.DataError):  # the fleet has just replaced it
                    self._spoil(key, randomness)
        for channel in self.client.pubsub_channels():
            for _ in range(5):
                self.client.publish(channel, self._noise(randomness))

    def _spoil(self, key: bytes, randomness: random.Random) -> None:
        noise = [self._noise(randomness) for _ in range(20)]
        match self.client.type(key):
            case b"zset":
                self.client.zadd(key, {member: randomness.choice([0.0, -1e300, 1e15]) for member in noise})
            case b"set":
                self.client.sadd(key, *noise)
            case b"stream":
                for member in noise:
                    self.client.xadd(key, {member: self._noise(randomness)})
            case b"hash":
                self.client.hset(key, mapping={field: self._noise(randomness) for field in self.client.hkeys(key)})
            case _:
                self.client.set(key, noise[0])

    def _string(self, step: redis.client.Pipeline, key: bytes, randomness: random.Random) -> None:
        step.set(key, self._noise(randomness))

    def _hash(self, step: redis.client.Pipeline, key: bytes, randomness: random.Random) -> None:
        step.hset(key, mapping={self._noise(randomness): self._noise(randomness)})

    def _list(self, step: redis.client.Pipeline, key: bytes, randomness: random.Random) -> None:
        step.rpush(key, self._noise(randomness))

    def _set(self, step: redis.client.Pipeline, key: bytes, randomness: random.Random) -> None:
        step.sadd(key, self._noise(randomness))

    @staticmethod
    def _noise(randomness: random.Random) -> bytes:
        """From nothing at all to what is longer than anything sensible; lengths of ids and their neighbours too."""
        return randomness.randbytes(randomness.choice([0, 1, 15, 16, 17, 24, 32, 36, 40, 1000]))

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False
