# SPDX-License-Identifier: Apache-2.0
"""A payload reaches the worker and the reader as the very bytes that were sent."""

import json
import re

import pytest

from api_client import ApiClient
from fake_worker import FakeWorker, completed
from stint_process import Launcher, Server

PAYLOAD_LIMIT = 256 * 1024
RESULT_LIMIT = 1024 * 1024

ODD_VALUES = {
    "one": "1",
    "one point zero": "1.0",
    "exponent": "1e2",
    "capital exponent with plus": "1E+02",
    "minus zero": "-0",
    "minus zero point zero": "-0.0",
    "beyond a double": "1e400",
    "below a double": "-1e-400",
    "beyond 64 bits": "123456789012345678901234567890",
    "two to the 53 plus one": "9007199254740993",
    "more digits than a double has": "0.1000000000000000055511151231257827",
    "four hundred digits": "9" * 400,
    "key order": '{"b":1,"a":2,"c":{"z":0,"y":0}}',
    "duplicate keys": '{"a":1,"a":2,"a":{"a":3,"a":4}}',
    "empty key": '{"":0}',
    "keys of a job": '{"payload":1,"name":"x","queue":[],"state":"dead"}',
    "white space inside": '[ 1 ,\t2\n, 3\r\n, { "a" : [ ] } ]',
    "escaped nul": r'"a\u0000b"',
    "lone high surrogate": r'"\ud800"',
    "lone low surrogate": r'"\udfff!"',
    "surrogates in the wrong order": r'"\udc00\ud800"',
    "escaped and plain spelling": r'"\u0041A\/\/\u002f/"',
    "capital hexadecimal": r'"\u00E9\u00e9"',
    "every short escape": r'"\"\\\/\b\f\n\r\t"',
    "plain unicode": '"é 漢字 \U0001f600"',
    "two spellings of one letter": '"\u00e9e\u0301"',
    "line separators": '"\u2028\u2029"',
    "noncharacters": '"\uffff\ufffe\U0010ffff"',
    "delete and byte order mark": '"\x7f\ufeff"',
    "right to left override": '"\u202eabc"',
    "brackets and quotes in a string": r'"}],{\"payload\":[\\"',
    "empty object": "{}",
    "empty array": "[]",
    "empty string": '""',
    "null": "null",
    "false": "false",
    "nested a hundred deep": "[" * 100 + "]" * 100,
    "objects nested a hundred deep": '{"a":' * 100 + "1" + "}" * 100,
    "long array": "[" + ",".join(str(number) for number in range(20_000)) + "]",
    "the longest allowed": '"' + "x" * (PAYLOAD_LIMIT - 2) + '"',
}

# Line breaks are white space within a value but end a line of NDJSON.
ONE_LINE_VALUES = {fact: raw for fact, raw in ODD_VALUES.items() if not set(raw) & set("\r\n")}


def assert_member(body: bytes, member: str, raw: str) -> None:
    """The body holds the member with exactly these bytes as its value."""
    expression = rb'"' + member.encode() + rb'"\s*:\s*' + re.escape(raw.encode()) + rb"\s*[,}]"
    assert re.search(expression, body), f"no {member} of the bytes {raw[:200]!r} in {body[:1000]!r}"


def submission(queue: str, raw: str) -> bytes:
    return f'{{"name":"odd","payload":{raw},"queue":"{queue}"}}'.encode()


def submitted(api: ApiClient, queue: str, raw: str) -> str:
    return api.post("/v1/jobs", submission(queue, raw)).expect(201)["id"]


@pytest.mark.parametrize("raw", ODD_VALUES.values(), ids=ODD_VALUES.keys())
def test_a_payload_is_kept_byte_for_byte(server: Server, queue: str, raw: str) -> None:
    answer = server.api.post("/v1/jobs", submission(queue, raw))
    assert_member(answer.body, "payload", raw)
    job_id = answer.expect(201)["id"]
    assert_member(server.api.get(f"/v1/jobs/{job_id}").body, "payload", raw)
    assert_member(FakeWorker(server, queues=[queue]).send_poll(wait_seconds=5).body, "payload", raw)


@pytest.mark.parametrize("raw", ODD_VALUES.values(), ids=ODD_VALUES.keys())
def test_a_result_is_kept_byte_for_byte(server: Server, queue: str, raw: str) -> None:
    job_id = submitted(server.api, queue, "0")
    worker = FakeWorker(server, queues=[queue])
    report = json.dumps(completed(worker.take_one(), "PLACEHOLDER")).replace('"PLACEHOLDER"', raw)
    answer = server.coordinator.post(f"/v1/workers/{worker.worker_id}/results", f'{{"results":[{report}]}}'.encode())
    assert [entry["status"] for entry in answer.expect(200)["results"]] == ["accepted"]
    assert_member(server.api.get(f"/v1/jobs/{job_id}").body, "result", raw)
    assert_member(server.api.get(f"/v1/jobs/{job_id}/result").body, "result", raw)


def test_a_batch_keeps_payloads_byte_for_byte(api: ApiClient, queue: str) -> None:
    jobs = b",\n ".join(submission(queue, raw) for raw in ODD_VALUES.values())
    ids = api.post("/v1/jobs/batch", b'{"jobs": [' + jobs + b"] }").expect(201)["ids"]
    for job_id, raw in zip(ids, ODD_VALUES.values(), strict=True):
        assert_member(api.get(f"/v1/jobs/{job_id}").body, "payload", raw)


def test_lines_of_a_batch_keep_payloads_byte_for_byte(api: ApiClient, queue: str) -> None:
    lines = b"\n".join(submission(queue, raw) for raw in ONE_LINE_VALUES.values()) + b"\n"
    answer = api.post("/v1/jobs/batch", lines, {"Content-Type": "application/x-ndjson"})
    for job_id, raw in zip(answer.expect(201)["ids"], ONE_LINE_VALUES.values(), strict=True):
        assert_member(api.get(f"/v1/jobs/{job_id}").body, "payload", raw)


def test_the_short_form_keeps_payloads_byte_for_byte(api: ApiClient) -> None:
    for raw in ODD_VALUES.values():
        job_id = api.post("/submit_job", f'{{"name":"odd","payload":{raw}}}'.encode()).expect(201)["job_id"]
        assert_member(api.get(f"/v1/jobs/{job_id}").body, "payload", raw)


def test_payloads_are_the_same_bytes_after_a_restart(launcher: Launcher) -> None:
    server = launcher.server(restartable=True)
    ids = [submitted(server.api, "default", raw) for raw in ODD_VALUES.values()]
    server.restart()
    for job_id, raw in zip(ids, ODD_VALUES.values(), strict=True):
        assert_member(server.api.get(f"/v1/jobs/{job_id}").body, "payload", raw)


def test_white_space_around_a_payload_is_not_part_of_it(api: ApiClient, queue: str) -> None:
    job_id = submitted(api, queue, ' \n\t{ "a" : 1 } \r\n')
    assert_member(api.get(f"/v1/jobs/{job_id}").body, "payload", '{ "a" : 1 }')


def test_a_result_of_one_mebibyte_is_accepted(server: Server, queue: str) -> None:
    job_id = submitted(server.api, queue, "0")
    worker = FakeWorker(server, queues=[queue])
    result = "x" * (RESULT_LIMIT - 2)
    assert worker.report(completed(worker.take_one(), result)) == ["accepted"]
    assert server.api.job(job_id)["result"] == result
