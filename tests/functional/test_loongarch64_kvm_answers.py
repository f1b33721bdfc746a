#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client is told of a guest's registers and addresses under LoongArch KVM.

Registers are those of the vCPU now, and what is written gets there; one that a
vCPU has not is none.  Breakpoints are in test_loongarch64_kvm_debug.py.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble
from qemu_test.loongarch_words import iocsrrd_w, jump, memory
from qemu_test.rsp import PC, Client

A0, A1, A2 = 4, 5, 6
FCC0 = 67
FEATURES = ("base", "fpu", "lsx", "lasx", "lbt")
NOP = bytes.fromhex("00004003")
PHYSICAL = (1 << 48) - 1
ROUNDS = 40
UART = 0x1fe001e0
# Where memory is, on this machine, above the first 256 MiB.
HIGH_MEMORY = 0x80000000
UNMAPPED = HIGH_MEMORY + 0x8000000


class KvmAnswers(KvmHostTest):
    """The main job."""

    host_smp = 2

    def address(self, name: str) -> int:
        """Of a function of the kernel, which is the same in host and guest."""
        line = self.host.run(f"grep ' {name}$' /proc/kallsyms", check=True).stdout
        return int(line.split()[0], 16)

    def ready(self, **options: Any) -> Guest:
        guest = self.guest(stub=True, **options)
        guest.wait_ready()
        guest.console.command("true")
        return guest

    def unharmed(self, guest: Guest) -> None:
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    @staticmethod
    def core(client: Client) -> list[int]:
        """Those that g has."""
        raw = bytes.fromhex(client.ask("g"))
        return [int.from_bytes(raw[at:at + 8], "little") for at in range(0, len(raw), 8)]

    def test_one_register(self) -> None:
        """p and P are of the vCPU as it is now, whichever it is (D10)."""
        guest = self.ready(smp=2)
        for thread in (1, 2):
            with self.subTest(thread=thread), Client(guest) as client:
                client.ask(f"Hg{thread}")
                pc, a0 = client.register(PC), client.register(A0)
                client.set_register(A0, a0 ^ 0x5555)
                now = self.core(client)
                self.assertEqual(now[PC], pc, "p gave an old one")
                self.assertEqual(now[A0], a0 ^ 0x5555, "P got lost")
                client.set_register(A0, a0)
                self.assertEqual(client.ask("D"), "OK")
                # So that it is elsewhere the next time.
                self.unharmed(guest)

    def test_interrupted_read_of_an_io_csr(self) -> None:
        """What is written to a register stays, whatever the vCPU was about.

        It does little but read an I/O CSR into that register, which takes QEMU.
        """
        guest = self.guest(stub=True, paused=True)
        at = self.address("start_kernel") & PHYSICAL
        reads, waits = at + 4, at + 12
        program = [memory("st.b", A2, A1, 0), iocsrrd_w(A0, 0), jump(-4),
                   memory("st.b", A2, A1, 0), jump(0)]
        with Client(guest) as client:
            words = struct.pack(f"<{len(program)}I", *program)
            self.assertEqual(client.ask(f"M{at:x},{len(words):x}:{words.hex()}"), "OK")

            def run_from(pc: int) -> list[int]:
                """Let it run until it has said so; give the registers."""
                client.set_register(PC, pc)
                client.send("vCont;c")
                guest.console.wait(r"\.")
                client.interrupt()
                return self.core(client)

            self.core(client)
            client.set_register(A1, UART)
            client.set_register(A2, ord("."))
            for number in range(1, ROUNDS + 1):
                self.assertIn(run_from(at)[PC], (reads, reads + 4))
                client.set_register(A0, number << 32)
                now = run_from(waits)
                self.assertEqual([now[PC], now[A0]], [waits + 4, number << 32])

    def test_condition_flags(self) -> None:
        """All eight stay what they are when a vCPU goes on (D9)."""
        guest = self.ready()
        at = self.address("start_kernel")
        with Client(guest) as client:
            with client.code_at(at, 2 * NOP):
                flags = [int(client.ask(f"p{FCC0 + number:x}"), 16) for number in range(8)]
                for wanted in ([0, 0, 0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1, 0, 1]):
                    for number, flag in enumerate(wanted):
                        self.assertEqual(client.ask(f"P{FCC0 + number:x}={flag:02x}"), "OK")
                    client.set_register(PC, at)
                    self.assertEqual(client.ask(f"Z0,{at + 4:x},4"), "OK")
                    self.assertRegex(client.ask("vCont;c"), "^T05")
                    self.assertEqual(client.ask(f"z0,{at + 4:x},4"), "OK")
                    self.assertEqual(client.pc, at + 4)
                    self.assertEqual([int(client.ask(f"p{FCC0 + number:x}"), 16)
                                      for number in range(8)], wanted)
                for number, flag in enumerate(flags):
                    self.assertEqual(client.ask(f"P{FCC0 + number:x}={flag:02x}"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)

    @staticmethod
    def document(client: Client, name: str) -> str:
        """A part of the target description."""
        text = ""
        while (answer := client.ask(
                f"qXfer:features:read:{name}:{len(text):x},800"))[:1] == "m":
            text += answer[1:]
        assert answer[:1] == "l", answer
        return text + answer[1:]

    def described(self, client: Client) -> dict[str, list[tuple[str, int]]]:
        """The registers of each feature: names and numbers, as gdb counts them."""
        client.ask("qSupported:xmlRegisters=loongarch")
        features: dict[str, list[tuple[str, int]]] = {}
        number = 0
        main = self.document(client, "target.xml")
        for include in re.findall(r'xi:include href="([^"]+)"', main):
            text = self.document(client, include)
            name = re.findall(r'feature name="org.gnu.gdb.loongarch.(\w+)"', text)[0]
            registers = features[name] = []
            for reg in re.findall(r"<reg [^>]*>", text):
                if given := re.findall(r'regnum="(\d+)"', reg):
                    number = int(given[0])
                registers.append((re.findall(r' name="([^"]+)"', reg)[0], number))
                number += 1
        return features

    def test_description(self) -> None:
        """Each register is described once (D29)."""
        guest = self.guest(stub=True, paused=True)
        with Client(guest) as client:
            features = self.described(client)
            for feature, prefix in (("base", "r"), ("fpu", "f"),
                                    ("lsx", "vr"), ("lasx", "xr")):
                names = [name for name, _ in features[feature]]
                for name in (f"{prefix}{number}" for number in range(32)):
                    self.assertEqual(names.count(name), 1, name)

    def test_features(self) -> None:
        """All that gdb wants are there (D30)."""
        guest = self.guest(stub=True, paused=True)
        with Client(guest) as client:
            for feature in FEATURES:
                self.assertIn(feature, " ".join(self.described(client)))

    def test_lacking(self) -> None:
        """What a vCPU lacks has no value, and cannot be given one (D19)."""
        guest = self.guest(stub=True, paused=True,
                           options=["-cpu", "max,lsx=off,lasx=off"])
        with Client(guest) as client:
            features = self.described(client)
            for feature, size in (("lsx", 16), ("lasx", 32)):
                for name, number in features[feature]:
                    self.assertEqual(client.ask(f"p{number:x}"), "xx" * size,
                                     f"{name} is there")
            f0 = dict(features["fpu"])["f0"]
            self.assertRegex(client.ask(f"p{f0:x}"), "^[0-9a-f]{16}$")

    def test_before_translation(self) -> None:
        """An address of a program is no physical one, even before there are any (D24)."""
        guest = self.guest(stub=True, paused=True, memory="512M")
        with Client(guest) as client:
            pc = client.pc
            self.assertEqual(client.ask(f"Z0,{pc:x},4"), "OK")
            self.assertEqual(client.ask(f"z0,{pc:x},4"), "OK")
            # Without translation it would be in the middle of memory.
            self.assertEqual(client.read(UNMAPPED), bytes(4))
            self.assertRegex(client.ask(f"Z0,{UNMAPPED:x},4"), "^E",
                             "that is no program's")
            self.assertEqual(client.ask(f"Z1,{UNMAPPED:x},4"), "OK", "for later")
            # Behind the word that the kernel's ftrace goes through at start.
            other = self.address("vfs_read") + 8
            self.assertEqual(client.ask(f"Z1,{other:x},4"), "OK")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual(client.pc, other)
            self.assertEqual(client.ask(f"z1,{other:x},4"), "OK")
            self.assertEqual(client.ask(f"z1,{UNMAPPED:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        guest.wait_ready()
        self.unharmed(guest)


if __name__ == '__main__':
    KvmAnswers.main()
