#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest under LoongArch KVM boots, again and again, and nobody complains.

QEMU_TEST_KVM_BOOTS sets how many boots in a row (default: 5), for each number
of CPUs that the host and the guest have.  On a LoongArch machine the host is
what it is: there is one round instead of three.
"""

from __future__ import annotations

import os
import time

from qemu_test.kvmhost import KvmHostTest, kernel_trouble

BOOTS = int(os.environ.get("QEMU_TEST_KVM_BOOTS", "5"))


class BootRounds:
    """The tests of each class below."""

    def boots(self: KvmHostTest, smp: int) -> None:
        """Boot to the shell, type a command and have its answer, power off."""
        times = []
        for number in range(1, BOOTS + 1):
            start = time.monotonic()
            # All of the log once; then warnings and worse, in half the time.
            guest = self.guest(smp=smp, append="" if number == 1 else "loglevel=5")
            guest.wait_ready()
            times.append(time.monotonic() - start)
            self.assertEqual(guest.console.command("nproc"), str(smp))
            self.assertEqual(guest.power_off(), 0, f"boot {number}")
            self.assertEqual(kernel_trouble(guest.console.text), [], f"boot {number}")
            guest.close()
        self.log.info("%d boots; to the shell %.1f to %.1f s", BOOTS,
                      min(times), max(times))
        self.assertEqual(kernel_trouble("\n".join(self.host_log())), [])
        self.assertEqual(self.host_warnings(), [])

    def test_one_vcpu(self) -> None:
        self.boots(1)

    def test_two_vcpus(self) -> None:
        self.boots(2)


class HostOneCpu(BootRounds, KvmHostTest):
    """A host with one CPU, or the machine itself."""

    host_smp = 1


class HostTwoCpus(BootRounds, KvmHostTest):
    """A host with two."""

    host_smp = 2
    lab_only = True


class HostFourCpus(BootRounds, KvmHostTest):
    """A host with four."""

    host_smp = 4
    lab_only = True


if __name__ == '__main__':
    KvmHostTest.main()
