# SPDX-License-Identifier: Apache-2.0
"""Requests that must be refused, as data. `{worker}` and `{job}` in a path stand for a live session and a known job."""

from dataclasses import dataclass, field
from typing import Literal

from api_client import UNKNOWN_ID

Port = Literal["api", "coordinator"]

NDJSON = {"Content-Type": "application/x-ndjson"}
BAD = (400,)
TOO_LARGE = (413,)
NOT_FOUND = (404,)
NO_SUCH_METHOD = (404, 405)
PAYLOAD_LIMIT = 256 * 1024
RESULT_LIMIT = 1024 * 1024
TEN_YEARS_AND_A_DAY = 10 * 366 * 86_400


@dataclass(frozen=True)
class BadRequest:
    """One well-framed request and the statuses it may get."""

    fact: str
    method: str
    path: str
    body: bytes | None = None
    statuses: tuple[int, ...] = BAD
    headers: dict[str, str] = field(default_factory=dict)
    port: Port = "api"
    # The index of the offending job that a batch error must carry.
    index: int | None = None


def submit(fact: str, body: bytes, statuses: tuple[int, ...] = BAD) -> BadRequest:
    return BadRequest(fact, "POST", "/v1/jobs", body, statuses)


def job_field(name: str, raw: str) -> BadRequest:
    """A job that is good but for one field."""
    return submit(f"{name} is {raw[:40]}", f'{{"name":"bad","{name}":{raw}}}'.encode())


def job_name(fact: str, raw: str) -> BadRequest:
    return submit(f"the name is {fact}", f'{{"name":{raw}}}'.encode())


def payload(fact: str, raw: bytes, statuses: tuple[int, ...] = BAD) -> BadRequest:
    return submit(f"the payload {fact}", b'{"name":"bad","payload":' + raw + b"}", statuses)


def batch(fact: str, body: bytes, statuses: tuple[int, ...] = BAD, index: int | None = None) -> BadRequest:
    return BadRequest(f"batch: {fact}", "POST", "/v1/jobs/batch", body, statuses, index=index)


def lines(fact: str, body: bytes, statuses: tuple[int, ...] = BAD, index: int | None = None) -> BadRequest:
    return BadRequest(f"batch of lines: {fact}", "POST", "/v1/jobs/batch", body, statuses, NDJSON, index=index)


def short_form(fact: str, body: bytes, statuses: tuple[int, ...] = BAD) -> BadRequest:
    return BadRequest(f"short form: {fact}", "POST", "/submit_job", body, statuses)


def get(path: str, statuses: tuple[int, ...] = BAD) -> BadRequest:
    return BadRequest(f"GET {path[:60]}", "GET", path, None, statuses)


def call(
    method: str, path: str, statuses: tuple[int, ...] = NO_SUCH_METHOD, body: bytes | None = None, port: Port = "api"
) -> BadRequest:
    return BadRequest(f"{method} {path[:60]} at the {port}", method, path, body, statuses, port=port)


def keyed(fact: str, key: str) -> BadRequest:
    headers = {"Idempotency-Key": key}
    return BadRequest(f"the key {fact}", "POST", "/v1/jobs", b'{"name":"bad"}', BAD, headers)


def dead_letters(fact: str, body: bytes) -> list[BadRequest]:
    paths = ("/v1/dead-letters/redrive", "/v1/dead-letters/purge")
    return [BadRequest(f"{path}: {fact}", "POST", path, body) for path in paths]


def coordinator(path: str, fact: str, body: bytes, statuses: tuple[int, ...] = BAD) -> BadRequest:
    return BadRequest(f"{path or 'register'}: {fact}", "POST", f"/v1/workers{path}", body, statuses, port="coordinator")


def register(fact: str, **fields: str) -> BadRequest:
    """A registration that is good but for the fields given."""
    good = {"name": '"w"', "queues": '["q"]', "job_names": '["*"]', "concurrency": "1", "labels": "{}", "sdk": '"s"'}
    members = ",".join(f'"{name}":{raw}' for name, raw in {**good, **fields}.items())
    return coordinator("", fact, f"{{{members}}}".encode())


def poll(fact: str, body: bytes) -> BadRequest:
    return coordinator("/{worker}/poll", fact, body)


def results(fact: str, body: bytes, statuses: tuple[int, ...] = BAD) -> BadRequest:
    return coordinator("/{worker}/results", fact, body, statuses)


def result(fact: str, members: str, statuses: tuple[int, ...] = BAD) -> BadRequest:
    """One report, its lease well formed but nobody's."""
    lease = f"{UNKNOWN_ID.replace('-', '')}-1-0000000000000001"
    report = f'{{"lease":"{lease}","job_id":"{UNKNOWN_ID}",{members}}}'
    return results(fact, f'{{"results":[{report}]}}'.encode(), statuses)


def heartbeat(fact: str, body: bytes) -> BadRequest:
    return coordinator("/{worker}/heartbeat", fact, body)


JSON_TEXT = [
    submit("no body", b""),
    submit("white space only", b" \n\t "),
    submit("words", b"not json"),
    submit("an object that does not end", b'{"name":"bad"'),
    submit("a string that does not end", b'{"name":"bad'),
    submit("something behind the end", b'{"name":"bad"} x'),
    submit("two documents", b'{"name":"bad"}{"name":"bad"}'),
    submit("an array", b'[{"name":"bad"}]'),
    submit("a string", b'"bad"'),
    submit("a number", b"1"),
    submit("null", b"null"),
    submit("single quotes", b"{'name':'bad'}"),
    submit("a comment", b'{"name":"bad"/* why */}'),
    submit("a trailing comma", b'{"name":"bad",}'),
    submit("a missing comma", b'{"name":"bad" "payload":1}'),
    submit("a missing colon", b'{"name" "bad"}'),
    submit("a name without quotes", b'{name:"bad"}'),
    submit("a byte order mark", b'\xef\xbb\xbf{"name":"bad"}'),
    submit("UTF-16", '{"name":"bad"}'.encode("utf-16")),
    submit("binary", bytes(range(256))),
    submit("a form", b"name=bad&payload=1"),
    submit("a known field twice", b'{"name":"bad","name":"bad"}'),
    submit("the payload twice", b'{"name":"bad","payload":1,"payload":2}'),
    submit("a known field twice, once with escapes", b'{"name":"bad","n\\u0061me":"bad"}'),
    submit("an unknown field", b'{"name":"bad","pri0rity":1}'),
    submit("a field in another case", b'{"Name":"bad"}'),
    submit("a field that only the server sets", b'{"name":"bad","state":"completed"}'),
    submit("an id of the client's", f'{{"name":"bad","id":"{UNKNOWN_ID}"}}'.encode()),
]

PAYLOADS = [
    payload("is NaN", b"NaN"),
    payload("is Infinity", b"Infinity"),
    payload("is -Infinity", b"-Infinity"),
    payload("is missing its value", b""),
    payload("has a leading zero", b"01"),
    payload("has a leading plus", b"+1"),
    payload("has no digit before the point", b".5"),
    payload("has no digit after the point", b"1."),
    payload("has no digit in the exponent", b"1e"),
    payload("is hexadecimal", b"0x1F"),
    payload("is a lone minus", b"-"),
    payload("is True", b"True"),
    payload("is undefined", b"undefined"),
    payload("has an unknown escape", b'"\\x41"'),
    payload("has a bad unicode escape", b'"\\u12G4"'),
    payload("has a short unicode escape", b'"\\u12"'),
    payload("has a line break in a string", b'"a\nb"'),
    payload("has a NUL in a string", b'"a\x00b"'),
    payload("has a tab in a string", b'"a\tb"'),
    payload("has a stray continuation byte", b'"\x80"'),
    payload("has a cut UTF-8 sequence", b'"\xe2\x82"'),
    payload("has overlong UTF-8", b'"\xc0\xaf"'),
    payload("has a surrogate in UTF-8", b'"\xed\xa0\x80"'),
    payload("is beyond the last code point", b'"\xf4\x90\x80\x80"'),
    payload("has Latin-1", b'"caf\xe9"'),
    payload("has brackets that do not match", b"[1}"),
    payload("has a bracket too few", b"[[1]"),
    payload("has a trailing comma", b"[1,]"),
    payload("has a leading comma", b"[,1]"),
    payload("is nested 129 deep", b"[" * 129 + b"]" * 129),
    payload("is objects nested 129 deep", b'{"a":' * 129 + b"1" + b"}" * 129),
    payload("is nested 100,000 deep", b"[" * 100_000 + b"]" * 100_000),
    payload("is nested 100,000 deep and never closed", b"[" * 100_000),
    payload("is one byte too large", b'"' + b"x" * (PAYLOAD_LIMIT - 1) + b'"', TOO_LARGE),
    payload("is much too large", b'"' + b"x" * (4 * PAYLOAD_LIMIT) + b'"', TOO_LARGE),
    payload("is one byte too large with white space", b"[" + b" " * (PAYLOAD_LIMIT - 1) + b"]", TOO_LARGE),
]

LONG = f'"{"x" * 129}"'

NAMES = [
    submit("no name", b'{"payload":1}'),
    job_name("empty", '""'),
    job_name("null", "null"),
    job_name("a number", "7"),
    job_name("an array", '["a"]'),
    job_name("129 characters", LONG),
    job_name("with a space", '"a b"'),
    job_name("with a slash", '"a/b"'),
    job_name("with a star", '"*"'),
    job_name("with a letter beyond ASCII", '"é"'),
    job_name("with a NUL", r'"a\u0000"'),
    job_name("with a lone surrogate", r'"a\ud800"'),
    job_name("with a line break", r'"a\n"'),
    job_name("with markup", '"<b>"'),
    job_name("with a quote", '"a\'; DROP TABLE jobs; --"'),
    *(job_field("queue", raw) for raw in ('""', "1", LONG, '"a b"', '"a/b"', '"ü"', r'"\u0000"', "[]")),
]

NUMBERS = {
    "priority": ("101", "-101", "1.5", '"1"', "true", "1e400", "99999999999999999999", "[]"),
    "delay_seconds": ("-1", "-0.001", '"1"', "1e400", "1e30", str(TEN_YEARS_AND_A_DAY), "{}", "true"),
    "start_within_seconds": ("-1", '"1"', "1e400", "[]", "false"),
    "max_attempts": ("0", "-1", "1001", "1.5", '"3"', "9223372036854775808", "true"),
    "max_losses": ("0", "-1", "101", "1.5", '"3"', "{}"),
    "timeout_seconds": ("0", "-1", "604801", '"30"', "1e400", "true"),
}

FIELDS = [
    *(job_field(name, raw) for name, values in NUMBERS.items() for raw in values),
    *(
        job_field("run_at", raw)
        for raw in (
            "1767225600",
            "true",
            '""',
            '"tomorrow"',
            '"2027-01-01"',
            '"2027-01-01T00:00:00"',
            '"2027-02-30T00:00:00Z"',
            '"2027-13-01T00:00:00Z"',
            '"2027-01-01T25:00:00Z"',
            '"2027-01-01T00:00:00+25:00"',
            '"99999-01-01T00:00:00Z"',
            '"infinity"',
            r'"2027-01-01T00:00:00Z\u0000"',
        )
    ),
    submit("a time and a delay", b'{"name":"bad","run_at":"2027-01-01T00:00:00Z","delay_seconds":5}'),
    *(
        job_field("retry", raw)
        for raw in (
            "7",
            '"fast"',
            "[]",
            '{"base":2}',
            '{"base_seconds":-1}',
            '{"base_seconds":"2"}',
            '{"base_seconds":1e400}',
            '{"factor":-1}',
            '{"factor":"2"}',
            '{"cap_seconds":-1}',
            '{"jitter":"some"}',
            '{"jitter":1}',
        )
    ),
    *(job_field("tags", raw) for raw in ('"a"', "[1]", "[null]", '[["a"]]', '{"a":1}')),
    submit("17 tags", b'{"name":"bad","tags":[' + b",".join(b'"t%d"' % n for n in range(17)) + b"]}"),
    *(job_field("metadata", raw) for raw in ("[]", '"a"', '{"a":1}', '{"a":null}', '{"a":{"b":"c"}}')),
    submit("17 metadata pairs", b'{"name":"bad","metadata":{' + b",".join(b'"k%d":"v"' % n for n in range(17)) + b"}}"),
    job_field("traceparent", "7"),
]

BATCHES = [
    batch("no body", b""),
    batch("an array", b'[{"name":"bad"}]'),
    batch("no jobs", b"{}"),
    batch("jobs are no array", b'{"jobs":{"name":"bad"}}'),
    batch("an unknown field", b'{"jobs":[{"name":"bad"}],"all":true}'),
    batch("10,001 jobs", b'{"jobs":[' + b",".join([b'{"name":"a"}'] * 10_001) + b"]}", (400, 413)),
    batch("one bad job", b'{"jobs":[{"name":"a"},{"name":"a"},{"name":"a"},{"name":""}]}', index=3),
    batch("an unknown field in a job", b'{"jobs":[{"name":"a"},{"name":"a","nmae":1}]}', index=1),
    batch("a job that is a number", b'{"jobs":[1]}', index=0),
    batch("a job that does not end", b'{"jobs":[{"name":"a"},{"name":"a"'),
    batch("a payload too large", b'{"jobs":[{"name":"a","payload":"' + b"x" * PAYLOAD_LIMIT + b'"}]}', TOO_LARGE),
    lines("a bad line", b'{"name":"a"}\n{"name":"a"}\n{"name":""}\n', index=2),
    lines("words", b'{"name":"a"}\nnot json\n', index=1),
    lines("two jobs on a line", b'{"name":"a"}{"name":"a"}\n', index=0),
    lines("a cut last line", b'{"name":"a"}\n{"name":', index=1),
    lines("an array", b'[{"name":"a"}]\n', index=0),
    lines("10,001 jobs", b'{"name":"a"}\n' * 10_001, (400, 413)),
    short_form("no body", b""),
    short_form("no name", b'{"payload":1}'),
    short_form("an unknown field", b'{"name":"bad","nmae":1}'),
    short_form("a bad name", b'{"name":"a b"}'),
    short_form("a payload too large", b'{"name":"bad","payload":"' + b"x" * PAYLOAD_LIMIT + b'"}', TOO_LARGE),
]

KEYS = [
    keyed("is empty", ""),
    keyed("has 256 characters", "x" * 256),
    keyed("has a space within", "a b"),
    keyed("has a tab within", "a\tb"),
    keyed("is beyond ASCII", "caf\xe9"),
]

NO_IDS = ("abc", "1", "-1", "%00", "..%2f..%2fetc", "x" * 2000)
BAD_IDS = (*NO_IDS, UNKNOWN_ID[:-1], UNKNOWN_ID + "0", f"%7B{UNKNOWN_ID}%7D")

IDS = [
    *(get(f"/v1/jobs/{job_id}", NOT_FOUND) for job_id in (*BAD_IDS, UNKNOWN_ID)),
    *(get(f"/v1/jobs/{job_id}/{view}", NOT_FOUND) for job_id in ("abc", UNKNOWN_ID) for view in ("result", "explain")),
    *(
        call("POST", f"/v1/jobs/{job_id}/{action}", NOT_FOUND)
        for job_id in ("abc", UNKNOWN_ID)
        for action in ("cancel", "retry")
    ),
    *(call("DELETE", f"/v1/jobs/{job_id}", NOT_FOUND) for job_id in ("abc", UNKNOWN_ID)),
    *(call("POST", f"/v1/workers/{worker_id}/drain", NOT_FOUND) for worker_id in ("abc", UNKNOWN_ID)),
    get("/v1/queues/a%20b", (400, 404)),
    call("POST", "/v1/queues/a%20b/pause", (400, 404)),
    call("POST", f"/v1/queues/{'x' * 129}/resume", (400, 404)),
]

QUERIES = [
    *(get(f"/v1/jobs?limit={limit}") for limit in ("0", "-1", "201", "ten", "1e2", "", "99999999999999999999")),
    *(get(f"/v1/jobs?cursor={cursor}") for cursor in ("zzz", "%00", "x" * 1000, "..%2f..")),
    get("/v1/jobs?state=done"),
    get("/v1/jobs?state="),
    get("/v1/jobs?sort=name"),
    get("/v1/jobs?created_after=yesterday"),
    get("/v1/jobs?created_before=2027-02-30T00:00:00Z"),
    get("/v1/dead-letters?cause=unlucky"),
    get("/v1/dead-letters?limit=201"),
    get("/v1/dead-letters?state=dead"),
    get("/v1/dead-letters?cursor=zzz"),
    *(get(f"/v1/jobs/{{job}}/result?wait={wait}") for wait in ("soon", "-1", "NaN", "")),
    get("/v1/jobs/{job}/result?timeout=1"),
]

DEAD_LETTERS = [
    *dead_letters("words", b"not json"),
    *dead_letters("an array", b"[]"),
    *dead_letters("a filter that is no object", b'{"filter":"all"}'),
    *dead_letters("an unknown field in the filter", b'{"filter":{"quue":"q"}}'),
    *dead_letters("an unknown field", b'{"filter":{},"force":true}'),
    *dead_letters("an unknown cause", b'{"filter":{"cause":"unlucky"}}'),
    *dead_letters("a limit below one", b'{"filter":{"queue":"nobody"},"limit":0}'),
    *dead_letters("a limit that is no number", b'{"filter":{"queue":"nobody"},"limit":"all"}'),
    *dead_letters("a limit that is negative", b'{"filter":{"queue":"nobody"},"limit":-5}'),
    dead_letters("a rate of zero", b'{"filter":{"queue":"nobody"},"per_second":0}')[0],
    dead_letters("a negative rate", b'{"filter":{"queue":"nobody"},"per_second":-1}')[0],
]

METHODS = [
    call("PUT", "/v1/jobs"),
    call("DELETE", "/v1/jobs"),
    call("PATCH", "/v1/jobs/{job}"),
    call("POST", "/v1/jobs/{job}"),
    call("GET", "/submit_job"),
    call("GET", "/v1/jobs/{job}/cancel"),
    call("POST", "/v1/stats"),
    call("DELETE", "/v1/queues"),
    call("POST", "/healthz"),
    call("GET", "/v2/jobs", NOT_FOUND),
    call("GET", "/v1", NOT_FOUND),
    call("GET", "/.git/config", NOT_FOUND),
    call("GET", "/..%2f..%2fetc%2fpasswd", (400, 404)),
    call("POST", "/v1/jobs", NO_SUCH_METHOD, b'{"name":"bad"}', port="coordinator"),
    call("GET", "/v1/workers/{worker}/poll", port="coordinator"),
    call("PUT", "/v1/workers/{worker}", port="coordinator"),
    call("POST", "/v1/workers/{worker}/dance", NOT_FOUND, b"{}", port="coordinator"),
]

REGISTRATIONS = [
    coordinator("", "no body", b""),
    coordinator("", "words", b"not json"),
    coordinator("", "an array", b"[]"),
    register("an unknown field", slots="1"),
    register("the name is a number", name="7"),
    register("the name is empty", name='""'),
    register("queues are a string", queues='"q"'),
    register("a queue is a number", queues="[1]"),
    register("a queue has a space", queues='["a b"]'),
    register("job names are a string", job_names='"*"'),
    register("a job name is empty", job_names='[""]'),
    register("a job name has a slash", job_names='["a/b"]'),
    register("the concurrency is zero", concurrency="0"),
    register("the concurrency is negative", concurrency="-1"),
    register("the concurrency is a fraction", concurrency="1.5"),
    register("the concurrency is a string", concurrency='"8"'),
    register("the concurrency is beyond 64 bits", concurrency="99999999999999999999"),
    register("labels are an array", labels="[]"),
    register("the sdk is a number", sdk="1"),
]

FAILED = '"outcome":"failed","error":{"type":"E","message":"m"}'

WORKER_CALLS = [
    poll("no body", b""),
    poll("words", b"not json"),
    poll("no free slots", b"{}"),
    poll("free slots are negative", b'{"free_slots":-1}'),
    poll("free slots are a string", b'{"free_slots":"1"}'),
    poll("free slots are a fraction", b'{"free_slots":1.5}'),
    poll("the wait is negative", b'{"free_slots":1,"wait_seconds":-1}'),
    poll("the wait is a string", b'{"free_slots":1,"wait_seconds":"20"}'),
    poll("running is a string", b'{"free_slots":1,"running":"lease"}'),
    poll("a running lease is a number", b'{"free_slots":1,"running":[1]}'),
    poll("results are an object", b'{"free_slots":1,"results":{}}'),
    poll("an unknown field", b'{"free_slots":1,"max":5}'),
    results("no body", b""),
    results("results are a string", b'{"results":"all"}'),
    results("a result is a number", b'{"results":[1]}'),
    results("a result without a lease", b'{"results":[{"outcome":"completed"}]}'),
    results("a lease that is a number", b'{"results":[{"lease":1,"outcome":"completed"}]}'),
    result("no outcome", '"retryable":true'),
    result("an unknown outcome", '"outcome":"done"'),
    result("an outcome that only the server finds", '"outcome":"lost"'),
    result("an unknown field", '"outcome":"completed","score":1'),
    result("an error that is a string", '"outcome":"failed","error":"it broke"'),
    result("an error whose message is a number", '"outcome":"failed","error":{"type":"E","message":7}'),
    result("retryable is a word", f'{FAILED},"retryable":"yes"'),
    result("a negative delay", f'{FAILED},"retry_after_seconds":-1'),
    result("a delay over 30 days", f'{FAILED},"retry_after_seconds":2592001'),
    result("a negative snooze", '"outcome":"snoozed","snooze_seconds":-1'),
    result("a result that is NaN", '"outcome":"completed","result":NaN'),
    result("a result that is too large", f'"outcome":"completed","result":"{"x" * RESULT_LIMIT}"', TOO_LARGE),
    heartbeat("words", b"not json"),
    heartbeat("running is a string", b'{"running":"all"}'),
    heartbeat("running holds strings", b'{"running":["lease"]}'),
    heartbeat("an entry without a lease", b'{"running":[{}]}'),
    heartbeat("progress is a number", b'{"running":[{"lease":"a","progress":40}]}'),
    heartbeat("the percentage is a word", b'{"running":[{"lease":"a","progress":{"percent":"half"}}]}'),
    heartbeat("an unknown field", b'{"running":[],"status":"fine"}'),
]

BAD_REQUESTS = [
    *JSON_TEXT,
    *PAYLOADS,
    *NAMES,
    *FIELDS,
    *BATCHES,
    *KEYS,
    *IDS,
    *QUERIES,
    *DEAD_LETTERS,
    *METHODS,
    *REGISTRATIONS,
    *WORKER_CALLS,
]

# Raw bytes on a connection: a 4xx or a closed connection. What ends in the middle is followed by the end of the stream.

POST = b"POST /v1/jobs HTTP/1.1\r\nHost: stint\r\nContent-Type: application/json\r\n"
GET = b"GET /v1/jobs HTTP/1.1\r\nHost: stint\r\n"
GOOD_BODY = b'{"name":"smuggled"}'
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

BAD_FRAMING = {
    "garbage": b"\x00\x01\x02\x03\xff\xfe\r\n\r\n",
    "words": b"hello, is anybody there?\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "an unknown version": b"GET /v1/jobs HTTP/7.3\r\nHost: stint\r\n\r\n",
    "another protocol": b"GET /v1/jobs FTP/1.1\r\nHost: stint\r\n\r\n",
    "an unknown method": b"GIVEME /v1/jobs HTTP/1.1\r\nHost: stint\r\n\r\n",
    "a method with a bad character": b"G@T /v1/jobs HTTP/1.1\r\nHost: stint\r\n\r\n",
    "a space in the path": b"GET /v1/jobs and more HTTP/1.1\r\nHost: stint\r\n\r\n",
    "a header without a colon": GET + b"Nonsense\r\n\r\n",
    "a header without a name": GET + b": value\r\n\r\n",
    "a space before the colon": GET + b"X-Odd : value\r\n\r\n",
    "a NUL in a header": GET + b"X-Odd: a\x00b\r\n\r\n",
    "a path of 128 KiB": b"GET /v1/jobs/" + b"x" * 131_072 + b" HTTP/1.1\r\nHost: stint\r\n\r\n",
    "a header of 256 KiB": GET + b"X-Long: " + b"x" * 262_144 + b"\r\n\r\n",
    "a header name of 256 KiB": GET + b"x" * 262_144 + b": 1\r\n\r\n",
    "10,000 headers": GET + b"".join(b"X-Header-%d: %032d\r\n" % (n, n) for n in range(10_000)) + b"\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + GOOD_BODY,
    "a length that is a word": POST + b"Content-Length: all\r\n\r\n" + GOOD_BODY,
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + GOOD_BODY,
    "two lengths": POST + b"Content-Length: 19\r\nContent-Length: 5\r\n\r\n" + GOOD_BODY,
    "a length and chunks": POST + b"Content-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length that is too short": POST + b"Content-Length: 5\r\n\r\n" + GOOD_BODY,
    "a coding that is not chunked at the end": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + GOOD_BODY,
    "an unknown coding": POST + b"Transfer-Encoding: zip\r\n\r\n" + GOOD_BODY,
    "a chunk size that is a word": CHUNKED + b"zz\r\n" + GOOD_BODY,
    "a negative chunk size": CHUNKED + b"-5\r\n" + GOOD_BODY,
    "a chunk size beyond 64 bits": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n" + GOOD_BODY,
    "a chunk that is longer than it says": CHUNKED + b"3\r\n" + GOOD_BODY + b"\r\n0\r\n\r\n",
    "chunks of a body that is not JSON": CHUNKED + b"3\r\nbad\r\n0\r\n\r\n",
    "a body far beyond the limit": POST + b"Content-Length: 8388608\r\n\r\n" + b" " * 8_388_608,
    "chunks far beyond the limit": CHUNKED
    + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 128
    + b"0\r\n\r\n",
}

CUT_SHORT = {
    "nothing at all": b"",
    "a request line": b"POST /v1/jo",
    "headers": POST + b"Content-Len",
    "a body": POST + b"Content-Length: 100\r\n\r\n" + GOOD_BODY,
    "a body of which nothing came": POST + b"Content-Length: 19\r\n\r\n",
    "a chunk": CHUNKED + b"100\r\n" + GOOD_BODY,
    "chunks without an end": CHUNKED + b"13\r\n" + GOOD_BODY + b"\r\n",
}
