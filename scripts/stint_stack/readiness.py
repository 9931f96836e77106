# SPDX-License-Identifier: Apache-2.0
"""Questions that tell whether a part of the stack is ready, and bounded waiting for the answer."""

import http.client
import json
import socket
import time
from collections.abc import Callable

from .settings import HOST

LOOK_EVERY = 0.1
ANSWER_WITHIN = 3.0


def get(port: int, path: str, token: str = "") -> tuple[int, bytes]:
    """Status and body of an answer; status 0 when there is none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_WITHIN)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def answers_ok(port: int, path: str) -> bool:
    return get(port, path)[0] == 200


def live_workers(port: int, token: str) -> list[dict]:
    """The worker sessions that the submitter knows and that live, as the API shows them."""
    status, body = get(port, "/v1/workers", token)
    workers = json.loads(body)["items"] if status == 200 else []
    return [worker for worker in workers if worker["state"] in ("available", "busy")]


def redis_answers(port: int, password: str) -> bool:
    """Whether Redis takes the password and answers a PING."""
    try:
        with socket.create_connection((HOST, port), timeout=ANSWER_WITHIN) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            connection.settimeout(ANSWER_WITHIN)
            answer = b""
            while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):
                answer += more
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def wait_until(is_ready: Callable[[], bool], *, deadline: float, alive: Callable[[], bool]) -> bool:
    """Whether it became ready before the deadline (on the monotonic clock), and before the process ended."""
    while True:
        if not alive():
            return False
        if is_ready():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY)
