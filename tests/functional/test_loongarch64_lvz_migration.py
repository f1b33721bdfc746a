#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with LVZ is saved, loaded and migrated while a guest runs in it.

The KVM host (L1) and its guest (L2) work and check what they do; both go on in
another emulator, or from a snapshot, as if nothing had happened.  What a
machine without LVZ sends is understood by the QEMU that the series is for, and
the other way round, where that one is built (build/base-tcg).

QEMU_TEST_LVZ_MOVES says how many times the machine is migrated on each number
of processors, QEMU_TEST_LVZ_BASE names another base to compare with.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import time
from pathlib import Path
from typing import Any
from unittest import SkipTest

from qemu_test import QemuBaseTest
from qemu_test.kvmhost import KERN_WARNING, READY, kernel_trouble, lab_module

MOVES = int(os.environ.get("QEMU_TEST_LVZ_MOVES", "3"))
# Copies a file and checks it, over and over, and tells the time; and next to it
# sleeps, so that somebody notices when no timer interrupt comes.
LOAD = """
seq 1 200000 >/tmp/data; good=$(sha256sum </tmp/data)
(while sleep 0.1; do echo tick; done) &
while :; do
  cp /tmp/data /tmp/copy; sum=$(sha256sum </tmp/copy)
  [ "$sum" = "$good" ] && is=ri''ght || is=wr''ong
  read up rest </proc/uptime
  echo "beat $up $is"
done
"""
BEAT = re.compile(r"^beat (\d+\.\d+) (right|wrong)$", re.MULTILINE)
TICK = re.compile(r"^tick$", re.MULTILINE)


class Work:
    """A load that writes its progress into a file in the KVM host."""

    def __init__(self, host: Any, name: str, log: str) -> None:
        self._host = host
        self._log = log
        self.name = name
        self.text = ""

    def read(self) -> tuple[int, int, float]:
        """How many beats and ticks there were, and the time of the last beat."""
        self.text = self._host.run(f"cat {self._log}",
                                   check=True).stdout.replace("\r", "")
        beats = BEAT.findall(self.text)
        wrong = [beat for beat in beats if beat[1] != "right"]
        if wrong:
            raise AssertionError(f"{self.name} has a wrong sum at {wrong[0][0]} s")
        return (len(beats), len(TICK.findall(self.text)),
                float(beats[-1][0]) if beats else 0.0)

    def goes_on(self, timeout: float = 120) -> None:
        """Wait until it has made progress in every respect."""
        first = self.read()
        deadline = time.monotonic() + timeout
        while True:
            now = self.read()
            if now[0] >= first[0] + 2 and now[1] >= first[1] + 2 and now[2] > first[2]:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not go on: beats, ticks and time "
                                     f"were {first}, are {now}; "
                                     f"its end:\n{self.text[-3000:]}")
            time.sleep(0.2)


class LvzMigration(QemuBaseTest):
    """The lab's KVM host, on the TCG QEMU under test."""

    timeout = 900

    def setUp(self) -> None:
        super().setUp()
        if lab_module("kvmhost").is_local():
            raise SkipTest("this is for the lab")
        self.host: Any = None
        self.works: list[Work] = []
        self.log_before = 0

    def boot(self, smp: int, **options: Any) -> None:
        """Start the machine and a load in it."""
        self.host = lab_module("movablehost").MovableHost(
            smp=smp, memory="1G", state=Path(self.scratch_file("state.qcow2")), **options)
        self.addCleanup(self.host.close)
        self.log_before = len(self.dmesg())
        self.start("L1", "sh -c " + shlex.quote(LOAD))

    def start(self, name: str, command: str) -> Work:
        """Start something in the host that outlives every connection to it."""
        log = f"/tmp/{name}.log"
        self.host.run(f"setsid sh -c {shlex.quote(command)} </dev/null >{log} 2>&1 &",
                      check=True)
        self.works.append(Work(self.host, name, log))
        return self.works[-1]

    def start_guest(self, smp: int) -> None:
        """Start L2 with the same load."""
        self.host.run("mkfifo /tmp/keys", check=True)
        guest = shlex.join(self.host.guest_argv("-initrd", self.host.initrd, smp=smp))
        work = self.start("L2", f"exec {guest} 0<>/tmp/keys")
        deadline = time.monotonic() + 240
        while not re.search(READY, self.host.run("cat /tmp/L2.log").stdout):
            self.assertLess(time.monotonic(), deadline, "the guest did not come up")
            time.sleep(0.2)
        self.host.run("cat >/tmp/keys", data=LOAD, check=True)
        work.goes_on()

    def dmesg(self) -> list[str]:
        """The log of L1's kernel, each line with its level."""
        return self.host.run("dmesg -r", check=True).stdout.splitlines()

    def check(self) -> None:
        """Everything goes on, and no kernel complains."""
        for work in self.works:
            work.goes_on()
            self.assertEqual(kernel_trouble(work.text), [], work.name)
        warnings = [line for line in self.dmesg()[self.log_before:]
                    if (level := re.match(r"<(\d+)>", line))
                    and int(level[1]) & 7 <= KERN_WARNING]
        self.assertEqual(warnings, [])

    def migrate(self, moves: int) -> None:
        """Migrate at random moments; at one of them at least a guest was running."""
        in_guest = 0
        for _ in range(moves):
            time.sleep(random.uniform(0, 1))
            in_guest += self.host.move() > 0
            self.check()
        # The load in L1 wants the processors, too: it may have had them each time.
        if not in_guest:
            self.host.stop_in_guest()
            self.assertGreater(self.host.move(), 0)
            self.host.qmp("cont")
            self.check()
        self.log.info("%d of %d migrations were in guest mode", in_guest, moves)

    def test_one_processor(self) -> None:
        """One processor does everything: each migration is in the midst of something."""
        self.boot(1)
        self.start_guest(1)
        self.migrate(MOVES)

    def test_two_processors(self) -> None:
        """A guest with two vCPUs on two."""
        self.boot(2)
        self.start_guest(2)
        self.migrate(MOVES)

    def test_four_processors(self) -> None:
        """Four, two of them for the guest."""
        self.boot(4)
        self.start_guest(2)
        self.migrate(MOVES)

    def test_snapshot(self) -> None:
        """Back to a snapshot made in guest mode: in the same process, in a new one."""
        self.boot(2)
        self.start_guest(1)
        self.assertGreater(self.host.stop_in_guest(), 0)
        self.host.save("midst")
        self.host.qmp("cont")
        before = self.works[-1].read()
        self.check()
        for again in (self.host.load, self.host.load, self.host.restart):
            # Far enough from the snapshot that going back shows.
            while (now := self.works[-1].read())[0] < before[0] + 20:
                time.sleep(0.2)
            again("midst")
            self.assertLess(self.works[-1].read()[0], now[0])
            self.check()

    def test_base(self) -> None:
        """Without LVZ a machine moves between this QEMU and the one of the base."""
        lab = lab_module("kvmhost")
        base = Path(os.environ.get("QEMU_TEST_LVZ_BASE",
                                   lab.BUILD / "base-tcg/qemu-system-loongarch64"))
        if not base.is_file():
            raise SkipTest("the base's QEMU is not built; lab/build base-tcg does it")
        ours = Path(self.qemu_bin)
        self.boot(2, cpu="max", qemu=base)
        self.check()
        for _ in range(MOVES):
            self.host.move(ours)
            self.check()
            # The base takes it.  What it loses itself, among it the timer, may
            # stop the machine there; none of it is lost for good.
            self.host.move(base)
        self.host.move(ours)
        self.check()


if __name__ == "__main__":
    QemuBaseTest.main()
