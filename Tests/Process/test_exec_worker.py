# SPDX-License-Identifier: Apache-2.0
"""`stint worker --exec`: shell commands as handlers, and how a worker ends."""

from pathlib import Path

import pytest

from api_client import outcomes
from stint_process import Launcher, Server, is_running
from waiting import Stopwatch, eventually

ODD_PAYLOAD = b'{ "b": 1.0, "a": "it\'s $HOME; `true` \\u0000" , "a":1e400}'
FAST = {"base_seconds": 0.1, "factor": 1, "cap_seconds": 0.1, "jitter": "none"}


@pytest.fixture(scope="module")
def server(module_launcher: Launcher) -> Server:
    return module_launcher.server()


@pytest.fixture
def file(launcher: Launcher) -> Path:
    """Does not exist yet: a handler writes it."""
    return launcher.directory("handler") / "written"


def written(file: Path) -> str:
    eventually(file.exists, within=10, what=f"{file} is written")
    return file.read_text()


def running_handler(file: Path) -> int:
    """The process id that a handler wrote to the file."""
    return int(eventually(lambda: file.exists() and file.read_text().strip(), within=10, what="the handler runs"))


def test_a_command_gets_the_payload_on_its_input_byte_for_byte(launcher: Launcher, server: Server, file: Path) -> None:
    launcher.exec_worker(server, {"keep": f"cat > {file}"})
    body = b'{"name":"keep","payload":' + ODD_PAYLOAD + b"}"
    job = server.api.post("/v1/jobs", body).expect(201)
    server.api.job_in_state(job["id"], "completed", within=10)
    assert file.read_bytes() == ODD_PAYLOAD


def test_a_payload_in_the_command_is_one_argument_that_runs_nothing(
    launcher: Launcher, server: Server, file: Path
) -> None:
    payload = f"'; touch {file}; echo '$(touch {file})`touch {file}`"
    launcher.exec_worker(server, {"quote": "test -n {payload}"})
    job = server.api.submit("quote", payload=payload)
    server.api.job_in_state(job["id"], "completed", within=10)
    assert not file.exists()


def test_a_command_knows_its_job(launcher: Launcher, server: Server, file: Path) -> None:
    launcher.exec_worker(server, {"environment": f"env > {file}.part; mv {file}.part {file}"})
    job = server.api.submit("environment", payload={"a": 1})
    server.api.job_in_state(job["id"], "completed", within=10)
    assert job["id"] in written(file)


def test_the_exit_code_of_a_command_decides(launcher: Launcher, server: Server) -> None:
    launcher.exec_worker(server, {"good": "exit 0", "bad": "echo the reason >&2; exit 7"})
    good = server.api.submit("good")
    bad = server.api.submit("bad", max_attempts=2, retry=FAST)
    assert outcomes(server.api.job_in_state(good["id"], "completed", within=10)) == ["completed"]
    dead = server.api.job_in_state(bad["id"], "dead", within=10)
    assert (outcomes(dead), dead["cause"]) == (["failed", "failed"], "attempts_exhausted")
    error = dead["attempts"][0]["error"]
    assert "7" in f"{error['type']} {error['message']}"
    assert "the reason" in f"{error['message']} {error['stack']}"


def test_a_worker_takes_only_the_names_it_has_commands_for(launcher: Launcher, server: Server) -> None:
    launcher.exec_worker(server, {"mine": "true"})
    other = server.api.submit("not_mine")
    server.api.job_in_state(server.api.submit("mine")["id"], "completed", within=10)
    assert server.api.job(other["id"])["state"] == "available"


def test_a_worker_runs_no_more_at_once_than_it_has_slots(launcher: Launcher, server: Server) -> None:
    worker = launcher.exec_worker(server, {"slots": "sleep 1"}, concurrency=2)
    ids = server.api.submit_batch([{"name": "slots"}] * 4)
    most = 0

    def all_done() -> bool:
        nonlocal most
        session = server.api.worker(worker.session_id)
        assert session is not None
        most = max(most, session["running"])
        return all(server.api.job(job_id)["state"] == "completed" for job_id in ids)

    eventually(all_done, within=20, what="four jobs are done on two slots")
    assert most == 2


def test_a_cancelled_command_is_ended(launcher: Launcher, server: Server, file: Path) -> None:
    launcher.exec_worker(server, {"long": f"echo $$ > {file}; exec sleep 60"})
    job = server.api.submit("long")
    handler = running_handler(file)
    server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    cancelled = server.api.job_in_state(job["id"], "cancelled", within=10)
    assert outcomes(cancelled) == ["cancelled"]
    assert not is_running(handler)


def test_a_command_and_what_it_started_are_ended_together(launcher: Launcher, server: Server, file: Path) -> None:
    launcher.exec_worker(server, {"parent": f"sleep 60 & echo $! > {file}; wait"})
    job = server.api.submit("parent")
    grandchild = running_handler(file)
    server.api.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
    server.api.job_in_state(job["id"], "cancelled", within=10)
    eventually(lambda: not is_running(grandchild), within=10, what="what the command started has ended")


def test_a_command_dies_with_its_worker_however_that_dies(launcher: Launcher, server: Server, file: Path) -> None:
    worker = launcher.exec_worker(server, {"orphan": f"echo $$ > {file}; exec sleep 60"})
    server.api.submit("orphan", max_losses=1)
    handler = running_handler(file)
    worker.kill9()
    eventually(lambda: not is_running(handler), within=5, what="the command died with its worker")


def test_a_command_outlives_the_start_of_others(launcher: Launcher, server: Server, file: Path) -> None:
    # The system kills a command when the thread that started it ends: it must not be one that ends early.
    launcher.exec_worker(server, {"patient": f"echo $$ > {file}; sleep 1; echo done", "short": "true"}, concurrency=4)
    patient = server.api.submit("patient")
    running_handler(file)
    for job_id in server.api.submit_batch([{"name": "short"}] * 20):
        server.api.job_in_state(job_id, "completed", within=10)
    done = server.api.job_in_state(patient["id"], "completed", within=10)
    assert (done["result"], outcomes(done)) == ("done\n", ["completed"])


def test_a_worker_that_is_told_to_end_lets_its_jobs_end_first(launcher: Launcher, server: Server, file: Path) -> None:
    worker = launcher.exec_worker(server, {"finishing": f"echo $$ > {file}; sleep 1"})
    job = server.api.submit("finishing")
    running_handler(file)
    worker.stop(within=10)
    done = server.api.job(job["id"])
    assert (done["state"], outcomes(done)) == ("completed", ["completed"])
    session = server.api.worker(worker.session_id)
    assert session is not None and session["state"] == "unavailable"


def test_what_does_not_end_within_the_drain_time_is_released(launcher: Launcher, server: Server, file: Path) -> None:
    drain = {"STINT_DRAIN_SECONDS": "1"}
    worker = launcher.exec_worker(server, {"endless": f"echo $$ > {file}; exec sleep 60"}, settings=drain)
    job = server.api.submit("endless")
    handler = running_handler(file)
    watch = Stopwatch()
    worker.stop(within=15)
    assert watch.seconds >= 0.9
    waiting = server.api.job(job["id"])
    assert (waiting["state"], outcomes(waiting)) == ("available", ["released"])
    assert (waiting["failures"], waiting["losses"]) == (0, 0)
    assert not is_running(handler)


def test_a_drained_worker_takes_no_more_jobs(launcher: Launcher, server: Server) -> None:
    worker = launcher.exec_worker(server, {"drained": "true"})
    server.api.job_in_state(server.api.submit("drained")["id"], "completed", within=10)
    server.api.post(f"/v1/workers/{worker.session_id}/drain").expect(200, 202)
    job = server.api.submit("drained")
    launcher.exec_worker(server, {"probe": "true"})
    server.api.job_in_state(server.api.submit("probe")["id"], "completed", within=10)
    assert server.api.job(job["id"])["state"] == "available"


def test_a_worker_waits_for_a_server_that_comes_back(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    worker = launcher.exec_worker(server, {"patient": "true"})
    server.kill9()
    assert worker.process.exit_code is None
    server.start()
    job = server.api.submit("patient")
    server.api.job_in_state(job["id"], "completed", within=20)


def test_a_worker_tries_its_coordinators_in_turn(launcher: Launcher) -> None:
    server = launcher.server()
    urls = {"STINT_COORDINATOR_URLS": f"http://127.0.0.1:1,{server.coordinator_url}"}
    launcher.exec_worker(server, {"second": "true"}, settings=urls)
    job = server.api.submit("second")
    server.api.job_in_state(job["id"], "completed", within=15)


def test_a_result_that_is_finished_while_the_server_is_away_is_reported_later(launcher: Launcher, file: Path) -> None:
    server = launcher.server(restartable=True)
    launcher.exec_worker(server, {"away": f"echo $$ > {file}; sleep 1"})
    job = server.api.submit("away")
    handler = running_handler(file)
    server.kill9()
    eventually(lambda: not is_running(handler), within=10, what="the command ended while the server is away")
    server.start()
    done = server.api.job_in_state(job["id"], "completed", within=20)
    assert outcomes(done) == ["completed"]
