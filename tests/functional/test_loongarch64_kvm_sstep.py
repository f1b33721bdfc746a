#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps in a live kernel under LoongArch KVM: interrupts stay out and unharmed.

Two vCPUs with timers that are overdue after every stop are what a step meets in
practice.  Whether a step goes to the right place is the matter of
test_loongarch64_kvm_step.py.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable

from qemu_test import loongarch_words as w
from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble
from qemu_test.lockstep import PC, SteppedStub

CRMD, PRMD, ERA = 0, 1, 6
IE = 1 << 2
PIE = 1 << 2
PLACE = "start_kernel"          # free memory, as good as, once the kernel is up
A0, A1 = 4, 5
STEPS = 400
LL = (0x20, 0x22)


class KvmSstep(KvmHostTest):
    """The main job."""

    host_smp = 2

    def address(self, name: str) -> int:
        """Of a function of the kernel, which is the same in host and guest."""
        line = self.host.run(f"grep ' {name}$' /proc/kallsyms", check=True).stdout
        return int(line.split()[0], 16)

    def attach(self) -> tuple[Guest, SteppedStub]:
        """A guest with two vCPUs, stopped somewhere."""
        guest = self.guest(stub=True, smp=2)
        guest.wait_ready()
        guest.console.command("true")
        address, port = guest.stub.split(":")
        connection = socket.create_connection((address, int(port)))
        self.addCleanup(connection.close)
        return guest, SteppedStub(connection)

    def in_kernel(self) -> tuple[Guest, SteppedStub, int]:
        """The same, stopped on a vCPU in a system call: interrupts are on, and
        what an exception writes is free.  With the number of the vCPU."""
        guest, stub = self.attach()
        at = self.address("vfs_read")
        stub.command(f"Z0,{at:x},4")
        guest.console.type("echo go")
        stop = stub.ask("vCont;c")
        self.assertRegex(stop, "^T05")
        thread = int(stop.partition("thread:")[2].rstrip(";"), 16)
        stub.command(f"z0,{at:x},4")
        stub.command(f"Hg{thread:x}")
        self.assertTrue(self.csr(guest, thread - 1, "CRMD") & IE)
        return guest, stub, thread - 1

    def csr(self, guest: Guest, cpu: int, name: str) -> int:
        """A CSR of a vCPU, as QEMU's monitor shows it."""
        state = guest.qmp("human-monitor-command", command_line="info registers",
                          cpu_index=cpu)
        return int(re.findall(rf"\b{name}\s+([0-9a-f]+)\b", state)[0], 16)

    def unharmed(self, guest: Guest) -> None:
        """The guest's shell answers, and its timers go on."""
        guest.console.wait("^go$")
        before = guest.console.command("grep -E 'LOC|timer' /proc/interrupts")
        self.assertEqual(guest.console.command("sleep 0.2; echo $((6 * 7))"), "42")
        after = guest.console.command("grep -E 'LOC|timer' /proc/interrupts")
        self.assertNotEqual(before, after, "no timer interrupt")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def test_answers(self) -> None:
        """What the stub says of steps is so (D7)."""
        guest, stub = self.attach()
        self.assertEqual(stub.ask("vCont?"), "vCont;c;C;s;S")
        self.assertEqual(stub.ask("qqemu.sstepbits"), "ENABLE=1,NOIRQ=2")
        self.assertEqual(stub.ask("qqemu.sstep"), "0x3")
        # Timers cannot be stopped for it.
        self.assertRegex(stub.ask("Qqemu.sstep=0x7"), "^E")
        self.assertEqual(stub.ask("qqemu.sstep"), "0x3")
        self.assertEqual(stub.ask("Qqemu.sstep=0x1"), "OK")
        self.assertEqual(stub.ask("qqemu.sstep"), "0x1")
        self.assertEqual(stub.ask("Qqemu.sstep=0x3"), "OK")
        self.assertEqual(stub.ask("D"), "OK")
        guest.console.command("true")

    def test_no_handler(self) -> None:
        """Hundreds of steps in a system call, and never an interrupt among them.

        An interrupt would leave the address of an instruction that was stepped in
        ERA, which the code itself writes only on its way out.
        """
        guest, stub, cpu = self.in_kernel()
        entry = self.csr(guest, cpu, "EENTRY")
        era = self.csr(guest, cpu, "ERA")
        enabled = 0
        for _ in range(STEPS):
            registers = stub.step(cpu + 1)
            self.assertFalse(entry <= registers[PC] < entry + 0x10000, "in a handler")
            self.assertEqual(self.csr(guest, cpu, "ERA"), era, "an interrupt")
            enabled += self.csr(guest, cpu, "CRMD") & IE != 0
        self.assertGreater(enabled, STEPS // 4,
                           "interrupts were off, which proves nothing")
        stub.command("D")
        self.unharmed(guest)

    def put(self, stub: SteppedStub, at: int, words: list[int],
            registers: list[int]) -> None:
        """A few instructions at a place of their own, and a vCPU before the first."""
        stub.write(at, struct.pack(f"<{len(words)}I", *words))
        self.set_registers(stub, registers)

    @staticmethod
    def set_registers(stub: SteppedStub, registers: list[int]) -> None:
        stub.command("G" + struct.pack(f"<{len(registers)}Q", *registers).hex())

    def test_interrupt_enable(self) -> None:
        """What an instruction reads and makes of CRMD.IE, with interrupts overdue."""
        guest, stub, cpu = self.in_kernel()
        at = self.address(PLACE)
        saved = stub.read(at, 64)
        before = stub.registers()

        def run(words: list[int], a0: int = 0, a1: int = 0) -> Callable[[str], int]:
            """Step through the instructions; give what reads CSRs afterwards."""
            registers = list(before)
            registers[PC], registers[A0], registers[A1] = at, a0, a1
            self.put(stub, at, words, registers)
            for number in range(len(words)):
                registers = stub.step(cpu + 1)
                self.assertEqual(registers[PC], at + 4 * number + 4)
            self.seen = registers[A0]
            return lambda name: self.csr(guest, cpu, name)

        ie_on = [w.csrxchg(A0, A1, CRMD)]
        # First a state that is known: interrupts on.
        mode = run(ie_on, IE, IE)("CRMD")
        self.assertTrue(mode & IE)
        for words, a0, a1, seen, result in (
                ([w.NOP], 0, 0, None, IE),
                ([w.csrrd(A0, CRMD)], 0, 0, mode, IE),
                ([w.csrxchg(A0, A1, CRMD)], 0, IE, mode, 0),
                ([w.csrrd(A0, CRMD)], 0, 0, mode & ~IE, 0),
                ([w.csrxchg(A0, A1, CRMD)], IE, IE, mode & ~IE, IE),
                ([w.csrxchg(A0, A1, CRMD)], 0, 1 << 40, mode, IE),
                ([w.csrwr(A0, CRMD)], mode & ~IE, 0, mode, 0),
                ([w.csrwr(A0, CRMD)], mode, 0, mode & ~IE, IE),
                ([w.csrxchg(A0, A1, CRMD), w.csrrd(A0, CRMD),
                  w.csrxchg(A1, A1, CRMD)], 0, IE, mode & ~IE, IE)):
            with self.subTest(words=[f"{word:08x}" for word in words], a0=f"{a0:#x}"):
                after = run(words, a0, a1)("CRMD")
                self.assertEqual(after & IE, result)
                if seen is not None:
                    self.assertEqual(self.seen, seen)
        self.ertn(guest, stub, at, cpu, before)
        stub.write(at, saved)
        self.set_registers(stub, before)
        stub.command("D")
        self.unharmed(guest)

    def ertn(self, guest: Guest, stub: SteppedStub, at: int, cpu: int,
             before: list[int]) -> None:
        """ertn takes over what PRMD says, and leaves it there."""
        for pie in (0, PIE, 0, PIE):
            with self.subTest(pie=pie):
                there = at + 32
                words = [w.csrwr(A0, ERA), w.csrwr(A1, PRMD), w.ERTN]
                registers = list(before)
                registers[PC], registers[A0], registers[A1] = at, there, pie
                self.put(stub, at, words, registers)
                for _ in words:
                    registers = stub.step(cpu + 1)
                self.assertEqual(registers[PC], there)
                self.assertEqual(self.csr(guest, cpu, "CRMD") & IE, pie)
                self.assertEqual(self.csr(guest, cpu, "PRMD") & PIE, pie)

    def test_idle(self) -> None:
        """A step on idle comes back with the interrupt that it waits for."""
        guest, stub, cpu = self.in_kernel()
        at = self.address(PLACE)
        saved = stub.read(at, 16)
        before = stub.registers()
        registers = list(before)
        registers[PC], registers[A0], registers[A1] = at, IE, IE
        self.put(stub, at, [w.csrxchg(A0, A1, CRMD), w.IDLE, w.NOP], registers)
        self.assertEqual(stub.step(cpu + 1)[PC], at + 4)
        self.assertEqual(stub.step(cpu + 1)[PC], at + 8)
        self.assertTrue(self.csr(guest, cpu, "CRMD") & IE)
        stub.write(at, saved)
        self.set_registers(stub, before)
        stub.command("D")
        self.unharmed(guest)


if __name__ == '__main__':
    KvmSstep.main()
