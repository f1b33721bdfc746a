# SPDX-License-Identifier: GPL-2.0-or-later
"""A debugger's connection to QEMU's stub, packet by packet.

It knows how packets are framed and nothing of what they mean, but for a few
that every test of a LoongArch guest needs.
"""

from __future__ import annotations

import socket

from .kvmhost import Guest

PC = 0x21


class Packets:
    """Packets of a connection, which is the caller's to close."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self.socket = connection
        self.socket.settimeout(timeout)
        if connection.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def send(self, packet: str) -> None:
        self.socket.sendall(f"${packet}#{sum(packet.encode()) & 0xff:02x}".encode())

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
        self.socket.sendall(b"+")
        return packet

    def ask(self, packet: str) -> str:
        """A packet and its answer."""
        self.send(packet)
        return self.receive()


class Client(Packets):
    """One connection to the stub of a guest."""

    def __init__(self, guest: Guest) -> None:
        address, port = guest.stub.split(":")
        super().__init__(socket.create_connection((address, int(port)), timeout=30), 30)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def set_register(self, number: int, value: int) -> None:
        assert self.ask(f"P{number:x}={value.to_bytes(8, 'little').hex()}") == "OK"

    @property
    def pc(self) -> int:
        return self.register(PC)

    def read(self, address: int, size: int = 4) -> bytes:
        return bytes.fromhex(self.ask(f"m{address:x},{size:x}"))

    def interrupt(self) -> str:
        """Ctrl-C."""
        self.socket.sendall(b"\x03")
        return self.receive()
