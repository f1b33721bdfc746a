#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A short form of the load on guests under KVM: a few of qemu_test.kvmstress's passes.

QEMU_TEST_KVM_SEED sets the seed of their load (default: 1).
"""

from __future__ import annotations

import os
from pathlib import Path

from qemu_test.kvmhost import KvmHostTest
from qemu_test.kvmstress import Bench, run_pass

SEED = int(os.environ.get("QEMU_TEST_KVM_SEED", "1"))


class LoongArchKvmStress(KvmHostTest):
    """One host for all; each pass starts guests of its own."""

    host_smp = 4
    lab_only = True
    bench: Bench | None = None

    def run_pass(self, name: str) -> None:
        cls = type(self)
        if cls.bench is None:
            folder = Path(self.scratch_file("programs"))
            folder.mkdir()
            cls.bench = Bench(self.host, folder, wraps=10)
        cls.bench.folder = Path(self.outputdir)
        self.log.info("%s", run_pass(cls.bench, name, SEED))

    def test_as_many_cpus_as_the_host(self) -> None:
        self.run_pass("smp")

    def test_memory_taken_away(self) -> None:
        self.run_pass("reclaim")

    def test_gids_wrap(self) -> None:
        self.run_pass("gids")


if __name__ == "__main__":
    KvmHostTest.main()
