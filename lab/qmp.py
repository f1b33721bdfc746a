# SPDX-License-Identifier: GPL-2.0-or-later
"""A small QMP client for the lab's own QEMU, over a socket pair: no socket file, no port.

It does one command at a time and keeps events until they are asked for.
QEMU's own Python package does far more and is not always there.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any


class QmpGone(Exception):
    """QEMU has closed the connection: it has ended."""


class QmpTimeout(Exception):
    """Nothing came in time."""


class QmpError(Exception):
    """QEMU's own words on why a command failed."""


class Qmp:
    """A connection to one QEMU."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def negotiate(self, deadline: float) -> None:
        """Read the greeting and leave negotiation mode."""
        self._receive(deadline)
        self.command("qmp_capabilities")

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpTimeout
            self._socket.settimeout(left)
            try:
                got = self._socket.recv(65536)
            except TimeoutError:
                raise QmpTimeout from None
            except OSError:
                raise QmpGone from None
            if not got:
                raise QmpGone
            self._rest += got
        line, self._rest = self._rest.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def command(self, name: str, /, timeout: float = 30, **arguments: Any) -> Any:
        """Run a command and give what it returns."""
        request: dict[str, Any] = {"execute": name}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        deadline = time.monotonic() + timeout
        with self._lock:
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError:
                raise QmpGone from None
            while True:
                message = self._receive(deadline)
                if "return" in message:
                    return message["return"]
                if "error" in message:
                    raise QmpError(message["error"]["desc"])
                self._events.append(message)

    def monitor(self, line: str) -> str:
        """Run a command of the human monitor, for what QMP does not have."""
        text: str = self.command("human-monitor-command", command_line=line)
        return text.strip()

    def wait_event(self, wanted: Callable[[dict[str, Any]], bool],
                   deadline: float) -> dict[str, Any]:
        """Wait for an event; those before it are dropped."""
        with self._lock:
            while True:
                while self._events:
                    event = self._events.pop(0)
                    if wanted(event):
                        return event
                self._events.append(self._receive(deadline))

    def close(self) -> None:
        """Close the connection; QEMU goes on."""
        self._socket.close()
