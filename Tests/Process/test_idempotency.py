# SPDX-License-Identifier: Apache-2.0
"""The same request with the same Idempotency-Key gives exactly one job."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_client import Answer, ApiClient
from stint_process import Launcher, Server
from waiting import eventually

CONCURRENT = 200


def keyed(api: ApiClient, path: str, body: Any, key: str) -> Answer:
    return api.post(path, body, {"Idempotency-Key": key})


def decided(api: ApiClient, path: str, body: Any, key: str) -> Answer:
    """The answer once the first request with the key is decided."""

    def answer() -> Answer | None:
        answer = keyed(api, path, body, key)
        if answer.status == 409:
            answer.problem(409, code="idempotency_in_progress")
            return None
        return answer

    return eventually(answer, within=15, what=f"the first request with key {key} is decided")


def all_at_once(api: ApiClient, path: str, body: Any, key: str) -> list[Answer]:
    barrier = threading.Barrier(CONCURRENT)

    def one(_: int) -> Answer:
        barrier.wait(timeout=30)
        try:
            return decided(api, path, body, key)
        finally:
            api.disconnect()

    with ThreadPoolExecutor(CONCURRENT) as pool:
        return list(pool.map(one, range(CONCURRENT)))


def stored(api: ApiClient, queue: str) -> list[str]:
    return [job["id"] for job in api.items(f"/v1/jobs?queue={queue}")]


def assert_replayed(answer: Answer) -> Any:
    assert answer.headers["Idempotency-Replayed"] == "true"
    return answer.expect(200)


def test_two_hundred_concurrent_requests_with_one_key_make_one_job(api: ApiClient, queue: str) -> None:
    answers = all_at_once(api, "/v1/jobs", {"name": "work", "queue": queue}, f"key-{queue}")
    ids = {answer.expect(200, 201)["id"] for answer in answers}
    assert len(ids) == 1
    assert sorted(answer.status for answer in answers) == [200] * (CONCURRENT - 1) + [201]
    assert stored(api, queue) == list(ids)


def test_two_hundred_concurrent_batches_with_one_key_make_one_batch(api: ApiClient, queue: str) -> None:
    answers = all_at_once(api, "/v1/jobs/batch", {"jobs": [{"name": "work", "queue": queue}] * 3}, f"key-{queue}")
    batches = {tuple(answer.expect(200, 201)["ids"]) for answer in answers}
    assert len(batches) == 1
    assert sorted(stored(api, queue)) == sorted(*batches)


def test_a_repeated_submission_is_answered_with_the_same_job(api: ApiClient, queue: str) -> None:
    body = {"name": "work", "queue": queue, "payload": [1, 2]}
    first = keyed(api, "/v1/jobs", body, f"key-{queue}")
    assert "Idempotency-Replayed" not in first.headers
    assert assert_replayed(keyed(api, "/v1/jobs", body, f"key-{queue}"))["id"] == first.expect(201)["id"]


def test_a_repeated_batch_is_answered_with_the_same_ids(api: ApiClient, queue: str) -> None:
    body = {"jobs": [{"name": "work", "queue": queue}] * 5}
    first = keyed(api, "/v1/jobs/batch", body, f"key-{queue}").expect(201)
    assert assert_replayed(keyed(api, "/v1/jobs/batch", body, f"key-{queue}"))["ids"] == first["ids"]
    assert len(stored(api, queue)) == 5


def test_a_repeated_short_form_is_answered_with_the_same_id(api: ApiClient, queue: str) -> None:
    body = {"name": f"short-{queue}", "payload": "test"}
    first = keyed(api, "/submit_job", body, f"key-{queue}").expect(201)
    assert assert_replayed(keyed(api, "/submit_job", body, f"key-{queue}"))["job_id"] == first["job_id"]
    assert [job["id"] for job in api.items(f"/v1/jobs?name=short-{queue}")] == [first["job_id"]]


@pytest.mark.parametrize("path", ["/v1/jobs", "/submit_job"])
def test_another_body_with_the_same_key_is_refused(api: ApiClient, queue: str, path: str) -> None:
    name = f"refused-{queue}"
    keyed(api, path, {"name": name, "payload": 1}, f"key-{queue}").expect(201)
    keyed(api, path, {"name": name, "payload": 2}, f"key-{queue}").problem(422)
    assert len(api.items(f"/v1/jobs?name={name}")) == 1


def test_another_batch_with_the_same_key_is_refused(api: ApiClient, queue: str) -> None:
    job = {"name": "work", "queue": queue}
    keyed(api, "/v1/jobs/batch", {"jobs": [job] * 2}, f"key-{queue}").expect(201)
    keyed(api, "/v1/jobs/batch", {"jobs": [job] * 3}, f"key-{queue}").problem(422)
    assert len(stored(api, queue)) == 2


def test_the_same_body_means_the_same_bytes(api: ApiClient, queue: str) -> None:
    body = {"name": "work", "queue": queue}
    keyed(api, "/v1/jobs", json.dumps(body).encode(), f"key-{queue}").expect(201)
    keyed(api, "/v1/jobs", json.dumps(body, indent=1).encode(), f"key-{queue}").problem(422)


def test_other_keys_make_other_jobs(api: ApiClient, queue: str) -> None:
    body = {"name": "work", "queue": queue}
    ids = {keyed(api, "/v1/jobs", body, f"key-{queue}-{number}").expect(201)["id"] for number in range(5)}
    assert sorted(stored(api, queue)) == sorted(ids)


def test_keys_differ_by_case_and_may_be_any_visible_characters(api: ApiClient, queue: str) -> None:
    body = {"name": "work", "queue": queue}
    visible = "".join(map(chr, range(0x21, 0x7F)))
    keys = ["a", "A", visible, "x" * 255, visible[::-1]]
    ids = {keyed(api, "/v1/jobs", body, key).expect(201)["id"] for key in keys}
    assert len(ids) == len(keys)


def test_a_refused_request_leaves_its_key_unused(api: ApiClient, queue: str) -> None:
    keyed(api, "/v1/jobs", {"name": "work", "queue": queue, "priority": 1000}, f"key-{queue}").problem(400)
    keyed(api, "/v1/jobs", {"name": "work", "queue": queue, "priority": 10}, f"key-{queue}").expect(201)


def submit_keyed(server: Server, key: str) -> Answer:
    return keyed(server.api, "/v1/jobs", {"name": "work"}, key)


def test_a_key_is_remembered_over_a_restart(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    first = submit_keyed(server, "restart").expect(201)
    server.restart()
    assert assert_replayed(submit_keyed(server, "restart"))["id"] == first["id"]


def test_a_key_is_forgotten_when_its_time_is_over(launcher: Launcher) -> None:
    server = launcher.server({"STINT_IDEMPOTENCY_SECONDS": "1"})
    first = submit_keyed(server, "short").expect(201)

    def second() -> str | None:
        answer = submit_keyed(server, "short")
        return answer.json["id"] if answer.status == 201 else None

    assert eventually(second, within=5, what="the key is forgotten") != first["id"]
