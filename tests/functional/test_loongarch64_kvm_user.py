#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Breakpoints in the user space of a guest under LoongArch KVM.

The process that was there when a breakpoint was set stops at it; all others,
and other mappings of the same page, run as ever.  No program may notice.
"""

from __future__ import annotations

import re
from typing import ClassVar

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble
from qemu_test.rsp import Client

# What the program enters the kernel by for the debugger to find it.
MARK = "sys_sched_get_priority_max"
A0, RA = 4, 1
PLV, IE = 3, 4
# From work() to load(), in bytes.
LOAD = 12
COUNT = 20
DROPPED = 200
CPUS = 2
FIRST = 100
PER_THREAD = 1000000
IN_KERNEL = 1 << 63
THREAD_COUNT = 50
ROUNDS = 16


class KvmUser(KvmHostTest):
    """The main job."""

    host_smp = 2
    # At its shell, after a test that has ended well.
    idle: ClassVar[Guest | None] = None

    @classmethod
    def tearDownClass(cls) -> None:
        if cls.idle:
            cls.idle.close()
        super().tearDownClass()

    def address(self, name: str) -> int:
        """Of a function of the kernel, which is the same in host and guest."""
        line = self.host.run(f"grep ' {name}$' /proc/kallsyms", check=True).stdout
        return int(line.split()[0], 16)

    def ready(self) -> Guest:
        """A guest at its shell that has the program; maybe from a test before."""
        guest, KvmUser.idle = self.idle, None
        if guest:
            self.addCleanup(self.close_unless_idle, guest)
            return guest
        initrd = self.initrd_with(self.compile("loongarch64-kvm/user.c"))
        guest = Guest(self.host, self.log_file("guest.log"), stub=True, smp=CPUS,
                      initrd=initrd)
        self.addCleanup(self.close_unless_idle, guest)
        guest.wait_ready()
        guest.console.command("true")
        return guest

    def close_unless_idle(self, guest: Guest) -> None:
        """After a test."""
        if guest is not self.idle:
            guest.close()

    def done(self, guest: Guest) -> None:
        """All was well: another test may have the guest."""
        KvmUser.idle = guest

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

    def hit(self, client: Client, at: int, first: int) -> None:
        """Run into a breakpoint at work(first)."""
        self.assertRegex(client.ask("vCont;c"), "^T05")
        self.assertEqual((client.pc, client.register(A0)), (at, first))

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
            self.hit(client, at, number)
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
            self.hit(client, at, FIRST)
            self.assertEqual(self.csr(guest, "CRMD") & PLV, PLV)
            self.assertEqual(client.read(at), word)
            self.hits(client, at, FIRST, COUNT // 2)
            self.finish(guest, client, "loop")
        self.done(guest)

    def test_hardware_breakpoint(self) -> None:
        """Z1 is hit like Z0."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"loop {COUNT}")
            self.assertEqual(client.ask(f"Z1,{at:x},4"), "OK")
            for number in range(FIRST, FIRST + COUNT // 2):
                self.hit(client, at, number)
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, at + 4)
            self.assertEqual(client.ask(f"z1,{at:x},4"), "OK")
            self.finish(guest, client, "loop")
        self.done(guest)

    def test_step(self) -> None:
        """One instruction after the other, and from a system call into the kernel."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"call {COUNT}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            # The breakpoint stays: a step passes it.
            for number in range(COUNT // 2):
                self.hit(client, at, number)
                back = client.register(RA)
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, at + 4)
                self.assertEqual(self.csr(guest, "CRMD") & PLV, PLV)
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertGreater(client.pc, IN_KERNEL, "not the system call's entry")
                self.assertEqual(self.csr(guest, "CRMD") & PLV, 0)
                self.assertEqual(client.ask(f"Z0,{at + 8:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual(client.pc, at + 8)
                self.assertEqual(client.ask(f"z0,{at + 8:x},4"), "OK")
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, back)
                # A program whose interrupts are off would have the CPU for itself.
                self.assertEqual(self.csr(guest, "CRMD") & (PLV | IE), PLV | IE)
            self.finish(guest, client, "call")
        self.done(guest)

    def test_another_process(self) -> None:
        """The same page at the same address in a child: no stop, no harm (D1)."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"two {COUNT}")
            space = self.csr(guest, "PGDL")
            for number in range(FIRST, FIRST + COUNT):
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                self.hit(client, at, number)
                self.assertEqual(self.csr(guest, "PGDL"), space)
                self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
            self.finish(guest, client, "two")
        self.done(guest)

    def stop_in_child(self, guest: Guest, client: Client, what: str) -> tuple[int, int]:
        """A breakpoint is in, and no vCPU in its space; give its address and that."""
        mark = self.address(MARK)
        at = self.start(guest, client, f"{what} {COUNT}")
        space = self.csr(guest, "PGDL")
        self.assertRegex(client.ask("vCont;s:1"), "^T05")
        for address in (at, mark):
            self.assertEqual(client.ask(f"Z0,{address:x},4"), "OK")
        self.assertRegex(client.ask("vCont;c"), "^T05")
        self.assertEqual(client.pc, mark)
        self.assertNotIn(space, [self.csr(guest, "PGDL", cpu) for cpu in range(CPUS)])
        for address in (at, mark):
            self.assertEqual(client.ask(f"z0,{address:x},4"), "OK")
        return at, space

    def hits_in(self, guest: Guest, client: Client, at: int, space: int,
                what: str) -> None:
        """It is hit where it was set, and nowhere else."""
        self.hit(client, at, FIRST)
        self.assertEqual(self.csr(guest, "PGDL"), space)
        self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
        self.assertRegex(client.ask("vCont;s:1"), "^T05")
        self.hits(client, at, FIRST + 1, 3)
        self.finish(guest, client, what)

    def test_stop_elsewhere(self) -> None:
        """gdb takes all breakpoints away at each stop: those of others are not lost."""
        guest = self.ready()
        for what in ("share", "swap", "drop"):
            with self.subTest(what), Client(guest) as client:
                at, space = self.stop_in_child(guest, client, what)
                # Past the one that was hit, and once more.
                past = client.pc + 4
                for address in (at, past):
                    self.assertEqual(client.ask(f"Z0,{address:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c:1"), "^T05")
                self.assertEqual(client.pc, past)
                for address in (at, past):
                    self.assertEqual(client.ask(f"z0,{address:x},4"), "OK")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                self.hits_in(guest, client, at, space, what)
        self.done(guest)

    def test_set_later(self) -> None:
        """It was not there for a while, and nothing else is at its address."""
        guest = self.ready()
        with Client(guest) as client:
            at, space = self.stop_in_child(guest, client, "drop")
            self.assertRegex(client.ask("vCont;s:1"), "^T05")
            self.assertRegex(client.ask(f"m{at:x},4"), "^E")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.hits_in(guest, client, at, space, "drop")
        self.done(guest)

    def test_process_ends(self) -> None:
        """What is set again after its process has ended is another one's."""
        guest = self.ready()
        mark = self.address(MARK)
        with Client(guest) as client:
            # A function that this one does not call.
            at = self.start(guest, client, "busy & true") + LOAD
            # Past the mark, on whatever vCPU it is.
            self.assertRegex(client.ask("s"), "^T05")
            for address in (at, mark):
                self.assertEqual(client.ask(f"Z0,{address:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            guest.console.command("kill -9 $!; wait")
            guest.console.type(f"user fault {COUNT}; echo user: sta''tus $?")
            self.assertRegex(client.receive(), "^T05")
            self.assertEqual(client.pc, mark)
            space = self.csr(guest, "PGDL")
            for packet in ("z0", "Z0"):
                self.assertEqual(client.ask(f"{packet},{at:x},4"), "OK")
            self.assertEqual(client.ask(f"z0,{mark:x},4"), "OK")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual((client.pc, self.csr(guest, "PGDL")), (at, space))
            self.finish(guest, client, "fault")
        self.done(guest)

    def test_another_address(self) -> None:
        """The same page at another address in the same process (D1)."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"alias {COUNT}")
            self.hits(client, at, FIRST, COUNT)
            self.finish(guest, client, "alias")
        self.done(guest)

    def test_page_not_accessed(self) -> None:
        """The guest marks the page as not accessed, and flushes no TLB.

        By itself between any two calls, or by another process at any moment.
        """
        guest = self.ready()
        for what in ("old", "aged"):
            with Client(guest) as client:
                at = self.start(guest, client, f"{what} {COUNT}")
                self.hits(client, at, FIRST, COUNT)
                self.finish(guest, client, what)
        self.done(guest)

    def test_page_dropped(self) -> None:
        """Out of its table, the page is still in a TLB until that is flushed."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"gone {DROPPED}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.hit(client, at, FIRST)
            self.finish(guest, client, "gone")
        self.done(guest)

    def test_page_anew(self) -> None:
        """Where the program has another page, the breakpoint comes without a stop."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"anew {COUNT}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.hit(client, at, FIRST)
            self.assertRegex(client.ask("vCont;s:1"), "^T05")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual(client.pc, at)
            self.assertIn(client.register(A0), range(FIRST + 1, FIRST + COUNT))
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.finish(guest, client, "anew")
        self.done(guest)

    def test_fault(self) -> None:
        """The instruction faults in a process that is not meant: a page comes, or a
        signal."""
        guest = self.ready()
        with Client(guest) as client:
            at = self.start(guest, client, f"fault {COUNT}")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            for number in range(FIRST, FIRST + COUNT):
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual(client.pc, at)
                value = client.read(client.register(A0), 8)
                self.assertEqual(int.from_bytes(value, "little"), number)
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual((client.pc, client.register(A0)), (at + 4, number))
            self.finish(guest, client, "fault")
        self.done(guest)

    def test_copied_page(self) -> None:
        """The guest copies a page with a planted word in it; either can have the copy."""
        guest = self.ready()
        for what in ("copy", "kept"):
            with Client(guest) as client:
                at = self.start(guest, client, f"{what} {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                word = client.read(at)
                for number in range(FIRST, FIRST + COUNT):
                    self.hit(client, at, number)
                    self.assertEqual(client.read(at), word)
                    self.assertRegex(client.ask("vCont;s:1"), "^T05")
                    self.assertEqual(client.pc, at + 4)
                self.finish(guest, client, what)
        self.done(guest)

    def test_copy_is_left(self) -> None:
        """A breakpoint has gone when the copy of its page is executed."""
        guest = self.ready()
        mark = self.address(MARK)
        for what in ("copy", "kept"):
            with Client(guest) as client:
                at = self.start(guest, client, f"{what} {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                self.assertEqual(client.ask(f"Z0,{mark:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual(client.pc, mark)
                self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
                self.assertEqual(client.ask(f"z0,{mark:x},4"), "OK")
                # In the process itself, after its child.
                self.assertEqual(client.ask(f"Z0,{at + 4:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual((client.pc, client.register(A0)), (at + 4, FIRST + 1))
                self.assertEqual(client.ask(f"z0,{at + 4:x},4"), "OK")
                self.finish(guest, client, what)
        self.done(guest)

    def answers(self, guest: Guest, what: str, debugged: bool) -> str:
        """What a program gets for privileged instructions."""
        if not debugged:
            guest.console.type(f"user {what} {COUNT}")
        else:
            with Client(guest) as client:
                at = self.start(guest, client, f"{what} {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                for number in range(COUNT):
                    self.hit(client, at, number)
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
        self.done(guest)

    def test_other_exceptions(self) -> None:
        """Any other privileged instruction, too, and its handler loses nothing."""
        guest = self.ready()
        plain = self.answers(guest, "illegal", False)
        self.assertEqual(plain, f"{COUNT} signals, 0 invalid")
        self.assertEqual(self.answers(guest, "illegal", True), plain)
        self.done(guest)

    def test_stopped_anywhere(self) -> None:
        """Stopped at any moment while another process executes the planted word."""
        guest = self.ready()
        guest.console.type("user busy &")
        guest.console.wait("user: busy")
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
        guest.console.command("kill $!")
        self.done(guest)

    def test_client_dies(self) -> None:
        """Killed while the guest runs and processes execute the planted word (D18)."""
        guest = self.ready()
        guest.console.type("user busy &")
        guest.console.wait("user: busy")
        for _ in range(5):
            with Client(guest) as client:
                at = self.start(guest, client, f"wait {COUNT}")
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                client.send("vCont;c")
                guest.wait_running()
            guest.console.type("")
            guest.console.wait("^user: wait, good$")
            guest.console.wait("^user: status 0$")
        guest.console.command("kill $!")
        self.done(guest)

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
            # gdb has it still.
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])
        self.done(guest)

    def test_gdb_two_vcpus(self) -> None:
        """gdb, and two threads that come to one breakpoint at the same time."""
        guest = self.ready()
        gdb = self.gdb(self.symbols())
        gdb.run(f"target remote {guest.stub}")
        gdb.run(f"break *{self.address(MARK):#x}")
        guest.console.type(f"user threads {CPUS} {THREAD_COUNT}; echo user: sta''tus $?")
        gdb.go()
        at = int(guest.console.wait(r"user: work at (0x\w+)")[1], 16)
        gdb.run("delete")
        gdb.run(f"break *{at:#x}")
        seen = []
        for _ in range(CPUS * THREAD_COUNT):
            stop = gdb.go()
            self.assertEqual(stop["reason"], "breakpoint-hit")
            self.assertEqual(gdb.evaluate("$pc"), at)
            seen.append(gdb.evaluate("$r4"))
        gdb.go("stepi")
        self.assertEqual(gdb.evaluate("$pc"), at + 4)
        gdb.run("delete")
        for cpu in range(CPUS):
            first = FIRST + cpu * PER_THREAD
            self.assertEqual([n for n in seen if first <= n < first + PER_THREAD],
                             list(range(first, first + THREAD_COUNT)))
        gdb.resume()
        guest.console.wait("^user: threads, good$")
        guest.console.wait("^user: status 0$")
        self.assertEqual(gdb.complaints(), [])
        self.assertEqual(kernel_trouble(guest.console.text), [])
        gdb.close()
        self.done(guest)


if __name__ == '__main__':
    KvmUser.main()
