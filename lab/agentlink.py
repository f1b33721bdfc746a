# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in the KVM host over its agent (lab/agent.c, which describes the protocol).

One connection is one command.  RemoteCommand looks like subprocess.Popen as
far as callers need it: stdin, stdout and stderr are binary streams, stdout and
stderr with a file descriptor of their own, so that one piece of code can drive
a command here and a command there.  It offers no signals but kill().
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Sequence

AGENT_PORT = 7070
TOKEN_LEN = 32
_CHUNK = 64 * 1024


class HostError(Exception):
    """What went wrong with the KVM host, in one sentence for the user."""


class Link:
    """A connection to the agent on which one command has been started."""

    def __init__(self, address: tuple[str, int], token: bytes, kind: str,
                 argv: Sequence[str]) -> None:
        """Start argv; kind is '-' (pipes), 'm' (stderr joined to stdout) or 't' (terminal)."""
        if not argv:
            raise HostError("there is no command to run.")
        try:
            self._socket = socket.create_connection(address, timeout=30)
        except OSError as error:
            raise HostError(f"the KVM host's agent cannot be reached: {error}.") from error
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._send_lock = threading.Lock()
        self._socket.sendall(token)
        self.send("R", kind.encode() + b"".join(os.fsencode(a) + b"\0" for a in argv))

    def send(self, kind: str, data: bytes) -> None:
        """Send one frame; BrokenPipeError when the other side is gone."""
        try:
            with self._send_lock:
                self._socket.sendall(kind.encode() + struct.pack("<I", len(data)) + data)
        except OSError as error:
            raise BrokenPipeError("the command has ended") from error

    def recv(self) -> tuple[str, bytes] | None:
        """Receive one frame, or None when the connection has ended."""
        head = self._exactly(5)
        if head is None:
            return None
        data = self._exactly(struct.unpack("<I", head[1:])[0])
        return None if data is None else (chr(head[0]), data)

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            try:
                got = self._socket.recv(size - len(parts))
            except OSError:
                return None
            if not got:
                return None
            parts += got
        return bytes(parts)

    def close(self) -> None:
        """End the connection, and with it the command if it still runs."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Stdin(io.RawIOBase):
    """A remote command's stdin."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _CHUNK):
            self._link.send("I", bytes(view[start:start + _CHUNK]))
        return len(view)

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(BrokenPipeError):
                self._link.send("I", b"")
        super().close()


class RemoteCommand:
    """A command that runs in the KVM host."""

    def __init__(self, address: tuple[str, int], token: bytes, argv: Sequence[str],
                 merge: bool = False) -> None:
        """Start argv; with merge its stderr goes to stdout, in order."""
        self.args = list(argv)
        self.returncode: int | None = None
        self._link = Link(address, token, "m" if merge else "-", argv)
        self._ended = threading.Event()
        out, self._out = os.pipe()
        err, self._err = os.pipe()
        self.stdin = _Stdin(self._link)
        self.stdout = os.fdopen(out, "rb")
        self.stderr = os.fdopen(err, "rb")
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self) -> None:
        """Sort frames into the pipes until the command ends."""
        into = {"O": self._out, "E": self._err}
        while (frame := self._link.recv()) is not None:
            kind, data = frame
            if kind == "X":
                self.returncode = data[0]
                break
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(into[kind], view):]
            except OSError:
                # Nobody reads this stream any more.
                continue
        os.close(self._out)
        os.close(self._err)
        self._link.close()
        self._ended.set()

    def poll(self) -> int | None:
        """The exit status, or None while the command runs."""
        return self.wait(0) if self._ended.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; subprocess.TimeoutExpired if it does not come in time."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        if self.returncode is None:
            raise HostError(f"the connection to the KVM host was lost while it ran {self.args[0]}.")
        return self.returncode

    def kill(self) -> None:
        """End the command and its process group."""
        if self.returncode is None:
            self.returncode = 128 + 9
        self._link.close()

    def communicate(self, data: bytes = b"",
                    timeout: float | None = None) -> tuple[bytes, bytes]:
        """Feed stdin, read both outputs to their ends, wait."""
        results: dict[str, bytes] = {}

        def feed() -> None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.write(data)
                self.stdin.close()

        def drain(name: str, stream: io.BufferedReader) -> None:
            results[name] = stream.read()

        threads = [threading.Thread(target=feed, daemon=True),
                   threading.Thread(target=drain, args=("out", self.stdout), daemon=True),
                   threading.Thread(target=drain, args=("err", self.stderr), daemon=True)]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads[1:]:
            thread.join()
        return results["out"], results["err"]

    def close(self) -> None:
        """Kill it if it still runs, and free what it holds here."""
        if not self._ended.is_set():
            self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self._ended.wait()

    def __enter__(self) -> RemoteCommand:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
