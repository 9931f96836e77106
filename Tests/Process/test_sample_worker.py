# SPDX-License-Identifier: Apache-2.0
"""`stint worker --sample` runs the sample workloads, and the scripts send them."""

import re
import subprocess

import pytest

from api_client import outcomes
from stint_process import REPOSITORY, Launcher, Server, unused_port
from waiting import eventually

SCRIPTS = REPOSITORY / "scripts"
SAMPLES = ("cpu_intensive", "io_intensive", "mixed_workload", "network_task")
ENDED = {"completed", "dead"}
WORKLOAD_SCRIPTS = {
    "submit-cpu.sh": "cpu_intensive",
    "submit-io.sh": "io_intensive",
    "submit-network.sh": "network_task",
    "submit-mixed.sh": "mixed_workload",
}


@pytest.fixture(scope="module")
def server(module_launcher: Launcher) -> Server:
    """With a sample worker beside it."""
    server = module_launcher.server()
    module_launcher.sample_worker(server, time_scale=0.01)
    return server


def run_script(launcher: Launcher, name: str, api_url: str, within: float = 60) -> subprocess.CompletedProcess[str]:
    return launcher.run_program([str(SCRIPTS / name)], {"STINT_API_URL": api_url}, within=within)


def sent_by(launcher: Launcher, server: Server, name: str) -> list[dict]:
    """The jobs that a script has stored, once all of them have ended."""
    before = {job["id"] for job in server.api.items("/v1/jobs?limit=200")}
    ended = run_script(launcher, name, server.api_url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip(), "it says what it did"
    ids = {job["id"] for job in server.api.items("/v1/jobs?limit=200")} - before
    assert ids, f"{name} sent no job"
    return [server.api.job_in_state(job_id, *ENDED, within=30) for job_id in sorted(ids)]


@pytest.mark.parametrize("name", [*SAMPLES, "some_other_name"])
def test_a_sample_workload_completes(server: Server, name: str) -> None:
    job = server.api.submit(name, payload="test task")
    done = server.api.job_in_state(job["id"], *ENDED, within=20)
    assert (done["state"], outcomes(done)) == ("completed", ["completed"])


@pytest.mark.parametrize("name", [*SAMPLES, "some_other_name"])
def test_a_payload_that_contains_invalid_job_fails(server: Server, name: str) -> None:
    job = server.api.submit(name, payload={"task": "an invalid_job indeed"}, max_attempts=1)
    dead = server.api.job_in_state(job["id"], *ENDED, within=20)
    assert (dead["state"], outcomes(dead)) == ("dead", ["failed"])
    assert dead["attempts"][0]["error"]["message"]


def test_a_sample_worker_runs_jobs_side_by_side(server: Server) -> None:
    ids = server.api.submit_batch([{"name": "any_name"}] * 40)
    eventually(
        lambda: all(server.api.job(job_id)["state"] == "completed" for job_id in ids),
        within=40,
        what="40 jobs are done",
    )


@pytest.mark.parametrize(("script", "name"), WORKLOAD_SCRIPTS.items())
def test_a_script_sends_its_workload(launcher: Launcher, server: Server, script: str, name: str) -> None:
    jobs = sent_by(launcher, server, script)
    assert {job["name"] for job in jobs} == {name}
    assert {job["state"] for job in jobs} == {"completed"}


def test_the_failing_script_makes_dead_letters(launcher: Launcher, server: Server) -> None:
    jobs = sent_by(launcher, server, "submit-failing.sh")
    assert {job["state"] for job in jobs} == {"dead"}


def test_the_stress_script_sends_two_hundred_jobs(launcher: Launcher, server: Server) -> None:
    assert len(sent_by(launcher, server, "stress.sh")) == 200


@pytest.mark.parametrize("script", [*WORKLOAD_SCRIPTS, "submit-failing.sh", "stress.sh"])
def test_a_script_says_what_to_do_when_there_is_no_server(launcher: Launcher, script: str) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    ended = run_script(launcher, script, url)
    assert ended.returncode == 1
    assert url in ended.stderr
    assert re.search(r"make run|STINT_API_URL", ended.stderr)


def test_a_script_says_what_the_server_refused(launcher: Launcher) -> None:
    server = launcher.server({"STINT_TOKEN": "the token that the script lacks"})
    ended = run_script(launcher, "submit-cpu.sh", server.api_url)
    assert ended.returncode == 1
    assert "401" in ended.stderr


def test_a_script_shows_its_token(launcher: Launcher) -> None:
    token = "a-token-for-scripts"
    server = launcher.server({"STINT_TOKEN": token})
    settings = {"STINT_API_URL": server.api_url, "STINT_TOKEN": token}
    ended = launcher.run_program([str(SCRIPTS / "submit-cpu.sh")], settings, within=30)
    assert ended.returncode == 0, ended.stderr
    assert token not in ended.stdout + ended.stderr
    assert server.api.items("/v1/jobs")
