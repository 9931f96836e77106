# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy before a database that cuts every connection at the very moment at which something has been committed."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

from api_client import HOST

CHUNK = 65_536


class AnswerCutter:
    """Passes everything on until it is armed. Then, once a condition on the database holds, all connections break.

    What was committed is stored, and whoever asked for it gets no answer. After that everything is passed on again.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: dict[socket.socket, socket.socket] = {}
        self._servers: set[socket.socket] = set()
        self._condition: Callable[[], bool] | None = None
        self.has_cut = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def arm(self, condition: Callable[[], bool]) -> None:
        """`condition` is looked at before each answer is passed on; it must hold once the commit has happened."""
        self.has_cut.clear()
        self._condition = condition

    def transcript(self) -> tuple[str, str]:
        return f"answer cutter on port {self.port}", f"it has cut: {self.has_cut.is_set()}"

    def close(self) -> None:
        self._closing = True
        self._thread.join(5)
        self._cut()
        self._listener.close()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(timeout=0.1):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peers:  # an earlier event of this round may have closed it
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection((HOST, self._target))
        except OSError:
            client.close()
            return
        for side, peer in ((client, server), (server, client)):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[side] = peer
            self._selector.register(side, selectors.EVENT_READ)
        self._servers.add(server)

    def _pass_on(self, side: socket.socket) -> None:
        try:
            data = side.recv(CHUNK)
        except OSError:
            data = b""
        if data and side in self._servers and self._condition is not None and self._condition():
            self._condition = None
            self._cut()
            self.has_cut.set()
            return
        try:
            if not data:
                raise ConnectionResetError
            self._peers[side].sendall(data)
        except OSError:
            self._drop(side)

    def _cut(self) -> None:
        for side in list(self._peers):
            self._drop(side)

    def _drop(self, side: socket.socket) -> None:
        for end in (side, self._peers.pop(side, side)):
            self._peers.pop(end, None)
            self._servers.discard(end)
            with contextlib.suppress(KeyError, ValueError):  # it was dropped from its other end
                self._selector.unregister(end)
            end.close()
