#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The gdbstub as a client sees it on the wire, packet by packet.

Under TCG, where a machine starts in a moment: what is tested here is the stub's
own, whatever runs the guest.  Breakpoints and real gdb under KVM are tested in
test_loongarch64_kvm_gdb.py.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from qemu_test import QemuSystemTest


class Client:
    """One connection to the stub; speaks packets and nothing else."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, packet: str) -> None:
        """A packet, without waiting for anything."""
        total = sum(packet.encode()) & 0xff
        self.socket.sendall(f"${packet}#{total:02x}".encode())

    def byte(self) -> str:
        """What comes next."""
        one = self.socket.recv(1)
        if not one:
            raise EOFError("the stub has closed the connection")
        return one.decode()

    def receive(self) -> str:
        """The next packet, whatever it is; acknowledged."""
        while self.byte() != "$":
            pass
        text = ""
        while (one := self.byte()) != "#":
            text += one
        self.byte()
        self.byte()
        with contextlib.suppress(BrokenPipeError):      # that was its last word
            self.socket.sendall(b"+")
        return text

    def ask(self, packet: str) -> str:
        """A packet and its answer."""
        self.send(packet)
        return self.receive()


class GdbStub(QemuSystemTest):
    """A stopped machine with a stub on a UNIX socket."""

    timeout = 60

    def setUp(self) -> None:
        super().setUp()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "stub"
        self.set_machine("virt")
        self.vm.add_args("-cpu", "max", "-nic", "none", "-display", "none", "-S",
                         "-gdb", f"unix:{self.path},server=on,wait=off")
        self.vm.launch()

    def tearDown(self) -> None:
        super().tearDown()
        self.folder.cleanup()

    def connect(self) -> Client:
        """A new client. The stub serves one after the other."""
        return Client(self.path)

    def test_all_registers(self) -> None:
        """g has every core register: 32 of them, orig_a0, pc and badv."""
        with self.connect() as client:
            registers = client.ask("g")
            self.assertEqual(len(registers), 35 * 16)
            self.assertEqual(registers[33 * 16:34 * 16], client.ask("p21"), "pc")

    def test_no_stop_reply_for_a_stranger(self) -> None:
        """A client that let the VM run and vanished leaves nothing for the next."""
        with self.connect() as first:
            self.assertEqual(first.ask("?")[:3], "T05")
            first.send("vCont;c")
            self.vm.event_wait("RESUME", timeout=10)
        with self.connect() as second:
            second.send("qOffsets")
            self.assertEqual(second.receive(), "", "not the answer to the first packet")

    def test_multiprocess_is_the_clients_own(self) -> None:
        """A client that did not ask for it gets plain thread ids and can detach."""
        with self.connect() as first:
            first.ask("qSupported:multiprocess+")
            self.assertEqual(first.ask("qC"), "QCp01.01")
        with self.connect() as second:
            self.assertEqual(second.ask("qC"), "QC01")
            self.assertEqual(second.ask("D"), "OK")

    def test_physical_memory_mode_ends_with_its_client(self) -> None:
        """m reads virtual memory for the next one."""
        with self.connect() as first:
            self.assertEqual(first.ask("Qqemu.PhyMemMode:1"), "OK")
            self.assertEqual(first.ask("qqemu.PhyMemMode"), "1")
        with self.connect() as second:
            self.assertEqual(second.ask("qqemu.PhyMemMode"), "0")

    def test_step_flags_end_with_their_client(self) -> None:
        """So do the flags of a single step."""
        with self.connect() as first:
            usual = first.ask("qqemu.sstep")
            self.assertEqual(first.ask("Qqemu.sstep=0x1"), "OK")
            self.assertNotEqual(first.ask("qqemu.sstep"), usual)
        with self.connect() as second:
            self.assertEqual(second.ask("qqemu.sstep"), usual)

    def test_half_a_packet_ends_with_its_client(self) -> None:
        """The next client's packet is not taken for the rest of it."""
        with self.connect() as first:
            self.assertEqual(first.ask("?")[:1], "T")
            first.socket.sendall(b"$qC")
        with self.connect() as second:
            self.assertEqual(second.ask("qC"), "QC01")

    def test_kill_of_a_stranger(self) -> None:
        """vKill with a process that is not there is an error, and harmless."""
        with self.connect() as client:
            self.assertEqual(client.ask("vKill;7b"), "E22")
            self.assertEqual(client.ask("qC"), "QC01")
        self.assertTrue(self.vm.is_running())

    def test_kill(self) -> None:
        """vKill with the one that is there ends QEMU."""
        path = Path(self.folder.name) / "another"
        with subprocess.Popen([self.qemu_bin, "-M", "virt", "-nic", "none",
                               "-display", "none", "-S",
                               "-gdb", f"unix:{path},server=on,wait=on"],
                              stderr=subprocess.DEVNULL) as qemu:
            while not path.exists() and qemu.poll() is None:
                time.sleep(0.01)
            with Client(path) as client:
                self.assertEqual(client.ask("vKill;1"), "OK")
            self.assertEqual(qemu.wait(timeout=10), 0)

    def test_continue_without_an_action(self) -> None:
        """A bare vCont is answered."""
        with self.connect() as client:
            self.assertEqual(client.ask("vCont"), "E22")

    def test_fcsr(self) -> None:
        """A write of fcsr is cut to what exists, and the rounding mode is used."""
        pc, f0, f1, f2, fcsr = 33, 35, 36, 37, 75
        code = struct.pack("<III",
                           0x0380040c,          # ori $t0, $zero, 1
                           0x0400082c,          # csrwr $t0, EUEN
                           0x01070402)          # fdiv.d $f2, $f0, $f1

        def put(number: int, value: bytes) -> None:
            self.assertEqual(client.ask(f"P{number:x}={value.hex()}"), "OK")

        with self.connect() as client:
            put(fcsr, b"\xff" * 4)
            self.assertEqual(client.ask(f"p{fcsr:x}"),
                             struct.pack("<I", 0x1f1f031f).hex())
            self.assertEqual(client.ask(f"M200000,{len(code):x}:{code.hex()}"), "OK")
            put(f0, struct.pack("<d", 1))
            put(f1, struct.pack("<d", 3))
            for mode, last in ((0, 5), (1, 5), (2, 6), (3, 5)):
                put(fcsr, struct.pack("<I", mode << 8))
                put(pc, struct.pack("<Q", 0x200000))
                for _ in range(len(code) // 4):
                    self.assertEqual(client.ask("s")[:3], "T05")
                quotient = struct.unpack("<Q", bytes.fromhex(client.ask(f"p{f2:x}")))
                self.assertEqual(quotient, (0x3fd5555555555550 + last,), f"mode {mode}")


if __name__ == "__main__":
    QemuSystemTest.main()
