# SPDX-License-Identifier: GPL-2.0-or-later
"""Load on guests under LoongArch KVM, and what a hypervisor does to them meanwhile.

Each pass (PASSES) starts guests that run the program stress, does something to
them or to their host while they run, and compares the line that each prints
with what the same program prints in the host.  It raises AssertionError at the
first difference, and at anything that either kernel's log has from warnings
upwards.  A pass is repeatable as far as its seed goes: the load is the same,
the moment of a disturbance is not.

The host is one of the lab: to take its CPUs and its memory away is not for a
machine that somebody else uses.
"""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .kvmhost import Guest, compile_program, kernel_trouble, kernel_warnings, \
    lab_module, put_initrd

SOURCES = Path(__file__).resolve().parents[1] / "loongarch64-kvm"
CGROUP = "/sys/fs/cgroup/stress"
ROUNDS = 15
# 0 is the host's.
GIDS = 255
LINE = re.compile(r"^stress: \d+ .*$", re.MULTILINE)
# Of which one is the boot of the guest; a loaded machine is slow.
PATIENCE = 600.0
# Where the host moves pages, for how many seconds a CPU may stand still before a
# kernel warns of it, in the host and in its guests: a kernel warns of a soft
# lockup after twice this (the most that it takes), of an RCU stall too.  To take
# one huge page apart it asks all CPUs 2048 times, one time after the other, to
# flush a page, and holds the lock that faults of the guest wait for.  In a host
# with more CPUs than the machine that emulates it, each time waits until all of
# them have had their turn: 14 s were seen for a page, and 47 s (23 ms each time)
# beside four other busy processes on two CPUs.
STILL = 60


class Bench:
    """A host, the programs on it, and a folder for what the guests say."""

    def __init__(self, host: Any, folder: Path, wraps: int = 100) -> None:
        """wraps is how often the pass for GIDs takes each CPU through all of them."""
        self.host = host
        self.folder = folder
        self.wraps = wraps
        self.cpus = int(host.run("nproc", check=True).stdout)
        self._guests = 0
        self._sockets = 0
        programs = [self._compile(name) for name in ("stress", "gids")]
        self.stress, self.gids = (host.put(program) for program in programs)
        self._initrd = put_initrd(host, folder / "extra.cpio", programs[0])
        self._log_seen = len(self._host_log())

    def _compile(self, name: str) -> Path:
        path = self.folder / name
        compile_program(SOURCES / f"{name}.c", path)
        return path

    def _host_log(self) -> list[str]:
        log: list[str] = self.host.run("dmesg -r", check=True).stdout.splitlines()
        return log

    def check_host_log(self, expected: str = "") -> None:
        """Nothing from warnings upwards since the last time but what matches expected."""
        log = self._host_log()
        new, self._log_seen = log[self._log_seen:], len(log)
        bad = [line for line in dict.fromkeys(kernel_trouble("\n".join(new))
                                              + kernel_warnings(new))
               if not expected or not re.search(expected, line)]
        if bad:
            raise AssertionError("the host's kernel warns: " + bad[0])

    def result_here(self, seed: int, workers: int, rounds: int = ROUNDS) -> str:
        """The line of the stress program in the host itself."""
        done = self.host.run([self.stress, str(seed), str(workers), str(rounds)],
                             timeout=PATIENCE, merge=True)
        if done.returncode:
            raise AssertionError(f"in the host: {done.stdout.strip()[-300:]}")
        line: str = done.stdout.strip()
        return line

    def guest(self, stack: contextlib.ExitStack, seed: int, workers: int,
              rounds: int = ROUNDS, memory: str = "512M", append: str = "loglevel=5",
              **options: Any) -> Guest:
        """Start a guest that runs the program and powers off."""
        self._guests += 1
        guest = Guest(self.host, self.folder / f"guest-{self._guests}.log", memory=memory,
                      initrd=self._initrd, append=append, stay=False,
                      run="dmesg -c >/dev/null; "
                          f"stress {seed} {workers} {rounds}; dmesg -r",
                      **options)
        stack.callback(guest.close)
        return guest

    def socket_path(self) -> str:
        """A path on the host for a socket that nobody has."""
        self._sockets += 1
        return f"/tmp/stress-{self._sockets}.sock"


def check_guest(status: int, text: str, want: str) -> None:
    """A guest has ended: did it say what it should, and nothing else?"""
    lines = LINE.findall(text)
    if lines != [want]:
        raise AssertionError(f"the guest said {lines or text[-800:]!r}, "
                             f"the host {want!r}")
    if bad := kernel_trouble(text) + kernel_warnings(text.splitlines()):
        raise AssertionError("the guest's kernel warns: " + bad[0])
    if status or "guest: status 0" not in text:
        raise AssertionError(f"QEMU ended with status {status}: {text[-300:]!r}")


def _ended(guest: Guest, timeout: float) -> bool:
    """Wait for a guest's end for so long."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        guest.process.wait(timeout)
        return True
    return False


def run_guests(guests: list[tuple[Guest, str]],
               meanwhile: Callable[[], None] | None = None, pause: float = 0) -> int:
    """Let guests come to their end, and say how often meanwhile was called until then.

    pause is the time that a guest gets between two calls.
    """
    deadline = time.monotonic() + PATIENCE
    count = 0
    for guest, want in guests:
        while meanwhile and not _ended(guest, pause):
            if time.monotonic() > deadline:
                raise AssertionError(f"the guest did not end within {PATIENCE:.0f} s")
            meanwhile()
            count += 1
        status = guest.process.wait(max(0.1, deadline - time.monotonic()))
        guest.close()
        check_guest(status, guest.console.text, want)
    return count


def smp_pass(bench: Bench, seed: int) -> str:
    """A guest with as many CPUs as its host."""
    want = bench.result_here(seed, 12)
    with contextlib.ExitStack() as stack:
        run_guests([(bench.guest(stack, seed, 12, smp=bench.cpus), want)])
    return f"{bench.cpus} vCPUs"


def three_pass(bench: Bench, seed: int) -> str:
    """Three guests at once."""
    seeds = [seed * 3 + i for i in range(3)]
    wants = [bench.result_here(each, 4) for each in seeds]
    with contextlib.ExitStack() as stack:
        run_guests([(bench.guest(stack, each, 4, smp=2), want)
                    for each, want in zip(seeds, wants)])
    return "3 guests"


def hotplug_pass(bench: Bench, seed: int) -> str:
    """The host's CPUs go and come while a guest runs on them."""
    want = bench.result_here(seed, 8)
    choose = random.Random(seed)

    def cycle() -> None:
        gone = [cpu for cpu in range(1, bench.cpus) if choose.random() < 0.6] or [1]
        for value in (0, 1):
            bench.host.run("".join(
                f"echo {value} >/sys/devices/system/cpu/cpu{cpu}/online; "
                for cpu in gone), check=True, timeout=PATIENCE)

    with contextlib.ExitStack() as stack:
        count = run_guests([(bench.guest(stack, seed, 8, smp=bench.cpus), want)], cycle)
    return f"CPUs taken away {count} times"


def suspend_pass(bench: Bench, seed: int) -> str:
    """The host suspends but for the last step, CPUs and core included, and resumes.

    It has no sleep state that does so (only s2idle, which keeps the CPUs), so it
    is hibernation's way that is tested: pm_test lets it come back at "core".
    """
    want = bench.result_here(seed, 8)
    bench.host.run("echo 0 >/sys/module/hibernate/parameters/pm_test_delay; "
                   "echo core >/sys/power/pm_test", check=True)

    def suspend() -> None:
        bench.host.run("echo disk >/sys/power/state", check=True, timeout=PATIENCE)

    with contextlib.ExitStack() as stack:
        count = run_guests([(bench.guest(stack, seed, 8, smp=2), want)], suspend, pause=2)
    return f"suspended {count} times"


@contextlib.contextmanager
def swap(bench: Bench) -> Iterator[None]:
    """Compressed swap in the host's memory, and a cgroup that can be told to use it."""
    run = bench.host.run
    run("[ -e /dev/zram0 ] || for m in lz4hc_compress zlib_deflate zram; do "
        "insmod /lib/modules/$m.ko || exit 1; done; "
        "grep -q cgroup2 /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup; "
        f"echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p {CGROUP} && "
        "echo 768M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0",
        check=True)
    try:
        yield
    finally:
        run(f"swapoff /dev/zram0; echo 1 >/sys/block/zram0/reset; rmdir {CGROUP}",
            timeout=PATIENCE)


def reclaim_pass(bench: Bench, seed: int) -> str:
    """The guest's memory is taken from under it, page by page, as if it were scarce."""
    want = bench.result_here(seed, 8)
    under = ("sh", "-c", f'echo $$ >{CGROUP}/cgroup.procs && exec "$@"', "sh")

    def reclaim() -> None:
        # What it cannot have it refuses with EAGAIN; it has tried.
        bench.host.run(f"echo 24M >{CGROUP}/memory.reclaim 2>/dev/null; true",
                       timeout=PATIENCE)

    with swap(bench), contextlib.ExitStack() as stack:
        guest = bench.guest(stack, seed, 8, smp=2, under=under)
        run_guests([(guest, want)], reclaim)
        swapped = bench.host.run("awk '/^pswpin/ { print $2 }' /proc/vmstat",
                                 check=True).stdout.strip()
    if not int(swapped):
        raise AssertionError("no page of the guest was ever taken away")
    return f"{swapped} pages came back from swap so far"


def merge_pass(bench: Bench, seed: int) -> str:
    """The host moves the guest's pages, merges equal ones, makes huge ones."""
    want = bench.result_here(seed, 8)
    run = bench.host.run
    watchdogs = "/proc/sys/kernel/watchdog_thresh", \
        "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"
    usual = [int(run(["cat", name], check=True).stdout) for name in watchdogs]

    def be_patient(seconds: list[int]) -> None:
        for name, value in zip(watchdogs, seconds):
            run(f"echo {value} >{name}", check=True)

    be_patient([STILL, 2 * STILL])
    run("cd /sys/kernel/mm && "
        "echo 5000 >ksm/pages_to_scan && echo 10 >ksm/sleep_millisecs && "
        "echo 1 >ksm/run && "
        "echo 10 >transparent_hugepage/khugepaged/scan_sleep_millisecs",
        check=True)
    most = 0

    def move() -> None:
        nonlocal most
        merged = run("echo 1 >/proc/sys/vm/compact_memory; "
                     "cat /sys/kernel/mm/ksm/pages_sharing",
                     check=True, timeout=PATIENCE)
        most = max(most, int(merged.stdout))

    with contextlib.ExitStack() as stack:
        # Two of the same, so that there is something to merge.
        guests = [bench.guest(stack, seed, 8, smp=2, memory="256M",
                              append=f"loglevel=5 watchdog_thresh={STILL} "
                                     f"rcupdate.rcu_cpu_stall_timeout={2 * STILL}")
                  for _ in range(2)]
        count = run_guests([(guest, want) for guest in guests], move, pause=0.2)
    run("echo 0 >/sys/kernel/mm/ksm/run", check=True)
    be_patient(usual)
    # How many depends on how far its scanner comes meanwhile.
    return f"up to {most} pages shared, compacted {count} times"


def migrate(source: Guest, target: Guest, uri: str) -> bool:
    """Move a guest; false if it has powered off meanwhile."""
    gone = lab_module("qmp").QmpGone
    try:
        source.qmp("migrate-set-capabilities",
                   capabilities=[{"capability": "events", "state": True}])
        # What a guest can do in this time it does not notice.
        source.qmp("migrate-set-parameters", downtime_limit=1500, max_bandwidth=1 << 30)
        source.qmp("migrate", uri=uri)
        event = source.wait_event(
            lambda e: e["event"] in ("MIGRATION", "SHUTDOWN")
            and e["data"].get("status", "completed") in ("completed", "failed"), PATIENCE)
        if event["event"] == "MIGRATION" and event["data"]["status"] == "failed":
            reason = source.qmp("query-migrate").get("error-desc")
            raise AssertionError(f"the migration failed: {reason}; the target says "
                                 f"{target.console.text[-300:]!r}")
    except gone:
        return False
    return bool(event["event"] == "MIGRATION")


def migrate_pass(bench: Bench, seed: int) -> str:
    """A guest goes from QEMU to QEMU while it runs, dirty log and all."""
    workers, rounds = 4, 4 * ROUNDS
    want = bench.result_here(seed, workers, rounds)
    # Little memory: most of the time goes into looking for pages of zeros.
    options = {"rounds": rounds, "memory": "192M", "smp": 2, "monitor": True}
    text = ""
    count = 0
    deadline = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:
        guest = bench.guest(stack, seed, workers, **options)
        while guest.process.poll() is None and time.monotonic() < deadline:
            uri = f"unix:{bench.socket_path()}"
            target = bench.guest(stack, seed, workers,
                                 options=("-incoming", uri), **options)
            if not migrate(guest, target, uri):
                target.close()
                break
            guest.close()
            text += guest.console.text
            guest = target
            count += 1
        status = guest.process.wait(max(0.1, deadline - time.monotonic()))
        guest.close()
        check_guest(status, text + guest.console.text, want)
    if not count:
        raise AssertionError("the guest had ended before it was migrated")
    return f"migrated {count} times"


def gids_pass(bench: Bench, seed: int) -> str:
    """Guests so small that hardly anything but the change of their GIDs is left."""
    done = bench.host.run([bench.gids, str(seed), str(bench.cpus),
                           str(bench.wraps * GIDS)],
                          timeout=PATIENCE, merge=True)
    if done.returncode:
        raise AssertionError(done.stdout.strip()[-300:])
    line: str = done.stdout.strip()
    return line


# What of the host's log belongs to a pass, as a regular expression.
PASSES: dict[str, tuple[Callable[[Bench, int], str], str]] = {
    "smp": (smp_pass, ""),
    "migrate": (migrate_pass, ""),
    "reclaim": (reclaim_pass, ""),
    "merge": (merge_pass, ""),
    "three": (three_pass, ""),
    "gids": (gids_pass, ""),
    "hotplug": (hotplug_pass, ""),
    "suspend": (suspend_pass, "hibernation debug: Waiting"),
}


def run_pass(bench: Bench, name: str, seed: int) -> str:
    """One pass; what it did, in a few words."""
    function, expected = PASSES[name]
    remark = function(bench, seed)
    bench.check_host_log(expected)
    return remark
