# SPDX-License-Identifier: GPL-2.0-or-later
"""The gdb half of lab/run; gdb runs it with -x.

It types gdb's own commands, shows them and what comes back, and checks that
it is what the session is there to show.  A failed check ends gdb with status
1.  lab/run has started everything; what it knows comes in the environment:

    LAB_STUB    host:port of the guest's stub
    LAB_READY   descriptor on which a byte comes when the guest has its shell
    LAB_STEP    number of the first step here
    LAB_STEPS   how many there are
    LAB_STAY    1: attach again at the end, for a user at the terminal
"""

from __future__ import annotations

import os
import re
import threading
import time

import gdb  # type: ignore[import-not-found]

FUNCTION = "do_sys_openat2"
_step = int(os.environ["LAB_STEP"])
_started = time.monotonic()


class Failed(gdb.GdbError):
    """A check that did not hold."""


def step(title: str) -> None:
    """Head the next step; its time is printed when it is over."""
    global _step, _started
    print(f"\n[{_step}/{os.environ['LAB_STEPS']}] {title}", flush=True)
    _step += 1
    _started = time.monotonic()


def over() -> None:
    """Say how long the step took."""
    print(f"      ({time.monotonic() - _started:.1f} s)", flush=True)


def do(command: str, expect: str = "", show: int = 40) -> str:
    """Type a command; its output must match."""
    print(f"(gdb) {command}", flush=True)
    text: str = gdb.execute(command, to_string=True)
    lines = text.rstrip().splitlines()
    for line in lines[:show]:
        print(line)
    if len(lines) > show:
        print(f"... {len(lines) - show} more lines")
    if not re.search(expect, text):
        raise Failed(f"lab/run: {command!r} did not answer with {expect!r}.")
    if "warning" in text.lower():
        raise Failed(f"lab/run: {command!r} gave a warning.")
    return text


def stops_in(function: str) -> None:
    """The last command must have stopped the guest there (gdb tells it past our ears)."""
    name = gdb.selected_frame().name()
    if name != function:
        raise Failed(f"lab/run: the guest stopped in {name}, not in {function}.")


def pc() -> int:
    """Where the guest stands."""
    return int(gdb.parse_and_eval("(unsigned long)$pc"))


def round_trip() -> float:
    """The time of one packet to the stub and back, in milliseconds."""
    times = []
    for _ in range(50):
        start = time.perf_counter()
        gdb.execute("maintenance packet qTStatus", to_string=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1000


def stop_when_ready() -> None:
    """Interrupt the running guest once it has its shell."""
    def wait() -> None:
        os.read(int(os.environ["LAB_READY"]), 1)
        gdb.interrupt()
    threading.Thread(target=wait, daemon=True).start()


def session() -> None:
    """The demonstration."""
    for setting in ("pagination off", "confirm off", "width 0", "style enabled off"):
        gdb.execute(f"set {setting}")
    attach = f"target remote {os.environ['LAB_STUB']}"

    step("gdb attaches to the guest, before its first instruction")
    do(attach)
    do("info registers pc", r"pc\s+0x")
    print(f"A packet to the stub and back: {round_trip():.2f} ms")
    over()

    step("a breakpoint by name, on a function that runs after boot")
    do(f"break {FUNCTION}", "Breakpoint 1 at 0x9")
    do("continue")
    stops_in(FUNCTION)
    over()

    step("looking around: back trace, registers, instructions, one step")
    do("backtrace", rf"#0 .* {FUNCTION}[\s\S]*#1 .* in \w+")
    do("info registers", r"pc\s+0x9", show=12)
    do("x/6i $pc", f"=> .*{FUNCTION}")
    before = pc()
    do("stepi")
    if pc() == before:
        raise Failed("lab/run: stepi did not move the guest.")
    do("x/i $pc", "=> ")
    over()

    step("the breakpoint goes, the guest runs on to its shell")
    do("info breakpoints", "already hit 1 time")
    do("delete")
    stop_when_ready()
    do("continue")
    do("info registers pc", "pc ")
    shown = pc()
    gdb.execute("maintenance flush register-cache", to_string=True)
    if pc() != shown:
        raise Failed(f"lab/run: gdb was told pc {shown:#x}, but the guest is at {pc():#x}.")
    over()

    step("gdb detaches, the guest goes on")
    do("detach", "detached")
    over()
    if os.environ["LAB_STAY"] == "1":
        print("\nThe session is yours: the guest is attached again and stopped. Try\n"
              f"  break {FUNCTION}    continue    bt    info registers    detach    quit\n"
              "Ctrl-C stops the running guest; quit takes everything down.")
        gdb.execute(attach, to_string=True)


try:
    session()
except (gdb.error, Failed) as error:
    print(f"lab/run: {str(error).removeprefix('lab/run: ')}", flush=True)
    gdb.execute("quit 1")
