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
client (client.c) is the same, in that host as well, and waits for each answer, as gdb does.
"""

from __future__ import annotations

import contextlib
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"

sys.path[:0] = [str(TOP / "lab"), str(TOP / "tests/functional/qemu_test")]
import kvmhost  # noqa: E402
from rsp import PC  # noqa: E402

HIT = re.compile(r"^hit_(\d+)_bps$")
INSERTED = re.compile(r"^hit_inserted_(\d+)$")
# With how many runs of each a pair of runs is measured.
HITS = {1: 40, 100: 10, 1000: 3, 10000: 1}
STEPS = 400
# In an order that changes the number of breakpoints least.
NAMES = ("step_rate", "hit_rate", "hit_1_bps", "hit_100_bps", "hit_inserted_100",
         "hit_1000_bps", "hit_inserted_1000", "hit_10000_bps")

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


class Exchange(NamedTuple):
    """A packet, and what is wanted of its answer: all of it, or a test."""

    packet: str
    wanted: str | Callable[[str], bool] = "OK"

    def check(self, answer: str) -> None:
        right = answer == self.wanted if isinstance(self.wanted, str) else self.wanted(answer)
        if not right:
            raise Difference(f"{self.packet[:40]}: {answer[:80]!r}")


def run_to(action: str, pc: int) -> list[Exchange]:
    """Let it run, and look at its registers where it stops, as gdb does."""
    def is_at(registers: str) -> bool:
        at = bytes.fromhex(registers)[PC * 8:PC * 8 + 8]
        return int.from_bytes(at, "little") == pc

    return [Exchange(action, lambda answer: answer.startswith("T05")), Exchange("g", is_at)]


def fetch(pc: int) -> Exchange:
    return Exchange(f"m{pc:x},4", lambda answer: len(answer) == 8)


def insert(point: int) -> Exchange:
    return Exchange(f"Z0,{point:x},4")


def remove(point: int) -> Exchange:
    return Exchange(f"z0,{point:x},4")


def step_of_gdb(pc: int, next_pc: int) -> list[Exchange]:
    """To the next instruction, by a breakpoint; the packets are those of gdb 18."""
    return [
        fetch(pc),              # is it the start of ll to sc?
        fetch(pc),              # where does it go?
        fetch(next_pc),         # is a break instruction there already?
        insert(next_pc), *run_to("vCont;c", next_pc), remove(next_pc),
    ]


class Debugged:
    """A guest in the loop, stopped, and the debugger's way with it."""

    def __init__(self, host: Any, qemu: str, client: str, path: str) -> None:
        """Under the QEMU that is at that path of the host, as is the client."""
        self._client = host.popen([client, path], merge=True)
        self._expect_line("listening")
        self._process = host.popen(
            [qemu, "-accel", "kvm", "-M", "virt", "-cpu", "max", "-m", "256M",
             "-nodefaults", "-no-user-config", "-display", "none", "-S",
             "-chardev", f"socket,id=gdb,path={path}", "-gdb", "chardev:gdb"], merge=True)
        self._points: list[int] = []
        self._enter_loop()

    def close(self) -> None:
        """End it."""
        self._process.close()
        self._client.close()

    def _line(self) -> str:
        return str(self._client.stdout.readline().decode().rstrip("\n"))

    def _expect_line(self, wanted: str) -> None:
        if (line := self._line()) != wanted:
            raise Difference(f"the client said {line!r}, not {wanted!r}")

    def talk(self, exchanges: Sequence[Exchange]) -> float:
        """Those packets, each after the answer to the one before; seconds."""
        if not exchanges:
            return 0.0
        self._client.stdin.write("".join(f"{each.packet}\n" for each in exchanges).encode()
                                 + b"\n")
        self._client.stdin.flush()
        for each in exchanges:
            each.check(self._line())
        end = re.fullmatch(r"= (\d+)", self._line())
        if not end:
            raise Difference("the client has answers left")
        return int(end[1]) / 1e9

    def _enter_loop(self) -> None:
        code = struct.pack(f"<{WORDS + 2}I", CSRWR_T0_DMW1, CSRWR_T1_CRMD,
                           *[ADDI_A1] * (WORDS - 1), branch_back(WORDS - 1))
        registers = ((T0, DMW_PLV0_CACHED), (T1, CRMD_PG_CACHED), (PC, START))
        self.talk([Exchange(f"M{START:x},{len(code):x}:{code.hex()}"),
                   *(Exchange(f"P{number:x}={value.to_bytes(8, 'little').hex()}")
                     for number, value in registers),
                   insert(LOOP), *run_to("vCont;c", LOOP)])
        self._points = [LOOP]

    def set_points(self, count: int) -> None:
        """Have so many breakpoints, one of them in the loop."""
        wanted = [LOOP, *(OTHERS + APART * n for n in range(count - 1))][:count]
        self.talk([*map(remove, self._points[count:]), *map(insert, wanted[len(self._points):])])
        self._points = wanted

    def hits(self, count: int) -> float:
        """From hit to hit; all breakpoints are taken out for the step. Seconds."""
        return self.talk(count * [*map(remove, self._points), *step_of_gdb(LOOP, LOOP + 4),
                                  *map(insert, self._points), *run_to("vCont;c", LOOP)])

    def hits_inserted(self, count: int) -> float:
        """From hit to hit; the others stay. Seconds."""
        return self.talk(count * [remove(LOOP), *step_of_gdb(LOOP, LOOP + 4),
                                  insert(LOOP), *run_to("vCont;c", LOOP)])

    @contextlib.contextmanager
    def _without_points(self) -> Iterator[None]:
        self.set_points(0)
        yield
        self.set_points(1)
        # Back to where all the others begin.
        self.talk(run_to("vCont;c", LOOP))

    def steps_of_gdb(self, count: int) -> float:
        """Through the loop; seconds."""
        with self._without_points():
            return self.talk([each for n in range(count) for each in
                              step_of_gdb(LOOP + 4 * (n % WORDS), LOOP + 4 * ((n + 1) % WORDS))])

    def steps(self, count: int) -> float:
        """The same by the stub's own step."""
        with self._without_points():
            return self.talk([each for n in range(1, count + 1) for each in
                              run_to("vCont;s:1", LOOP + 4 * (n % WORDS))])


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
        return 1e3 * guest.hits(HITS[count]) / HITS[count]
    found = INSERTED.match(name)
    guest.set_points(int(found[1]) if found else 1)
    each = guest.hits_inserted(HITS[1]) / HITS[1]
    return 1e3 * each if found else 1 / each


@contextlib.contextmanager
def guests() -> Iterator[tuple[Debugged, Debugged]]:
    """One under the base, one under the series, in one host."""
    with kvmhost.open_host(**({} if kvmhost.is_local() else {"smp": 1})) as host, \
            contextlib.ExitStack() as undo:
        pair = []
        client = host.put(BUILD / "bench/client")
        folder = host.run("mktemp -d", check=True).stdout.strip()
        undo.callback(host.run, ["rm", "-rf", folder])
        for number, qemu in enumerate(
                (host.put(BUILD / "base-kvm/qemu-system-loongarch64"), host.qemu)):
            pair.append(Debugged(host, qemu, client, f"{folder}/{number}"))
            undo.callback(pair[-1].close)
        yield pair[0], pair[1]
