#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What LVZ emulation costs, and what a debugger waits for: a guest against its host, the
series against its base.

Writes build/bench/results.json, a list of objects with name, unit, base, series and ratio,
and plots of the ratios beside it.  The names:

  l2_compute       sha256 of 256 MiB: seconds in L1 (base) and in L2 (series)
  l2_syscalls      system calls, forks and page faults: the same
  l2_boot          from the start of the CPU to the shell, without firmware: the same
  exit_round_trip  microseconds of a system call in L1 (base, for scale) and of a hypercall
                   that KVM answers in the kernel (series); world_switches_per_second
  lvz_off          instructions of the unpatched base (base) and of the series (series) for
                   the same bare-metal program on a CPU without LVZ, by callgrind

and those of debugger.py, where a ratio says how many times faster the series is.

Host and guest, or base and series, are measured in turn in one run.  A figure is the median
of its runs, a ratio the median of the pairs' ratios: what disturbs a run disturbs its pair.

It runs inside the build root, and builds no QEMU; scripts/work does both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = TOP / "build"
OUT = BUILD / "bench"
LIBRARY = TOP / "tests/tcg/loongarch64/system"
BASE_LIBRARY = BUILD / "qemu/tests/tcg/loongarch64/system"
CC = "loongarch64-linux-gnu-gcc"
MIB = 256
CALLS = 100000
EXITS = 200000
BOOT_LINE = "console=ttyS0 panic=-1 initcall_blacklist=i8042_init"

sys.path[:0] = [str(TOP / "lab")]
import cpio  # noqa: E402
import debugger  # noqa: E402
import kvmhost  # noqa: E402


class BenchError(Exception):
    """A sentence for the user."""


@dataclass
class Figure:
    """One object of results.json."""

    name: str
    unit: str
    # Its ratio is the base's over the series': of times, how many times faster.
    inverse: bool = False
    # Both sides of each run.
    base: list[float] = field(default_factory=list)
    series: list[float] = field(default_factory=list)

    def add(self, base: float, series: float) -> None:
        """One run of both sides."""
        self.base.append(base)
        self.series.append(series)
        print(f"{self.name:16} {base:14.4g} {series:14.4g} {self.unit:13} "
              f"x {self.ratio(base, series):.3f}", flush=True)

    def ratio(self, base: float, series: float) -> float:
        """Of one run."""
        return base / series if self.inverse else series / base

    def result(self) -> dict[str, Any]:
        """As it is written."""
        ratios = [self.ratio(b, s) for b, s in zip(self.base, self.series)]
        return {"name": self.name, "unit": self.unit,
                "base": statistics.median(self.base), "series": statistics.median(self.series),
                "ratio": round(statistics.median(ratios), 4), "runs": len(ratios),
                "ratios": [round(r, 4) for r in sorted(ratios)]}


def compile_all() -> None:
    """Our programs, into build/bench."""
    OUT.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
    for name in ("load", "exits", "client"):
        run([CC, "-static", *flags, "-o", str(OUT / name), str(HERE / f"{name}.c")])
    run([CC, "-nostdlib", "-ffreestanding", "-O1", "-march=loongarch64", "-mabi=lp64d",
         "-mno-relax", "-Wall", "-Wextra", "-Werror", f"-I{BASE_LIBRARY}", f"-I{LIBRARY}",
         f"-Wl,-T{BASE_LIBRARY / 'kernel.ld'}", str(BASE_LIBRARY / "boot.S"),
         str(LIBRARY / "lvz-start.S"), str(LIBRARY / "lvz-lib.c"), str(HERE / "bare.c"),
         "-o", str(OUT / "bare"), "-static", "-Wl,--no-warn-rwx-segments", "-lgcc"])


def run(argv: list[str], timeout: float = 1200) -> str:
    """A command that must succeed, and its output."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=timeout, check=False)
    if done.returncode:
        raise BenchError(f"{Path(argv[0]).name} failed:\n{done.stdout}")
    return done.stdout


def nanoseconds(name: str, said: str) -> int:
    """The line that load and exits print."""
    found = re.search(rf"^{name} (\d+)\r?$", said, re.MULTILINE)
    if not found:
        raise BenchError(f"no figure for {name} in what came back:\n{said[-2000:]}")
    return int(found[1])


class Lab:
    """The KVM host with our programs in it."""

    def __init__(self) -> None:
        self.host = kvmhost.open_host(**({} if kvmhost.is_local() else {"smp": 1}))
        self.load = self.host.put(OUT / "load")
        self.exits = self.host.put(OUT / "exits")
        archive = cpio.Cpio()
        archive.file("bin/load", (OUT / "load").read_bytes(), 0o755)
        (OUT / "guest.cpio").write_bytes((kvmhost.IMAGES / "guest.cpio").read_bytes()
                                         + archive.bytes())
        self.initrd = self.host.put(OUT / "guest.cpio")

    def command(self, *argv: str) -> str:
        """A command in L1 that must succeed."""
        done = self.host.run(list(argv), merge=True, timeout=600)
        if done.returncode:
            raise BenchError(f"{argv[0]} failed in the KVM host:\n{done.stdout}")
        return done.stdout

    def boot_guest(self) -> int:
        """Boot L2 to its shell; the nanoseconds.  Its console is a file: no one reads along."""
        console = "/tmp/bench-console"
        argv = self.host.guest_argv("-initrd", self.initrd, append='run="load since-boot"')
        argv[argv.index("stdio")] = f"file:{console}"
        self.command(*argv)
        return nanoseconds("since-boot", self.command("cat", console))


def boot_host() -> int:
    """Boot the guest's own image as L1, without firmware; the nanoseconds."""
    with tempfile.NamedTemporaryFile(dir=OUT) as console:
        run([str(BUILD / "tcg/qemu-system-loongarch64"), "-M", "virt", "-cpu", "max,lvz=on",
             "-m", "512M", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
             "-serial", f"file:{console.name}", "-kernel", str(kvmhost.IMAGES / "vmlinux.bin"),
             "-initrd", str(OUT / "guest.cpio"),
             "-append", f'{BOOT_LINE} run="load since-boot"'])
        return nanoseconds("since-boot", Path(console.name).read_text(errors="replace"))


class Shell:
    """A guest that stays: commands typed on its console."""

    def __init__(self, lab: Lab) -> None:
        self._process = lab.host.popen(
            lab.host.guest_argv("-initrd", lab.initrd, append="loglevel=5"), merge=True)
        self._until("guest: ready")

    def _until(self, pattern: str) -> str:
        said = ""
        assert self._process.stdout
        for raw in iter(self._process.stdout.readline, b""):
            line = raw.decode(errors="replace").rstrip("\r\n")
            said += line + "\n"
            if re.search(pattern, line):
                return said
        raise BenchError(f"the guest ended:\n{said[-2000:]}")

    def command(self, line: str) -> str:
        """A command and what it says."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}; echo do''ne $?\n".encode())
        self._process.stdin.flush()
        said = self._until(r"done \d+$")
        if not said.rstrip().endswith("done 0"):
            raise BenchError(f"{line} failed in the guest:\n{said[-2000:]}")
        return said

    def close(self) -> None:
        """End it."""
        self._process.close()


@contextlib.contextmanager
def open_shell(lab: Lab) -> Iterator[Shell]:
    """A guest with a shell, for as long as it is wanted."""
    shell = Shell(lab)
    try:
        yield shell
    finally:
        shell.close()


def in_turn(figure: Figure, runs: int, base: Callable[[], float],
            series: Callable[[], float]) -> Figure:
    """Both sides once to warm up, then in turn."""
    base()
    series()
    for _ in range(runs):
        figure.add(base(), series())
    return figure


def guest_loads(lab: Lab, runs: int) -> Iterator[Figure]:
    """L2 against L1."""
    with open_shell(lab) as shell:
        for name, load in (("l2_compute", f"feed {MIB} sha256sum"),
                           ("l2_syscalls", f"calls {CALLS}")):
            kind = load.split()[0]
            yield in_turn(Figure(name, "s"), runs,
                          lambda: nanoseconds(kind, lab.command(lab.load, *load.split())) / 1e9,
                          lambda: nanoseconds(kind, shell.command(f"load {load}")) / 1e9)


def round_trips(lab: Lab, runs: int) -> Figure:
    """A hypercall, and for scale a system call."""
    return in_turn(
        Figure("exit_round_trip", "us"), runs,
        lambda: nanoseconds("syscalls", lab.command(lab.load, "syscalls", str(EXITS)))
        / EXITS / 1e3,
        lambda: nanoseconds("exits", lab.command(lab.exits, str(EXITS))) / EXITS / 1e3)


def boots(lab: Lab, runs: int) -> Figure:
    """L2 against L1, both without firmware."""
    return in_turn(Figure("l2_boot", "s"), runs, lambda: boot_host() / 1e9,
                   lambda: lab.boot_guest() / 1e9)


def instructions(qemu: str) -> float:
    """What a QEMU executes for the bare-metal program."""
    said = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                str(BUILD / qemu / "qemu-system-loongarch64"), "-M", "virt", "-accel",
                "tcg,thread=single", "-cpu", "max", "-m", "1G", "-display", "none",
                "-monitor", "none", "-nic", "none", "-serial", "stdio",
                "-kernel", str(OUT / "bare")])
    found = re.search(r"Collected : (\d+)", said)
    if not found or "not ok" in said or "1..3" not in said:
        raise BenchError(f"the bare-metal program under {qemu} failed:\n{said}")
    return float(found[1])


def lvz_off() -> Figure:
    """The base against the series, without LVZ; the count hardly varies: three runs."""
    figure = Figure("lvz_off", "instructions")
    for _ in range(3):
        figure.add(instructions("base-tcg"), instructions("tcg"))
    return figure


def debugging(names: list[str], runs: int) -> Iterator[Figure]:
    """Those of the debugger's figures that are among the names."""
    with debugger.guests() as (base, series):
        for name in debugger.NAMES:
            if name in names:
                unit = "1/s" if name.endswith("_rate") else "ms"
                yield in_turn(Figure(name, unit, inverse=unit == "ms"),
                              debugger.runs_of(name, runs),
                              lambda: debugger.one_run(base, name, own_step=False),
                              lambda: debugger.one_run(series, name, own_step=True))


def plot(name: str, results: list[dict[str, Any]], label: str, title: str) -> None:
    """The ratios as an SVG."""
    rows = "\n".join(f'"{r["name"]}" {r["ratio"]} {min(r["ratios"])} {max(r["ratios"])}'
                     for r in results)
    script = f"""
set terminal svg size 800,480 background "white" noenhanced
set output "{OUT / name}"
set style data boxes
set boxwidth 0.6
set style fill solid 0.4
set yrange [0:*]
set offsets 0, 0, 0.1, 0
set ylabel "{label}"
set title "{title}"
set arrow from graph 0, first 1 to graph 1, first 1 nohead dashtype 2
set key off
$rows << EOD
{rows}
EOD
plot $rows using 0:2:xtic(1) with boxes, $rows using 0:2:3:4 with yerrorbars, \\
     $rows using 0:4:(sprintf("%.3f", $2)) with labels offset 0,0.8
"""
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"gnuplot failed: {done.stderr}")


def measure(runs: int, names: list[str]) -> list[dict[str, Any]]:
    """All figures, or those named."""
    figures: list[Figure] = []
    if {"l2_compute", "l2_syscalls", "l2_boot", "exit_round_trip"} & set(names):
        lab = Lab()
        with lab.host:
            if {"l2_compute", "l2_syscalls"} & set(names):
                figures += guest_loads(lab, runs)
            if "l2_boot" in names and not kvmhost.is_local():
                figures.append(boots(lab, runs))
            if "exit_round_trip" in names:
                figures.append(round_trips(lab, runs))
    if "lvz_off" in names:
        figures.append(lvz_off())
    if set(debugger.NAMES) & set(names):
        figures += debugging(names, runs)
    results = [figure.result() for figure in figures]
    for result in results:
        if result["name"] == "exit_round_trip":
            result["world_switches_per_second"] = round(2e6 / result["series"])
    return results


NAMES = ("l2_compute", "l2_syscalls", "l2_boot", "exit_round_trip", "lvz_off",
         *debugger.NAMES)


def plot_all(results: list[dict[str, Any]]) -> None:
    """The costs and the gains, each by themselves."""
    gains = [r for r in results if r["name"] in debugger.NAMES]
    costs = [r for r in results if r["name"] not in debugger.NAMES]
    if costs:
        plot("results.svg", costs, "ratio (1: no cost)",
             "LVZ under TCG: guest / host, hypercall / system call, series / base")
    if gains:
        plot("debugger.svg", gains, "times faster", "Debugging a KVM guest: series against base")


def main() -> int:
    """Measure, write, plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7,
                        help="pairs of runs for each figure (default: 7)")
    parser.add_argument("names", nargs="*", metavar="FIGURE",
                        help=f"of {', '.join(NAMES)} (default: all)")
    args = parser.parse_args()
    for name in args.names:
        if name not in NAMES:
            parser.error(f"there is no figure {name}; there are {', '.join(NAMES)}")
    try:
        compile_all()
        results = measure(args.runs, args.names or list(NAMES))
        (OUT / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        plot_all(results)
    except (BenchError, debugger.Difference, kvmhost.HostError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for result in results:
        print(f"{result['name']:16} {result['base']:14.4g} {result['series']:14.4g} "
              f"{result['unit']:13} x {result['ratio']:.3f}")
    print(f"{OUT / 'results.json'} and the plots are written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
