#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts that are held off for a step come back, and only to who had them.

Under TCG.  A vCPU is let run alone past an instruction that faults, and so is in
the handler, with its interrupts held off, when something else happens to it.
"""

from __future__ import annotations

import re
import socket
import struct
import tempfile
from pathlib import Path

from qemu_test import QemuSystemTest
from qemu_test.rsp import PC, Packets

CODE = 0x1000
HANDLER = 0x2000
FIRMWARE = 0x1c000000
SIZE = 4
IE = 1 << 2
# ori r4, r0, 4; csrxchg r4, r4, CRMD; lu12i.w r5, 2; csrwr r5, EENTRY; an
# instruction that is none
PROGRAM = struct.pack("<5I", 0x03801004, 0x04000084, 0x14000045, 0x04003025, 0)
FAULT = CODE + len(PROGRAM) - SIZE
SPIN = struct.pack("<I", 0x50000000)


class HoldIrqs(QemuSystemTest):
    """Two vCPUs without a program but ours, in memory from 0 on."""

    timeout = 60

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "stub"
        self.set_machine("virt")
        self.vm.add_args("-cpu", "max", "-smp", "2", "-nic", "none", "-display", "none",
                         "-S",
                         "-gdb", f"unix:{path},server=on,wait=off")
        self.vm.launch()
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.connect(str(path))
        self.client = Packets(connection, 10)

    def write(self, at: int, data: bytes) -> None:
        self.assertEqual(self.client.ask(f"M{at:x},{len(data):x}:{data.hex()}"), "OK")

    def csr(self, name: str) -> int:
        """A CSR of the first vCPU."""
        state = self.vm.cmd("human-monitor-command", command_line="info registers",
                            cpu_index=0)
        found = re.search(rf"\b{name} +([0-9a-f]+)\b", state)
        assert found, state
        return int(found[1], 16)

    def fault_while_held(self) -> None:
        """Enable interrupts, let the vCPU alone execute what faults, into the handler."""
        client = self.client
        self.write(0, SPIN)
        self.write(HANDLER, SPIN)
        self.write(CODE, PROGRAM)
        self.assertEqual(client.ask(f"P{PC:x}={CODE.to_bytes(8, 'little').hex()}"), "OK")
        self.assertEqual(client.ask(f"Z0,{FAULT:x},{SIZE}"), "OK")
        self.assertRegex(client.ask("vCont;c:1"), "^T05")
        self.assertEqual(self.csr("CRMD") & IE, IE)
        self.assertEqual(client.ask(f"z0,{FAULT:x},{SIZE}"), "OK")
        # As gdb steps: what it waits for is where the instruction goes next.
        self.assertEqual(client.ask(f"Z0,{FAULT + SIZE:x},{SIZE}"), "OK")
        client.send("vCont;c:1")
        while self.csr("ERA") != FAULT:
            pass

    def test_stop(self) -> None:
        """Stopped in the handler: it will return with interrupts on."""
        self.fault_while_held()
        self.client.socket.sendall(b"\x03")
        self.assertRegex(self.client.receive(), "^T02")
        self.assertEqual((self.csr("CRMD") & IE, self.csr("PRMD") & IE), (0, IE))

    def test_reset(self) -> None:
        """After a reset there is nothing to come back."""
        self.fault_while_held()
        self.vm.cmd("system_reset")
        self.vm.event_wait("RESET", timeout=10)
        self.client.socket.sendall(b"\x03")
        self.assertRegex(self.client.receive(), "^T02")
        pc = int.from_bytes(bytes.fromhex(self.client.ask(f"p{PC:x}")), "little")
        self.assertGreaterEqual(pc, FIRMWARE)
        # What the handler was to return to is still in ERA.
        self.assertEqual((self.csr("CRMD") & IE, self.csr("PRMD") & IE), (0, 0))


if __name__ == '__main__':
    QemuSystemTest.main()
