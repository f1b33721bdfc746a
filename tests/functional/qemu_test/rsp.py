# SPDX-License-Identifier: GPL-2.0-or-later
"""A debugger's connection to QEMU's stub, packet by packet.

It knows how packets are framed and nothing of what they mean, but for a few
that every test of a LoongArch guest needs.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .kvmhost import Guest

PC = 0x21
Self = TypeVar("Self", bound="Packets")


class Packets:
    """Packets of a connection, which a with statement closes."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self.socket = connection
        self.socket.settimeout(timeout)
        if connection.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.acknowledges = True

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *packets: str) -> None:
        """Packets at once, without waiting for anything."""
        self.socket.sendall(b"".join(
            f"${packet}#{sum(packet.encode()) & 0xff:02x}".encode()
            for packet in packets))

    def take(self) -> str:
        """The next packet, which is not acknowledged yet."""
        while (end := self.data.find(b"#")) < 0 or len(self.data) < end + 3:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the stub has closed the connection")
            self.data += more
        packet, self.data = self.data[:end], self.data[end + 3:]
        return packet[packet.index(b"$") + 1:].decode()

    def receive(self) -> str:
        """The next packet."""
        packet = self.take()
        if self.acknowledges:
            with contextlib.suppress(BrokenPipeError):  # that was its last word
                self.socket.sendall(b"+")
        return packet

    def ask(self, packet: str) -> str:
        """A packet and its answer."""
        self.send(packet)
        return self.receive()

    def negotiate(self) -> None:
        """Do without acknowledgements if the stub can, as gdb does."""
        if "QStartNoAckMode+" in self.ask("qSupported").split(";"):
            answer = self.ask("QStartNoAckMode")
            assert answer == "OK", answer
            self.acknowledges = False

    def register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def set_register(self, number: int, value: int) -> None:
        answer = self.ask(f"P{number:x}={value.to_bytes(8, 'little').hex()}")
        assert answer == "OK", answer

    @property
    def pc(self) -> int:
        return self.register(PC)

    def read(self, address: int, size: int = 4) -> bytes:
        return bytes.fromhex(self.ask(f"m{address:x},{size:x}"))

    def write(self, address: int, data: bytes) -> None:
        answer = self.ask(f"M{address:x},{len(data):x}:{data.hex()}")
        assert answer == "OK", answer

    @contextlib.contextmanager
    def code_at(self, address: int, code: bytes) -> Iterator[None]:
        """Write code there; that and the vCPU's registers are put back after it."""
        saved = self.read(address, len(code))
        registers = self.ask("g")
        self.write(address, code)
        yield
        self.write(address, saved)
        answer = self.ask(f"G{registers}")
        assert answer == "OK", answer

    def interrupt(self) -> str:
        """Ctrl-C."""
        self.socket.sendall(b"\x03")
        return self.receive()


class Client(Packets):
    """One connection to the stub of a guest."""

    def __init__(self, guest: Guest) -> None:
        address, port = guest.stub.split(":")
        super().__init__(socket.create_connection((address, int(port)), timeout=30), 30)
