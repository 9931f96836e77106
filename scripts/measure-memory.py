#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a server has resident with very many jobs: scheduled, available, finished.

usage: scripts/measure-memory.py [--jobs N] [--finished N]

Starts private servers of the binary that STINT_BINARY names, by default the release build, on a temporary directory. Prints one
line per measurement and exits 1 when a server takes more than 200 MiB. The same limits are held at smaller sizes by
Tests/Process/test_memory.py.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("STINT_BINARY", str(ROOT / ".build" / "release" / "stint"))
sys.path.insert(0, str(ROOT / "Tests" / "Process"))

from fake_worker import FakeWorker, completed  # noqa: E402
from stint_process import Launcher, Server  # noqa: E402

MIB = 1024 * 1024
LIMIT = 200 * MIB
BATCH = 10_000
SLOTS = 1000
PAYLOAD = "x" * 200


class Table:
    """Prints measurements as they come."""

    def __init__(self) -> None:
        self.is_over = False
        self._began = time.monotonic()
        print(f"{'what':<52}{'seconds':>9}{'resident':>12}{'peak':>12}", flush=True)

    def add(self, what: str, server: Server) -> None:
        status = Path(f"/proc/{server.running.pid}/status").read_text()
        resident, peak = (int(re.search(rf"^{key}:\s+(\d+) kB$", status, re.M)[1]) * 1024 for key in ("VmRSS", "VmHWM"))
        self.is_over = self.is_over or peak > LIMIT
        seconds = time.monotonic() - self._began
        print(f"{what:<52}{seconds:>9.1f}{resident / MIB:>8.1f} MiB{peak / MIB:>8.1f} MiB", flush=True)


def submit(server: Server, count: int, line: bytes) -> None:
    for _ in range(count // BATCH):
        server.api.post("/v1/jobs/batch", line * BATCH, {"Content-Type": "application/x-ndjson"}).expect(201)


def finish(server: Server, worker: FakeWorker, count: int) -> None:
    for _ in range(count // SLOTS):
        server.api.submit_batch([{"name": "work", "payload": PAYLOAD}] * SLOTS)
        left = SLOTS
        while left > 0:
            grants = worker.take(min(left, 100), within=60)
            assert set(worker.report(*(completed(grant, PAYLOAD) for grant in grants))) == {"accepted"}
            left -= len(grants)


def measure_waiting(launcher: Launcher, table: Table, state: str, line: bytes, count: int) -> None:
    server = launcher.server(restartable=True)
    table.add(f"{state}: none", server)
    for part in (count // 10, count - count // 10):
        submit(server, part, line)
        total = server.api.get("/v1/stats").expect(200)["counts"][state]
        table.add(f"{state}: {total:,}", server)
    server.restart()
    # Answered from the record: after that it has been opened and the belt filled.
    total = server.api.get("/v1/stats").expect(200)["counts"][state]
    table.add(f"{state}: {total:,}, after a restart", server)
    server.stop()


def measure_finished(launcher: Launcher, table: Table, count: int) -> None:
    server = launcher.server()
    worker = FakeWorker(server, concurrency=SLOTS)
    table.add("completed: none", server)
    for part in (count // 10, count - count // 10):
        finish(server, worker, part)
        total = server.api.get("/v1/stats").expect(200)["counts"]["completed"]
        table.add(f"completed: {total:,}", server)
    server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures a server's memory with very many jobs.")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="scheduled, then available ones")
    parser.add_argument("--finished", type=int, default=100_000, help="completed ones")
    arguments = parser.parse_args()
    for name, count, step in (("jobs", arguments.jobs, 10 * BATCH), ("finished", arguments.finished, 10 * SLOTS)):
        if count < step or count % step:
            parser.error(f"--{name} must be a multiple of {step:,}")
    table = Table()
    with Launcher() as launcher:
        later = b'{"name":"later","payload":{"key":"a.png","width":100},"delay_seconds":86400}\n'
        measure_waiting(launcher, table, "scheduled", later, arguments.jobs)
        now = b'{"name":"now","payload":{"key":"a.png","width":100}}\n'
        measure_waiting(launcher, table, "available", now, arguments.jobs)
        measure_finished(launcher, table, arguments.finished)
    if table.is_over:
        print(f"more than {LIMIT // MIB} MiB", file=sys.stderr)
    return 1 if table.is_over else 0


if __name__ == "__main__":
    sys.exit(main())
