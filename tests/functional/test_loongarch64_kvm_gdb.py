#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""gdb on the kernel of a guest under LoongArch KVM.

A real gdb does what a user does, against QEMU's stub, and the guest has the
last word: it must have come through unharmed.  What single packets answer is
not looked at here.
"""

from __future__ import annotations

import ast
import re
import socket
import statistics
import time
from typing import Any

from qemu_test.gdbmi import Gdb
from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble

CALL = "sys_sched_get_priority_max"
LAST_CALL = "sys_sched_get_priority_min"
PHYSICAL = (1 << 48) - 1
CRMD_IE = 1 << 2
PER_CPU = 1000000
FIRST = 100

# In gdb: notes each hit's thread and number; an ignore count lets it go on.
RECORD = """
import gdb
class Record(gdb.Function):
    def __init__(self):
        super().__init__("record")
        self.seen = []
    def invoke(self):
        self.seen.append((gdb.selected_thread().num, int(gdb.parse_and_eval("%s"))))
        return 1
record = Record()
"""
CALLS_ENOUGH = 1000000
HITS_TIMEOUT = 300
NO_PROGRAM = "No executable has been specified"


class KvmGdb(KvmHostTest):
    """The main job."""

    host_smp = 2

    def attach(self, guest: Guest, *, symbols: bool = True) -> Gdb:
        """gdb, attached as the manual says and without a setting of its own."""
        gdb = self.gdb(self.symbols() if symbols else None)
        gdb.run(f"target remote {guest.stub}")
        return gdb

    def check_clean(self, gdb: Gdb, guest: Guest) -> None:
        self.assertEqual(gdb.complaints(), [])
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def calls_guest(self, **options: Any) -> Guest:
        """A paused guest that has the program `calls`."""
        program = self.compile("loongarch64-kvm/calls.c")
        return self.guest(stub=True, paused=True, initrd=self.initrd_with(program),
                          **options)

    def test_attach_first_instruction(self) -> None:
        """Without symbols, before the first instruction, and not a word of complaint."""
        guest = self.guest(stub=True, paused=True)
        gdb = self.attach(guest, symbols=False)
        self.assertEqual(guest.console.text, "")
        start = gdb.evaluate("$pc")
        symbols = self.gdb(self.symbols())
        entry = symbols.evaluate("(long) &kernel_entry")
        self.assertEqual(start & PHYSICAL, entry & PHYSICAL)
        self.assertRegex(gdb.run("x/2i $pc"), r"=> 0x\w+:\s+\w+")
        self.assertRegex(gdb.run("info registers"), r"(?m)^pc\s+0x")
        for register in ("f0", "fcc7", "fcsr", "vr24", "vr31", "xr31"):
            self.assertRegex(gdb.run(f"info registers {register}"), rf"^{register}\s+\S")
        before = gdb.evaluate("$pc")
        gdb.go("stepi")
        self.assertNotEqual(gdb.evaluate("$pc"), before)
        gdb.resume()
        guest.wait_ready()
        guest.console.command("true")
        # The end of the target is an event like any other.
        self.assertEqual(guest.power_off(), 0)
        self.assertEqual(gdb.wait_stop()["reason"], "exited-normally")
        # Without a program that is what gdb says to any system it debugs.
        complaints = [line for line in gdb.complaints() if NO_PROGRAM not in line]
        self.assertEqual(complaints, [])
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def test_breakpoint_by_name(self) -> None:
        """Break in a kernel function, look around, step, delete, go on."""
        guest = self.calls_guest(run="calls priority 1 3")
        gdb = self.attach(guest)
        gdb.run("break start_kernel")
        stop = gdb.go(timeout=120)
        self.assertEqual(stop["reason"], "breakpoint-hit")
        self.assertEqual(stop["frame"]["func"], "start_kernel")
        gdb.run("delete")

        gdb.run(f"break {CALL}")
        stop = gdb.go(timeout=120)
        self.assertEqual(stop["reason"], "breakpoint-hit")
        self.assertIn("guest: ready", guest.console.text)
        function = gdb.evaluate(f"(long) &{CALL}")
        self.assertEqual(gdb.evaluate("$r4"), FIRST)
        self.assertEqual(gdb.evaluate("$r0"), 0)
        self.assertEqual(gdb.evaluate("$r3") & 7, 0)
        self.assertGreater(gdb.evaluate("$r3"), 1 << 63)
        self.assertRegex(gdb.run("info symbol $r1"), r"^do_syscall \+ \d+")
        trace = gdb.run("backtrace")
        self.assertRegex(trace, rf"#0 .*\b\w*{CALL.removeprefix('sys_')} \(")
        self.assertRegex(trace, r"#1 .*\bdo_syscall \(")

        listing = gdb.run("x/4i $pc")
        self.assertRegex(listing, rf"=> 0x{gdb.evaluate('$pc'):x} <\w+(\+\d+)?>:")
        self.assertNotIn("hvcl", listing)
        at = gdb.evaluate("$pc")
        gdb.go("stepi")
        self.assertNotEqual(gdb.evaluate("$pc"), at)

        # From the function's first word, which takes no branch, step is exact.
        gdb.run("delete")
        gdb.run(f"break *{CALL}")
        gdb.go()
        for number in range(1, 4):
            gdb.go("stepi")
            self.assertEqual(gdb.evaluate("$pc"), function + 4 * number)
        self.assertEqual(gdb.evaluate("$r4"), FIRST + 1)

        gdb.run("delete")
        gdb.resume()
        guest.console.wait("calls: 3 in all, good")
        guest.console.wait("guest: status 0")
        self.check_clean(gdb, guest)

    def counted(self, way: str, where: str, number: str, smp: int,
                each: int) -> list[tuple[int, int]]:
        """Every hit's gdb thread and number, with a breakpoint that never stops us."""
        guest = self.calls_guest(smp=smp, run=f"calls {way} {smp} {each}")
        gdb = self.attach(guest)
        # Not from the start: the kernel checks its functions' first words early on.
        gdb.run("tbreak kernel_init")
        gdb.go(timeout=120)
        gdb.python(RECORD % number)
        gdb.run(f"break {where} if $record()")
        gdb.run(f"ignore 2 {CALLS_ENOUGH}")
        gdb.run(f"break {LAST_CALL}")
        gdb.resume()
        guest.wait_ready()
        start = time.monotonic()
        stop = gdb.wait_stop(HITS_TIMEOUT)
        self.log.info("%d hits, %.1f ms each", smp * each,
                      (time.monotonic() - start) * 1000 / (smp * each))
        self.assertEqual(stop["bkptno"], "3")
        self.assertRegex(gdb.run("info breakpoints 2"),
                         rf"breakpoint already hit {smp * each} times")
        seen = ast.literal_eval(gdb.run("python print(record.seen)"))
        gdb.run("delete")
        gdb.resume()
        guest.console.wait(f"calls: {smp * each} in all, good")
        guest.console.wait("guest: status 0")
        self.check_clean(gdb, guest)
        return seen

    def test_thousand_hits(self) -> None:
        """As many hits as the guest made calls, each with its own argument."""
        seen = self.counted("priority", CALL, "$r4", 1, 1000)
        self.assertEqual([number for _, number in seen],
                         list(range(FIRST, FIRST + 1000)))

    def two_vcpus(self, way: str, where: str, number: str) -> None:
        """Two vCPUs hit one breakpoint at the same time: no hit lost, none twice."""
        each = 250
        seen = self.counted(way, where, number, 2, each)
        self.assertEqual({thread for thread, _ in seen}, {1, 2})
        for cpu in (0, 1):
            first = FIRST + cpu * PER_CPU
            mine = [hit for hit in seen if first <= hit[1] < first + PER_CPU]
            self.assertEqual([number for _, number in mine],
                             list(range(first, first + each)))
            self.assertEqual({thread for thread, _ in mine}, {cpu + 1})

    def test_two_vcpus(self) -> None:
        """In a system call, where interrupts are on.

        gdb's way past a breakpoint is to let one vCPU run alone.  An interrupt
        there would run a handler that can wait for a lock of the vCPU that is
        held, for ever.
        """
        self.two_vcpus("priority", CALL, "$r4")

    def csr(self, guest: Guest, cpu: int, name: str) -> int:
        """A CSR of a vCPU, as QEMU's monitor shows it."""
        state = guest.qmp("human-monitor-command", command_line="info registers",
                          cpu_index=cpu)
        return int(re.findall(rf"\b{name}\s+([0-9a-f]+)\b", state)[0], 16)

    def test_step_over_takes_no_interrupt(self) -> None:
        """A vCPU alone steps past a breakpoint: no handler runs meanwhile.

        The timer is overdue whenever gdb has looked at a guest for a while. An
        interrupt before the step leaves its address in ERA.
        """
        guest = self.calls_guest(smp=2, run="calls priority 1 20")
        gdb = self.attach(guest)
        gdb.run("tbreak kernel_init")
        gdb.go(timeout=120)
        gdb.run(f"break *{CALL}")
        for _ in range(20):
            cpu = int(gdb.go(timeout=120)["thread-id"]) - 1
            at = gdb.evaluate("$pc")
            mode = self.csr(guest, cpu, "CRMD")
            self.assertTrue(mode & CRMD_IE)
            self.assertNotEqual(self.csr(guest, cpu, "ERA"), at)
            gdb.go("stepi")
            self.assertEqual(gdb.evaluate("$pc"), at + 4)
            self.assertNotEqual(self.csr(guest, cpu, "ERA"), at, "an interrupt was taken")
            self.assertEqual(self.csr(guest, cpu, "CRMD"), mode)
        gdb.run("delete")
        gdb.resume()
        guest.console.wait("calls: 20 in all, good")
        guest.console.wait("guest: status 0")
        self.check_clean(gdb, guest)

    def test_two_vcpus_in_a_handler(self) -> None:
        """In the handler of an exception, where they are off."""
        # Its argument points to the saved registers, r0 first.
        self.two_vcpus("trap", "*do_bp", "((long *) $r4)[4]")

    def test_detach(self) -> None:
        """After breakpoints, hits and a detach the guest runs on with its own text."""
        guest = self.guest(stub=True)
        guest.wait_ready()
        guest.console.command("true")
        symbols = self.gdb(self.symbols())
        first = symbols.evaluate("(long) &_stext")
        size = symbols.evaluate("(long) &_etext") - first
        before = guest.memory_hash(first & PHYSICAL, size)

        gdb = self.attach(guest)
        for name in (CALL, "vfs_read", "vfs_write", "do_syscall", "schedule"):
            gdb.run(f"break {name}")
        for _ in range(5):
            self.assertEqual(gdb.go()["reason"], "breakpoint-hit")
        gdb.run("detach")
        self.assertTrue(guest.qmp("query-status")["running"])
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(guest.memory_hash(first & PHYSICAL, size), before)

        # And gdb can come back.
        again = self.attach(guest)
        again.run(f"break {CALL}")
        again.run("detach")
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(guest.memory_hash(first & PHYSICAL, size), before)
        self.check_clean(gdb, guest)
        self.check_clean(again, guest)

    def test_interrupt(self) -> None:
        """Ctrl-C: gdb sees where the guest is, not where it last stopped."""
        guest = self.calls_guest()
        gdb = self.attach(guest)
        gdb.run(f"break {CALL}")
        gdb.resume()
        guest.wait_ready()
        guest.console.type("calls priority 1 1")
        gdb.wait_stop()
        last = gdb.evaluate("$pc")
        gdb.run("delete")
        gdb.resume()
        guest.console.wait("calls: 1 in all, good")
        self.assertEqual(gdb.interrupt()["signal-name"], "SIGINT")
        self.assertNotEqual(gdb.evaluate("$pc"), last)
        state = guest.qmp("human-monitor-command", command_line="info registers")
        self.assertEqual(gdb.evaluate("$pc"), int(re.findall(r"PC=(\w+)", state)[0], 16))
        gdb.resume()
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.check_clean(gdb, guest)

    def test_round_trip(self) -> None:
        """A packet there and its answer back: under a millisecond."""
        guest = self.guest(stub=True, paused=True)
        address, port = guest.stub.split(":")
        times = []
        with socket.create_connection((address, int(port)), timeout=30) as stub:
            stub.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(300):
                start = time.monotonic()
                stub.sendall(b"+$qC#b4")
                answer = b""
                while b"#" not in answer[:-2]:
                    answer += stub.recv(1000)
                times.append(time.monotonic() - start)
        self.assertIn(b"$QC", answer)
        self.log.info("round trip: best quarter %.3f ms, median %.3f ms, worst %.3f ms",
                      *(1000 * t for t in (statistics.quantiles(times)[0],
                                           statistics.median(times), max(times))))
        # Not the median: on a busy machine that says more about the others.
        self.assertLess(statistics.quantiles(times)[0], 0.001)


if __name__ == '__main__':
    KvmGdb.main()
