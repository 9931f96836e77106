# SPDX-License-Identifier: Apache-2.0
"""The operator's commands and their exit codes."""

import json
import subprocess
from typing import Any

import pytest

from api_client import UNKNOWN_ID, outcomes
from fake_worker import FakeWorker, completed, failed
from stint_process import Launcher, Server, unused_port

DONE, FAILED, WRONG_USAGE, NOT_FOUND, REFUSED, NOT_REACHABLE = range(6)
ESCAPE = "\x1b"


class CommandLine:
    """Runs `stint` against one server."""

    def __init__(self, launcher: Launcher, server: Server) -> None:
        self._launcher = launcher
        self._settings = {
            "STINT_API_URL": server.api_url,
            "STINT_COORDINATOR_URLS": server.coordinator_url,
            "STINT_DATA_DIR": str(server.data_dir),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._launcher.run(arguments, self._settings)

    def done(self, *arguments: str) -> str:
        """The output of a command that must succeed."""
        ended = self.run(*arguments)
        assert ended.returncode == DONE, f"{arguments} ended with {ended.returncode}: {ended.stderr}"
        return ended.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--output", "json"))


@pytest.fixture(scope="module")
def command_line(module_launcher: Launcher, server: Server) -> CommandLine:
    return CommandLine(module_launcher, server)


@pytest.fixture
def dead_job(server: Server, queue: str) -> dict[str, Any]:
    job = server.api.submit(queue=queue)
    worker = FakeWorker(server, queues=[queue])
    worker.report(failed(worker.take_one(), retryable=False))
    return job


@pytest.fixture
def completed_job(server: Server, queue: str) -> dict[str, Any]:
    job = server.api.submit(queue=queue)
    worker = FakeWorker(server, queues=[queue])
    worker.report(completed(worker.take_one()))
    return job


def test_submit_stores_a_job(server: Server, command_line: CommandLine, queue: str) -> None:
    shown = command_line.json("submit", "resize_image", '{"key":"a.png"}', "--queue", queue, "--priority", "5")
    job = server.api.job(shown["id"])
    assert (job["name"], job["payload"], job["queue"], job["priority"]) == ("resize_image", {"key": "a.png"}, queue, 5)


def test_submit_takes_a_delay_and_a_key(server: Server, command_line: CommandLine, queue: str) -> None:
    arguments = ("submit", "work", "--queue", queue, "--delay", "3600", "--key", f"key-{queue}")
    first, second = command_line.json(*arguments), command_line.json(*arguments)
    assert first["id"] == second["id"]
    assert server.api.job(first["id"])["state"] == "scheduled"


@pytest.mark.parametrize(("command", "code"), [("true", DONE), ("false", FAILED)])
@pytest.mark.parametrize("flag", ["--wait", "--watch"])
def test_submit_waits_for_the_end_and_tells_it(
    launcher: Launcher, server: Server, command_line: CommandLine, command: str, code: int, flag: str
) -> None:
    name = f"{command}{flag}"
    launcher.exec_worker(server, {name: command})
    ended = command_line.run("submit", name, "1", flag, "--max-attempts", "1")
    assert ended.returncode == code, ended.stderr
    (job,) = server.api.items(f"/v1/jobs?name={name}")
    assert job["state"] == ("completed" if code == DONE else "dead")
    assert ESCAPE not in ended.stdout, "no colours and no progress bar where there is no terminal"


def test_jobs_are_listed_and_shown(server: Server, command_line: CommandLine, queue: str) -> None:
    job = server.api.submit(queue=queue)
    listed = command_line.json("jobs", "list", "--queue", queue)
    items = listed["items"] if isinstance(listed, dict) else listed
    assert [item["id"] for item in items] == [job["id"]]
    assert command_line.json("jobs", "show", job["id"]) == job
    for arguments in (("jobs", "list", "--queue", queue), ("jobs", "show", job["id"])):
        table = command_line.done(*arguments)
        assert job["id"] in table and "available" in table and ESCAPE not in table


def test_jobs_are_awaited(command_line: CommandLine, completed_job: dict[str, Any]) -> None:
    assert command_line.run("jobs", "wait", completed_job["id"]).returncode == DONE


def test_waiting_for_a_job_that_died_fails(command_line: CommandLine, dead_job: dict[str, Any]) -> None:
    assert command_line.run("jobs", "wait", dead_job["id"]).returncode == FAILED


def test_jobs_are_cancelled_and_retried(server: Server, command_line: CommandLine, queue: str) -> None:
    job = server.api.submit(queue=queue)
    command_line.done("jobs", "cancel", job["id"])
    assert server.api.job(job["id"])["state"] == "cancelled"
    command_line.done("jobs", "retry", job["id"])
    assert server.api.job(job["id"])["state"] == "available"


def test_dead_letters_are_listed_and_redriven(
    server: Server, command_line: CommandLine, queue: str, dead_job: dict[str, Any]
) -> None:
    assert dead_job["id"] in command_line.done("dead-letters", "list", "--queue", queue)
    command_line.done("dead-letters", "redrive", "--queue", queue, "--yes")
    redriven = server.api.job(dead_job["id"])
    assert (redriven["state"], outcomes(redriven)) == ("available", ["failed"])


def test_queues_are_listed_paused_and_resumed(server: Server, command_line: CommandLine, queue: str) -> None:
    server.api.submit(queue=queue)
    assert queue in command_line.done("queues", "list")
    command_line.done("queues", "pause", queue)
    assert server.api.get(f"/v1/queues/{queue}").expect(200)["paused"] is True
    command_line.done("queues", "resume", queue)
    assert server.api.get(f"/v1/queues/{queue}").expect(200)["paused"] is False


def test_workers_are_listed(server: Server, command_line: CommandLine, queue: str) -> None:
    worker = FakeWorker(server, name=f"listed-{queue}")
    assert f"listed-{queue}" in command_line.done("workers", "list")
    listed = command_line.json("workers", "list")
    items = listed["items"] if isinstance(listed, dict) else listed
    assert worker.worker_id in {item["worker_id"] for item in items}


def test_statistics_are_those_of_the_server(server: Server, command_line: CommandLine) -> None:
    assert command_line.json("stats")["counts"] == server.api.get("/v1/stats").expect(200)["counts"]


def test_the_version_is_told(command_line: CommandLine) -> None:
    assert any(character.isdigit() for character in command_line.done("version"))


def test_a_redrive_asks_before_it_changes_anything(
    server: Server, command_line: CommandLine, queue: str, dead_job: dict[str, Any]
) -> None:
    ended = command_line.run("dead-letters", "redrive", "--queue", queue)
    assert ended.returncode == WRONG_USAGE, "there is no terminal to ask at"
    assert "--yes" in ended.stderr
    assert server.api.job(dead_job["id"])["state"] == "dead"


def test_the_doctor_looks_at_the_data_directory_and_the_database_library(
    command_line: CommandLine, server: Server
) -> None:
    said = command_line.done("doctor")
    assert str(server.data_dir) in said
    assert "sqlite" in said.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit",),
        ("submit", "work", "--no-such-flag"),
        ("submit", "work", "--priority", "high"),
        ("dance",),
        ("jobs", "show"),
        ("jobs", "list", "--output", "runes"),
        ("queues", "pause"),
        ("worker",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_apart(command_line: CommandLine, arguments: tuple[str, ...]) -> None:
    ended = command_line.run(*arguments)
    assert ended.returncode == WRONG_USAGE
    assert ended.stderr.strip()


@pytest.mark.parametrize("action", ["show", "wait", "cancel", "retry"])
def test_an_unknown_job_is_not_found(command_line: CommandLine, action: str) -> None:
    ended = command_line.run("jobs", action, UNKNOWN_ID)
    assert ended.returncode == NOT_FOUND
    assert UNKNOWN_ID in ended.stderr


def test_what_the_server_refuses_is_told(command_line: CommandLine, completed_job: dict[str, Any]) -> None:
    for arguments in (
        ("jobs", "cancel", completed_job["id"]),
        ("jobs", "retry", completed_job["id"]),
        ("submit", "a name with spaces"),
    ):
        ended = command_line.run(*arguments)
        assert ended.returncode == REFUSED, arguments
        assert ended.stderr.strip()


@pytest.mark.parametrize(
    "arguments", [("stats",), ("jobs", "list"), ("submit", "work"), ("workers", "list")], ids=" ".join
)
def test_a_server_that_is_not_reachable_is_told(launcher: Launcher, arguments: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    ended = launcher.run(arguments, {"STINT_API_URL": url})
    assert ended.returncode == NOT_REACHABLE
    assert url in ended.stderr


def test_the_token_is_shown_by_commands(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": "a-token-for-commands"})
    url = {"STINT_API_URL": server.api_url}
    assert launcher.run(["stats"], url).returncode == REFUSED
    assert launcher.run(["stats"], {**url, "STINT_TOKEN": "a-token-for-commands"}).returncode == DONE
