#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""LLDB on the kernel of a guest under LoongArch KVM.

Unlike gdb it has the stub step, so that here a session rests on vCont;s.  It is
driven through its Python module, and every wait for it has a limit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from typing import Any
from unittest import SkipTest

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble

CALL = "sys_sched_get_priority_max"
LAST_CALL = "sys_sched_get_priority_min"
FIRST = 100
PER_CPU = 1000000
EACH = 5
PATTERN = 0x123456789abcdef0
WAIT = 120
# So many stay in the kernel.
STEPS = 40
FTRACE = 8


def lldb_module() -> Any:
    """LLDB's Python module; the test is skipped where there is none."""
    program = shutil.which("lldb")
    if not program:
        raise SkipTest("there is no lldb here")
    path = subprocess.run([program, "-P"], capture_output=True, text=True,
                          check=True).stdout.strip()
    if path not in sys.path:
        sys.path.append(path)
    try:
        return __import__("lldb")
    except ImportError as error:
        raise SkipTest(f"lldb's Python module is not usable: {error}") from None


class Session:
    """LLDB, attached to a stub; every stop is an event that is waited for."""

    def __init__(self, stub: str, symbols: str, log: str) -> None:
        self.lldb = lldb_module()
        self._debugger = self.lldb.SBDebugger.Create(False)
        self._debugger.SetAsync(True)
        self._debugger.HandleCommand(f"log enable -f {log} -T gdb-remote packets")
        self.target = self._debugger.CreateTarget(symbols)
        if not self.target.IsValid():
            raise AssertionError("lldb makes no target of the symbols")
        self._listener = self.lldb.SBListener("test")
        error = self.lldb.SBError()
        self.process = self.target.ConnectRemote(
            self._listener, f"connect://{stub}", "gdb-remote", error)
        self.check(error)
        self.wait_stop()

    @staticmethod
    def check(error: Any) -> None:
        if error.Fail():
            raise AssertionError(error.GetCString())

    def wait_stop(self) -> Any:
        """Wait until the guest has stopped; give a thread that it is for."""
        event = self.lldb.SBEvent()
        deadline = time.monotonic() + WAIT
        while self._listener.WaitForEvent(max(1, int(deadline - time.monotonic())),
                                          event):
            state = self.lldb.SBProcess.GetStateFromEvent(event)
            if state == self.lldb.eStateStopped and \
                    not self.lldb.SBProcess.GetRestartedFromEvent(event):
                return (self.with_reason() or [self.process.GetSelectedThread()])[0]
            if state in (self.lldb.eStateExited, self.lldb.eStateCrashed,
                         self.lldb.eStateDetached):
                raise AssertionError("the guest has ended")
        raise AssertionError(f"no stop within {WAIT} s")

    def with_reason(self) -> list[Any]:
        """The threads that have stopped for a reason, and not because another has."""
        nothing = (self.lldb.eStopReasonInvalid, self.lldb.eStopReasonNone)
        return [thread for thread in self.process
                if thread.GetStopReason() not in nothing]

    def go(self) -> Any:
        self.check(self.process.Continue())
        return self.wait_stop()

    def step(self, thread: Any) -> Any:
        """One instruction of one vCPU."""
        error = self.lldb.SBError()
        thread.StepInstruction(False, error)
        self.check(error)
        return self.wait_stop()

    def interrupt(self) -> Any:
        self.process.SendAsyncInterrupt()
        return self.wait_stop()

    def address(self, name: str) -> int:
        """Of a function."""
        symbol = self.target.FindSymbols(name).GetContextAtIndex(0).GetSymbol()
        return int(symbol.GetStartAddress().GetLoadAddress(self.target))

    def breakpoint(self, name: str) -> Any:
        made = self.target.BreakpointCreateByName(name)
        if made.GetNumLocations() != 1:
            raise AssertionError(f"{name} is at {made.GetNumLocations()} places")
        return made

    @staticmethod
    def register(thread: Any, name: str) -> Any:
        return thread.GetFrameAtIndex(0).FindRegister(name)

    def value(self, thread: Any, name: str) -> int:
        return int(self.register(thread, name).GetValueAsUnsigned())

    def set_value(self, thread: Any, name: str, value: int) -> None:
        error = self.lldb.SBError()
        self.register(thread, name).SetValueFromCString(hex(value), error)
        self.check(error)

    def detach(self) -> None:
        self.check(self.process.Detach())

    def close(self) -> None:
        self.lldb.SBDebugger.Destroy(self._debugger)


class KvmLldb(KvmHostTest):
    """The main job, with two vCPUs."""

    host_smp = 2

    def session(self, **options: Any) -> tuple[Guest, Session]:
        """A paused guest that will make its calls on both vCPUs, and LLDB."""
        lldb_module()
        program = self.compile("loongarch64-kvm/calls.c")
        guest = self.guest(stub=True, paused=True, smp=2,
                           initrd=self.initrd_with(program),
                           run=f"calls priority 2 {EACH}", **options)
        session = Session(guest.stub, self.symbols(), self.log_file("lldb.log"))
        self.addCleanup(session.close)
        return guest, session

    def at_call(self, session: Session) -> Any:
        """Let the guest come to its first call."""
        self.come_to(session, "kernel_init")
        session.breakpoint(CALL)
        return session.go()

    def come_to(self, session: Session, name: str) -> None:
        """Let the guest run to a function of the kernel.

        Behind the words at its start that the kernel writes anew when it comes up.
        """
        early = session.target.BreakpointCreateByAddress(session.address(name) + FTRACE)
        thread = session.go()
        self.assertEqual(thread.GetStopReason(), session.lldb.eStopReasonBreakpoint)
        self.assertEqual(session.value(thread, "pc"),
                         early.GetLocationAtIndex(0).GetLoadAddress())
        session.target.BreakpointDelete(early.GetID())

    def finish(self, guest: Guest) -> None:
        guest.console.wait(f"calls: {2 * EACH} in all, good")
        guest.console.wait("guest: status 0")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def test_breakpoints(self) -> None:
        """By name, hit by both vCPUs, each time with another number.

        Every call is a hit, also of two vCPUs that come there at the same moment.
        """
        guest, session = self.session()
        self.assertEqual(session.process.GetNumThreads(), 2)
        self.come_to(session, "start_kernel")
        self.come_to(session, "kernel_init")
        call, last = session.breakpoint(CALL), session.breakpoint(LAST_CALL)
        seen, numbers, together = [], [], 0
        while last.GetID() not in numbers:
            session.go()
            threads = session.with_reason()
            self.assertTrue(threads, "a stop for nothing")
            together += len(threads) > 1
            numbers = []
            for thread in threads:
                self.assertEqual(thread.GetStopReason(),
                                 session.lldb.eStopReasonBreakpoint)
                numbers.append(thread.GetStopReasonDataAtIndex(0))
                if numbers[-1] == call.GetID():
                    self.assertEqual(session.value(thread, "pc"),
                                     call.GetLocationAtIndex(0).GetLoadAddress())
                    seen.append((thread.GetIndexID(), session.value(thread, "r4")))
        self.log.info("%d times both at once", together)
        self.assertEqual(sorted(seen), [(1 + cpu, FIRST + cpu * PER_CPU + number)
                                        for cpu in range(2) for number in range(EACH)])
        session.target.DeleteAllBreakpoints()
        session.detach()
        self.finish(guest)

    def test_look_around(self) -> None:
        """Back trace, disassembly, registers; what is written arrives."""
        guest, session = self.session()
        thread = self.at_call(session)
        names = [thread.GetFrameAtIndex(n).GetSymbol().GetName()
                 for n in range(thread.GetNumFrames())]
        # The function has several names.
        self.assertTrue(names[0].endswith(CALL), names)
        self.assertEqual(names[1], "do_syscall")
        frame = thread.GetFrameAtIndex(0)
        text = str(session.target.ReadInstructions(frame.GetPCAddress(), 4))
        self.assertNotIn("hvcl", text)
        for name in ("r0", "r31", "pc", "f0", "fcsr", "vr24", "vr31", "xr31"):
            self.assertTrue(session.register(thread, name).IsValid(), name)

        before = session.value(thread, "r20")
        session.set_value(thread, "r20", PATTERN)
        self.assertEqual(session.value(thread, "r20"), PATTERN)
        state = guest.qmp("human-monitor-command", command_line="info registers",
                          cpu_index=thread.GetIndexID() - 1)
        self.assertIn(f"{PATTERN:x}", state)
        session.set_value(thread, "r20", before)
        session.detach()
        self.finish(guest)

    def test_step(self) -> None:
        """One instruction at a time, on the thread that is asked for."""
        guest, session = self.session()
        thread = self.at_call(session)
        number, start = thread.GetIndexID(), session.value(thread, "pc")
        other = session.process.GetThreadByIndexID(3 - number)
        stands = session.value(other, "pc")
        stack = session.value(thread, "r3")
        for done in range(STEPS):
            at = session.value(thread, "pc")
            word = session.process.ReadUnsignedFromMemory(at, 4, session.lldb.SBError())
            thread = session.step(thread)
            self.assertEqual(thread.GetIndexID(), number)
            self.assertEqual(thread.GetStopReason(), session.lldb.eStopReasonPlanComplete)
            # Ordinary instructions go to the next one; 0x40 to 0x6f are branches.
            if not 0x40 <= word >> 24 < 0x70 and word >> 15 not in (0x54, 0x56) \
                    and word != 0x06483800 and word >> 24 not in (0x20, 0x22):
                self.assertEqual(session.value(thread, "pc"), at + 4, f"{word:08x}")
            if done == 0:
                self.assertEqual(session.value(thread, "pc"), start + 4)
        self.assertEqual(session.value(other, "pc"), stands, "the other vCPU has run")
        # Still in the same system call, or back where it came from.
        self.assertTrue(abs(session.value(thread, "r3") - stack) < 0x4000 or
                        session.value(thread, "pc") >> 47 == 0)
        session.target.DeleteAllBreakpoints()
        session.detach()
        self.finish(guest)

    def test_interrupt(self) -> None:
        """Stopped while it runs, and again when attached anew."""
        guest, session = self.session()
        session.check(session.process.Continue())
        guest.wait_ready()
        thread = session.interrupt()
        self.assertEqual(thread.GetStopReason(), session.lldb.eStopReasonSignal)
        session.detach()
        self.finish(guest)
        again = Session(guest.stub, self.symbols(), self.log_file("lldb-again.log"))
        self.addCleanup(again.close)
        self.assertEqual(again.process.GetNumThreads(), 2)
        again.detach()
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")


if __name__ == '__main__':
    KvmLldb.main()
