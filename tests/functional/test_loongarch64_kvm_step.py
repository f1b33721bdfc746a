#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A step under LoongArch KVM does what a step under TCG does.

KVM has no single step there; QEMU makes one of planted words.  Programs that
are made up go through both, instruction by instruction, and the traces of pc
and registers must be the same.

QEMU_TEST_KVM_STEPS is how many steps are to be compared.
QEMU_TEST_KVM_STEP_SEED is the seed of the first program of random blocks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from qemu_test.kvmhost import KvmHostTest, lab_module
from qemu_test.lockstep import Lockstep, SteppedStub
from qemu_test.stepprogram import make_program

STEPS = int(os.environ.get("QEMU_TEST_KVM_STEPS", 5000))
FIRST_SEED = int(os.environ.get("QEMU_TEST_KVM_STEP_SEED", 1000))
PROGRAM_LIMIT = 20000


@contextlib.contextmanager
def emulated() -> Iterator[socket.socket]:
    """A machine under TCG; its stub comes to us, so that the start is an event."""
    program = lab_module("kvmhost").BUILD / "tcg/qemu-system-loongarch64"
    with (tempfile.TemporaryDirectory() as folder,
          socket.socket(socket.AF_UNIX) as listener):
        path = Path(folder) / "stub"
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(30)
        with subprocess.Popen([
                program, "-accel", "tcg", "-M", "virt", "-cpu", "max", "-m", "256M",
                "-nodefaults", "-no-user-config", "-display", "none", "-S",
                "-gdb", f"unix:{path}"]) as process:
            try:
                with listener.accept()[0] as stub:
                    yield stub
            finally:
                process.kill()


class KvmStep(KvmHostTest):
    """The main job."""

    # One CPU is enough, and the faster way from one thread of QEMU to the other.
    host_smp = 1

    @contextlib.contextmanager
    def machines(self) -> Iterator[Lockstep]:
        """A guest under KVM and a machine under TCG, before their first instruction."""
        guest = self.guest(stub=True, paused=True)
        address, port = guest.stub.split(":")
        with socket.create_connection((address, int(port))) as kvm, \
                emulated() as tcg:
            yield Lockstep(SteppedStub(kvm), SteppedStub(tcg))

    def run_seed(self, both: Lockstep, seed: int, blocks: int | None = 60) -> None:
        # What runs at mapped addresses: in the kernel's mode and in a program's.
        program = make_program(seed, blocks, plv=3 if seed % 2 else 0)
        both.load(program)
        before, start = both.steps, time.monotonic()
        both.run(program, PROGRAM_LIMIT)
        taken = both.steps - before
        self.log.info("seed %d: %d steps, %.2f ms each", seed, taken,
                      1000 * (time.monotonic() - start) / taken)

    def test_every_kind(self) -> None:
        """Each kind of block once, with different vectors."""
        with self.machines() as both:
            for seed in range(2):
                self.run_seed(both, seed, None)

    def test_random(self) -> None:
        """As many steps as are asked for."""
        with self.machines() as both:
            seed = FIRST_SEED
            while both.steps < STEPS:
                self.run_seed(both, seed)
                seed += 1
            self.log.info("%d steps the same, %d sc tried again",
                          both.steps, both.retries)


if __name__ == '__main__':
    KvmStep.main()
