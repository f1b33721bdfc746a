#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Breakpoints in the user space of a guest under LoongArch KVM.

The process that was there when a breakpoint was set stops at it; all others,
and other mappings of the same page, run as ever.  No program may notice.
"""

from __future__ import annotations

import re

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble
from qemu_test.rsp import Client

# What the program enters the kernel by for the debugger to find it.
MARK = "sys_sched_get_priority_max"
A0, RA = 4, 1
PLV = 3
COUNT = 20
FIRST = 100
PER_THREAD = 1000000
IN_KERNEL = 1 << 63
THREAD_COUNT = 50
ROUNDS = 16


class KvmUser(KvmHostTest):
    """The main job."""

    host_smp = 2

    def address(self, name: str) -> int:
        """Of a function of the kernel, which is the same in host and guest."""
        line = self.host.run(f"grep ' {name}$' /proc/kallsyms", check=True).stdout
        return int(line.split()[0], 16)

    def ready(self, smp: int = 1) -> Guest:
        """A guest at its shell that has the program."""
        initrd = self.initrd_with(self.compile("loongarch64-kvm/user.c"))
        guest = self.guest(stub=True, smp=smp, initrd=initrd)
        guest.wait_ready()
        guest.console.command("true")
        return guest

    def start(self, guest: Guest, client: Client, arguments: str) -> int:
        """Start the program, stop in its process, give the address of work()."""
        mark = self.address(MARK)
        self.assertEqual(client.ask(f"Z0,{mark:x},4"), "OK")
        guest.console.type(f"user {arguments}; echo user: sta''tus $?")
        self.assertRegex(client.ask("vCont;c"), "^T05")
        self.assertEqual(client.pc, mark)
        self.assertEqual(client.ask(f"z0,{mark:x},4"), "OK")
        return int(guest.console.wait(r"user: work at (0x\w+)")[1], 16)

    def csr(self, guest: Guest, name: str, cpu: int = 0) -> int:
        """A CSR of a vCPU, as QEMU's monitor shows it."""
        state = guest.qmp("human-monitor-command", command_line="info registers",
                          cpu_index=cpu)
        return int(re.findall(rf"\b{name}\s+([0-9a-f]+)\b", state)[0], 16)

    def finish(self, guest: Guest, client: Client, what: str) -> None:
        """Detach: the program goes on to its end, and the guest is well."""
        self.assertEqual(client.ask("D"), "OK")
        guest.console.wait(f"^user: {what}, good$")
        guest.console.wait("^user: status 0$")
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def hits(self, client: Client, at: int, first: int, count: int) -> None:
        """So many hits in the next calls; past each as gdb goes."""
        for number in range(first, first + count):
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual((client.pc, client.register(A0)), (at, number))
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask(f"Z0,{at + 4:x},4"), "OK")
            self.assertRegex(client.ask("vCont;c:1"), "^T05")
            self.assertEqual((client.pc, client.register(A0)), (at + 4, number + 1))
            self.assertEqual(client.ask(f"z0,{at + 4:x},4"), "OK")

    def test_hit(self) -> None:
        """A stop in the program, where it was set, with the program's own state (D28)."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"loop {COUNT}")
            word = client.read(at)
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual((client.pc, client.register(A0)), (at, FIRST))
            self.assertEqual(self.csr(guest, "CRMD") & PLV, PLV)
            self.assertEqual(client.read(at), word)
            self.hits(client, at, FIRST, COUNT // 2)
            self.finish(guest, client, "loop")

    def test_hardware_breakpoint(self) -> None:
        """Z1 is hit like Z0."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"loop {COUNT}")
            self.assertEqual(client.ask(f"Z1,{at:x},4"), "OK")
            for number in range(FIRST, FIRST + COUNT // 2):
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual((client.pc, client.register(A0)), (at, number))
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, at + 4)
            self.assertEqual(client.ask(f"z1,{at:x},4"), "OK")
            self.finish(guest, client, "loop")

    def test_step(self) -> None:
        """One instruction after the other, and from a system call into the kernel."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"loop {COUNT}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            # The breakpoint stays: a step passes it.
            for expected in (at + 4, at + 8, client.register(RA)):
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, expected)
                self.assertEqual(self.csr(guest, "CRMD") & PLV, PLV)
            self.assertEqual(client.register(A0), FIRST + 3)
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            # To write() and its system call.
            for _ in range(20000):
                word = int.from_bytes(client.read(client.pc), "little")
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                if word >> 15 == 0x56:
                    break
                self.assertLess(client.pc, IN_KERNEL)
            self.assertGreater(client.pc, IN_KERNEL, "no system call")
            self.assertEqual(self.csr(guest, "CRMD") & PLV, 0)
            self.finish(guest, client, "loop")

    def test_another_process(self) -> None:
        """The same page at the same address in a child: no stop, no harm (D1)."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"two {COUNT}")
            space = self.csr(guest, "PGDL")
            for number in range(FIRST, FIRST + COUNT):
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual((client.pc, client.register(A0)), (at, number))
                self.assertEqual(self.csr(guest, "PGDL"), space)
                self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
            self.finish(guest, client, "two")

    def test_another_address(self) -> None:
        """The same page at another address in the same process (D1)."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"alias {COUNT}")
            self.hits(client, at, FIRST, COUNT)
            self.finish(guest, client, "alias")

    def test_copied_page(self) -> None:
        """The guest copies a page with a planted word in it."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"copy {COUNT}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            word = client.read(at)
            for number in range(FIRST, FIRST + COUNT):
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual((client.pc, client.register(A0)), (at, number))
                self.assertEqual(client.read(at), word)
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, at + 4)
            self.finish(guest, client, "copy")

    def answers(self, guest: Guest, what: str, debugged: bool) -> str:
        """What a program gets for privileged instructions."""
        if not debugged:
            guest.console.type(f"user {what} {COUNT}")
        else:
            with Client(guest) as client:
                at = self.start(guest, client, f"{what} {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                for number in range(COUNT):
                    self.assertRegex(client.ask("vCont;c"), "^T05")
                    self.assertEqual((client.pc, client.register(A0)), (at, number))
                    self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.ask("D"), "OK")
        found = guest.console.wait(r"^user: (\d+ signals, \d+ invalid), 0 wrong$")
        guest.console.wait(f"^user: {what}, good$")
        return found[1]

    def test_exit_of_the_programs_own(self) -> None:
        """A program's own hvcl 0x101 does what it does without a debugger (D1, D8)."""
        guest = self.ready()
        plain = self.answers(guest, "own", False)
        self.assertEqual(self.answers(guest, "own", True), plain)

    def test_other_exceptions(self) -> None:
        """Any other privileged instruction, too, and its handler loses nothing."""
        guest = self.ready()
        plain = self.answers(guest, "illegal", False)
        self.assertEqual(plain, f"{COUNT} signals, 0 invalid")
        self.assertEqual(self.answers(guest, "illegal", True), plain)

    def test_stopped_anywhere(self) -> None:
        """Stopped at any moment while another process executes the planted word."""
        guest = self.ready(smp=2)
        guest.console.type("user busy &")
        guest.console.wait("user: work at")
        for _ in range(4):
            with Client(guest) as client:
                at = self.start(guest, client, f"wait {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                for number in range(ROUNDS):
                    client.send("vCont;c")
                    # Not always the same moment.
                    for _ in range(1 + number % 8):
                        guest.wait_running()
                    self.assertRegex(client.interrupt(), "^T02")
                # Wherever they stand now, it has gone when they go on.
                self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
                guest.console.type("")
                self.finish(guest, client, "wait")
        guest.console.command("kill -0 $!")

    def test_client_dies(self) -> None:
        """Killed while the guest runs and processes execute the planted word (D18)."""
        guest = self.ready(smp=2)
        guest.console.type("user busy &")
        guest.console.wait("user: work at")
        for _ in range(5):
            with Client(guest) as client:
                at = self.start(guest, client, f"wait {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                client.send("vCont;c")
                guest.wait_running()
            guest.console.type("")
            guest.console.wait("^user: wait, good$")
            guest.console.wait("^user: status 0$")
        guest.console.command("kill -0 $!")

    def test_reset(self) -> None:
        """A reset ends the process: nothing is planted where its page was."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"wait {COUNT}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertEqual(client.ask(f"Z1,{at + 4:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            guest.qmp("set-action", reboot="reset")
            guest.qmp("system_reset")
            guest.wait_ready()
            client.interrupt()
            self.assertEqual(client.ask("D"), "OK")
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def test_gdb_two_vcpus(self) -> None:
        """gdb, and two threads that come to one breakpoint at the same time."""
        guest = self.ready(smp=2)
        gdb = self.gdb(self.symbols())
        gdb.run(f"target remote {guest.stub}")
        gdb.run(f"break *{self.address(MARK):#x}")
        guest.console.type(f"user threads 2 {THREAD_COUNT}; echo user: sta''tus $?")
        gdb.go()
        at = int(guest.console.wait(r"user: work at (0x\w+)")[1], 16)
        gdb.run("delete")
        gdb.run(f"break *{at:#x}")
        seen = []
        for _ in range(2 * THREAD_COUNT):
            stop = gdb.go()
            self.assertEqual(stop["reason"], "breakpoint-hit")
            self.assertEqual(gdb.evaluate("$pc"), at)
            seen.append(gdb.evaluate("$r4"))
        gdb.go("stepi")
        self.assertEqual(gdb.evaluate("$pc"), at + 4)
        gdb.run("delete")
        for cpu in (0, 1):
            first = FIRST + cpu * PER_THREAD
            self.assertEqual([n for n in seen if first <= n < first + PER_THREAD],
                             list(range(first, first + THREAD_COUNT)))
        gdb.resume()
        guest.console.wait("^user: threads, good$")
        guest.console.wait("^user: status 0$")
        self.assertEqual(gdb.complaints(), [])
        self.assertEqual(kernel_trouble(guest.console.text), [])


if __name__ == '__main__':
    KvmUser.main()
