# SPDX-License-Identifier: Apache-2.0
"""`stint migrate`: can be killed, repeated and run twice at once; servers refuse a schema that is not theirs."""

import random
import subprocess
import time

import pytest

from fleet import MIGRATED_WITHIN, Node
from private_servers import PrivatePostgres
from stint_process import Launcher, Settings
from waiting import Stopwatch, eventually

DATABASES = 6
KILLS = 2
SEED = 20_260_305
# Makes the database look as if a later version had migrated it. Inputs, outputs: none. Locks no row that was there.
MAKE_NEWER = "INSERT INTO stint.schema_version (version) SELECT max(version) + 1 FROM stint.schema_version"


@pytest.fixture
def database(postgres: PrivatePostgres) -> str:
    return postgres.create_database()


@pytest.fixture
def settings(postgres: PrivatePostgres, database: str) -> Settings:
    return {"STINT_DATABASE_URL": postgres.url(database)}


def migrate(launcher: Launcher, settings: Settings, command: str = "up") -> subprocess.CompletedProcess[str]:
    return launcher.run(["migrate", command], settings, within=MIGRATED_WITHIN)


def migrated(launcher: Launcher, settings: Settings) -> str:
    """What a migration that must succeed says."""
    ended = migrate(launcher, settings)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def schema(postgres: PrivatePostgres, database: str) -> list[tuple[str, ...]]:
    """Everything that a migration makes: tables with their columns, indexes, functions."""
    # Inputs: none. Outputs: one row per object. Locks no row.
    return postgres.query(
        """
        SELECT table_name || '.' || column_name, data_type FROM information_schema.columns WHERE table_schema = 'stint'
        UNION ALL
        SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'stint'
        UNION ALL
        SELECT p.oid::regprocedure::text, prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
         WHERE nspname = 'stint'
        ORDER BY 1, 2
        """,
        database=database,
    )


def works(launcher: Launcher, settings: Settings) -> None:
    """A submitter and a coordinator start on it and a job goes through."""
    server = launcher.run(["migrate", "status"], settings, within=MIGRATED_WITHIN)
    assert server.returncode == 0, server.stderr
    nodes = [Node(launcher, role, settings) for role in ("submitter", "coordinator")]
    for node in nodes:
        node.start()
    submitter, coordinator = nodes
    job = submitter.client.submit(queue="works")
    registration = {"name": "w", "queues": ["works"], "job_names": ["*"], "concurrency": 1}
    worker = coordinator.client.post("/v1/workers", registration).expect(201)["worker_id"]
    poll = coordinator.client.post(f"/v1/workers/{worker}/poll", {"free_slots": 1, "wait_seconds": 5}).expect(200)
    assert [grant["id"] for grant in poll["jobs"]] == [job["id"]]
    for node in nodes:
        node.stop()


def refused(launcher: Launcher, settings: Settings, *arguments: str) -> str:
    """What each kind of server says that does not start."""
    said = ""
    for command in (["submitter", "--api-port", "0"], ["coordinator", "--coordinator-port", "0"]):
        ended = launcher.run([*command, *arguments], settings, within=30)
        assert ended.returncode > 0, f"`stint {command[0]}` must end with an exit code of its own"
        assert "ready" not in ended.stdout.splitlines()
        assert len(ended.stderr.strip()) < 1000, "a sentence, no dump"
        said = ended.stderr
    return said


def test_a_database_is_migrated_once_and_again_without_effect(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    migrated(launcher, settings)
    made = schema(postgres, database)
    assert made
    migrated(launcher, settings)
    assert schema(postgres, database) == made
    works(launcher, settings)


def test_a_migration_that_is_killed_again_and_again_is_finished_by_the_next(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    migrated(launcher, settings)
    whole = schema(postgres, database)
    randomness = random.Random(SEED)
    killed = 0
    for _ in range(DATABASES):
        name = postgres.create_database()
        interrupted = {"STINT_DATABASE_URL": postgres.url(name)}
        uninterrupted = {"STINT_DATABASE_URL": postgres.url(postgres.create_database())}
        watch = Stopwatch()
        migrated(launcher, uninterrupted)
        longest = watch.seconds
        for _ in range(KILLS):
            process = launcher.spawn(["migrate", "up"], interrupted)
            time.sleep(randomness.uniform(longest / 10, longest))  # the moment is to be a random one
            killed += process.exit_code is None
            process.kill9()
        migrated(launcher, interrupted)
        assert schema(postgres, name) == whole
    works(launcher, interrupted)
    assert killed >= DATABASES, "hardly a kill came in time: the test is too weak"


def test_migrations_that_run_at_once_all_succeed(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    alone = postgres.create_database()
    migrated(launcher, {"STINT_DATABASE_URL": postgres.url(alone)})
    processes = [launcher.spawn(["migrate", "up"], settings) for _ in range(4)]
    for process in processes:
        assert process.exited(within=MIGRATED_WITHIN) == 0, process.stderr.text
    assert schema(postgres, database) == schema(postgres, alone)


def test_the_script_makes_the_same_schema(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    other = postgres.create_database()
    migrated(launcher, {"STINT_DATABASE_URL": postgres.url(other)})
    script = migrate(launcher, settings, "sql")
    assert script.returncode == 0, script.stderr
    assert schema(postgres, database) == [], "printing it must not run it"
    postgres.run_script(script.stdout, database=database)
    assert schema(postgres, database) == schema(postgres, other)
    works(launcher, settings)


def test_a_server_refuses_a_database_that_was_never_migrated(launcher: Launcher, settings: Settings) -> None:
    assert "stint migrate up" in refused(launcher, settings)


def test_a_server_refuses_an_older_schema_and_mends_it_when_it_may(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    steps = migrate(launcher, settings, "sql").stdout.split("BEGIN;")
    assert len(steps) > 2, "there is no older version yet that could be made"
    postgres.run_script("BEGIN;".join(steps[:-1]), database=database)
    assert "stint migrate up" in refused(launcher, settings)
    server = Node(launcher, "coordinator", settings, arguments=["--migrate"])
    server.start()
    server.stop()
    works(launcher, settings)


def test_a_server_that_may_migrate_does_so_first(launcher: Launcher, settings: Settings) -> None:
    server = Node(launcher, "submitter", settings, arguments=["--migrate"])
    server.start()
    assert server.client.submit()["state"] == "available"
    server.stop()
    works(launcher, settings)


def test_a_server_refuses_the_schema_of_a_later_version(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    migrated(launcher, settings)
    postgres.query(MAKE_NEWER, database=database)
    for arguments in ((), ("--migrate",)):
        said = refused(launcher, settings, *arguments)
        assert "newer" in said or "later" in said, said


def test_migrating_refuses_the_schema_of_a_later_version(
    launcher: Launcher, postgres: PrivatePostgres, database: str, settings: Settings
) -> None:
    migrated(launcher, settings)
    postgres.query(MAKE_NEWER, database=database)
    before = schema(postgres, database)
    ended = migrate(launcher, settings)
    assert ended.returncode > 0
    assert "newer" in ended.stderr or "later" in ended.stderr, ended.stderr
    assert schema(postgres, database) == before


def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    launcher: Launcher, settings: Settings
) -> None:
    url = settings["STINT_DATABASE_URL"].replace("/stint_", "/missing_")
    for command in (["migrate", "up"], ["migrate", "status"]):
        ended = launcher.run(command, {"STINT_DATABASE_URL": url}, within=30)
        assert ended.returncode > 0
        assert ended.stderr.strip()
        assert "process-tests" not in ended.stdout + ended.stderr


def test_a_server_waits_for_its_database(launcher: Launcher, own_postgres: PrivatePostgres) -> None:
    settings = {"STINT_DATABASE_URL": own_postgres.url(own_postgres.create_database())}
    migrated(launcher, settings)
    own_postgres.stop_immediately()
    server = Node(launcher, "submitter", settings)
    server.begin_start()
    eventually(lambda: server.running.stderr.text, within=10, what="it says that it cannot reach the database")
    assert server.is_alive
    own_postgres.start()
    server.finish_start()
    assert server.client.submit()["state"] == "available"
    server.stop()


def test_migrating_needs_a_database(launcher: Launcher) -> None:
    ended = launcher.run(["migrate", "up"], {}, within=30)
    assert ended.returncode == 2
    assert "STINT_DATABASE_URL" in ended.stderr
