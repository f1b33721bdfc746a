# SPDX-License-Identifier: GPL-2.0-or-later
"""What a debugger of a KVM guest waits for: the series against its base.

  hit_N_bps        milliseconds from one hit to the next as gdb does it, with N breakpoints
                   set: remove all, step with a breakpoint of its own, insert all, continue
  hit_inserted_N   the same with "set breakpoint always-inserted on": only the one that was
                   hit is removed for the step
  hit_rate         hits a second of a single breakpoint, always inserted
  step_rate        steps a second: gdb's own against the base, vCont;s of the series

In all of them the ratio says how many times faster the series is.

The guest is a loop without a kernel, so that nothing but the debugger takes time.  It runs
where kernels run, in a direct map window.  Both QEMUs run in one KVM host, in turn; the
client is the same and waits for each answer, as gdb does.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"

sys.path[:0] = [str(TOP / "lab"), str(TOP / "tests/functional/qemu_test")]
import kvmhost  # noqa: E402
from rsp import PC, Packets  # noqa: E402

HIT = re.compile(r"^hit_(\d+)_bps$")
INSERTED = re.compile(r"^hit_inserted_(\d+)$")
# With how many runs of each a pair of runs is measured.
HITS = {1: 40, 100: 10, 1000: 3, 10000: 1}
STEPS = 400
# In an order that changes the number of breakpoints least.
NAMES = ("step_rate", "hit_rate", "hit_1_bps", "hit_100_bps", "hit_inserted_100",
         "hit_1000_bps", "hit_inserted_1000", "hit_10000_bps")
TIMEOUT = 120

WINDOW = 0x9000 << 48
START = WINDOW | 0x200000
OTHERS, APART = WINDOW | 0x400000, 64       # where nothing comes by
T0, T1 = 12, 13
CSRWR_T0_DMW1, CSRWR_T1_CRMD = 0x0406042c, 0x0400002d
ADDI_A1 = 0x02c004a5
LOOP = START + 8
WORDS = 64
DMW_PLV0_CACHED, CRMD_PG_CACHED = WINDOW | 0x11, 0xb0


def branch_back(words: int) -> int:
    """b, by so many instructions."""
    offset = -words & (1 << 26) - 1
    return 0x50000000 | (offset & 0xffff) << 10 | offset >> 16


class Difference(Exception):
    """The stub did not do what is measured."""


class Debugged:
    """A guest in the loop, stopped, and the debugger's way with it."""

    def __init__(self, host: Any, qemu: str) -> None:
        """Under the QEMU that is at that path of the host."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(TIMEOUT)
            # It calls us, so that there is no port to try.
            self._process = host.popen(
                [qemu, "-accel", "kvm", "-M", "virt", "-cpu", "max", "-m", "256M",
                 "-nodefaults", "-no-user-config", "-display", "none", "-S",
                 "-chardev", f"socket,id=gdb,host={host.gateway},nodelay=on,"
                             f"port={listener.getsockname()[1]}",
                 "-gdb", "chardev:gdb"], merge=True)
            self._stub = Packets(listener.accept()[0], TIMEOUT)
        self._stub.negotiate()
        self._points: list[int] = []
        self._enter_loop()

    def close(self) -> None:
        """End it."""
        self._stub.socket.close()
        self._process.close()

    def _command(self, packet: str) -> None:
        answer = self._stub.ask(packet)
        if answer != "OK":
            raise Difference(f"{packet[:40]}: {answer!r}")

    def _run_to(self, action: str, pc: int) -> None:
        """Let it run, and look at its registers where it stops, as gdb does."""
        stop = self._stub.ask(action)
        at = bytes.fromhex(self._stub.ask("g"))[PC * 8:PC * 8 + 8]
        if not stop.startswith("T05") or int.from_bytes(at, "little") != pc:
            raise Difference(f"{action}: {stop!r} at {at[::-1].hex()}, not at {pc:#x}")

    def _enter_loop(self) -> None:
        code = struct.pack(f"<{WORDS + 2}I", CSRWR_T0_DMW1, CSRWR_T1_CRMD,
                           *[ADDI_A1] * (WORDS - 1), branch_back(WORDS - 1))
        self._command(f"M{START:x},{len(code):x}:{code.hex()}")
        for number, value in ((T0, DMW_PLV0_CACHED), (T1, CRMD_PG_CACHED), (PC, START)):
            self._command(f"P{number:x}={value.to_bytes(8, 'little').hex()}")
        self._command(f"Z0,{LOOP:x},4")
        self._run_to("vCont;c", LOOP)
        self._points = [LOOP]

    def set_points(self, count: int) -> None:
        """Have so many breakpoints, one of them in the loop."""
        wanted = [LOOP, *(OTHERS + APART * n for n in range(count - 1))][:count]
        for point in self._points[count:]:
            self._command(f"z0,{point:x},4")
        for point in wanted[len(self._points):]:
            self._command(f"Z0,{point:x},4")
        self._points = wanted

    def _step_of_gdb(self, pc: int, next_pc: int) -> None:
        """To the next instruction, by a breakpoint; the packets are those of gdb 18."""
        self._fetch(pc)             # is it the start of ll to sc?
        self._fetch(pc)             # where does it go?
        self._fetch(next_pc)        # is a break instruction there already?
        self._command(f"Z0,{next_pc:x},4")
        self._run_to("vCont;c", next_pc)
        self._command(f"z0,{next_pc:x},4")

    def _fetch(self, pc: int) -> None:
        if len(self._stub.ask(f"m{pc:x},4")) != 8:
            raise Difference(f"{pc:#x} cannot be read")

    def hit(self) -> None:
        """From one hit to the next; all breakpoints are taken out for the step."""
        for point in self._points:
            self._command(f"z0,{point:x},4")
        self._step_of_gdb(LOOP, LOOP + 4)
        for point in self._points:
            self._command(f"Z0,{point:x},4")
        self._run_to("vCont;c", LOOP)

    def hit_inserted(self) -> None:
        """From one hit to the next; the others stay."""
        self._command(f"z0,{LOOP:x},4")
        self._step_of_gdb(LOOP, LOOP + 4)
        self._command(f"Z0,{LOOP:x},4")
        self._run_to("vCont;c", LOOP)

    @contextlib.contextmanager
    def _without_points(self) -> Iterator[None]:
        self.set_points(0)
        yield
        self.set_points(1)
        # Back to where all the others begin.
        self._run_to("vCont;c", LOOP)

    def steps_of_gdb(self, count: int) -> float:
        """Through the loop; seconds."""
        with self._without_points():
            start = time.perf_counter()
            for number in range(count):
                self._step_of_gdb(LOOP + 4 * (number % WORDS),
                                  LOOP + 4 * ((number + 1) % WORDS))
            return time.perf_counter() - start

    def steps(self, count: int) -> float:
        """The same by the stub's own step."""
        with self._without_points():
            start = time.perf_counter()
            for number in range(1, count + 1):
                self._run_to("vCont;s:1", LOOP + 4 * (number % WORDS))
            return time.perf_counter() - start


def seconds(action: Callable[[], None], count: int) -> float:
    """For one of them, done so many times."""
    start = time.perf_counter()
    for _ in range(count):
        action()
    return (time.perf_counter() - start) / count


def runs_of(name: str, runs: int) -> int:
    """Not so many of what takes long."""
    return min(runs, 3) if name == "hit_10000_bps" else runs


def one_run(guest: Debugged, name: str, own_step: bool) -> float:
    """A figure of one guest."""
    if name == "step_rate":
        return STEPS / (guest.steps if own_step else guest.steps_of_gdb)(STEPS)
    if found := HIT.match(name):
        count = int(found[1])
        guest.set_points(count)
        return 1e3 * seconds(guest.hit, HITS[count])
    found = INSERTED.match(name)
    guest.set_points(int(found[1]) if found else 1)
    each = seconds(guest.hit_inserted, HITS[1])
    return 1e3 * each if found else 1 / each


@contextlib.contextmanager
def guests() -> Iterator[tuple[Debugged, Debugged]]:
    """One under the base, one under the series, in one host."""
    with kvmhost.open_host(**({} if kvmhost.is_local() else {"smp": 1})) as host, \
            contextlib.ExitStack() as undo:
        pair = []
        for qemu in (host.put(BUILD / "base-kvm/qemu-system-loongarch64"), host.qemu):
            pair.append(Debugged(host, qemu))
            undo.callback(pair[-1].close)
        yield pair[0], pair[1]
