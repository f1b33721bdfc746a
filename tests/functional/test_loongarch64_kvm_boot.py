#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest under LoongArch KVM boots, again and again, and nobody complains.

QEMU_TEST_KVM_BOOTS sets how many boots in a row (default: 5), for each number
of CPUs that the host and the guest have.  On a LoongArch machine the host is
what it is: there is one round instead of three.

And a guest that is reset, or loaded, gets the interrupts that are its own.
"""

from __future__ import annotations

import os
import time

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble

UART_STATUS = 0x1fe001e5
RECEIVED = 1
# So much that its FIFO interrupts by itself, and not for the time that has passed.
TYPED = "#0123456789abcd"
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


class Interrupted(KvmHostTest):
    """What the serial port has to say while the machine is stopped."""

    def stopped(self) -> Guest:
        """A guest that has been typed to and does not know it yet."""
        guest = self.guest(monitor=True, append="loglevel=5")
        guest.wait_ready()
        guest.console.command("true")
        self.type_while_stopped(guest)
        return guest

    def type_while_stopped(self, guest: Guest) -> None:
        guest.qmp("stop")
        guest.console.type(TYPED)
        while not self.status(guest) & RECEIVED:
            pass

    def status(self, guest: Guest) -> int:
        """The serial port's, read as the guest would."""
        answer = guest.qmp("human-monitor-command",
                           command_line=f"xp /1bx {UART_STATUS:#x}")
        return int(answer.split()[-1], 16)

    def test_reset(self) -> None:
        """At a reset: the next kernel does not hear of it."""
        guest = self.stopped()
        guest.qmp("set-action", reboot="reset")
        guest.qmp("system_reset")
        guest.wait_event(lambda e: e["event"] == "RESET")
        guest.qmp("cont")
        guest.wait_ready()
        guest.console.command("true")

    def test_snapshot(self) -> None:
        """When a snapshot is taken: who loads it hears of it, and no less of the next."""
        guest = self.stopped()
        with guest.snapshots() as place:
            guest.job("snapshot-save", **place)
            for _ in range(2):
                guest.qmp("cont")
                guest.console.wait(TYPED)
                guest.console.command("true")
                self.type_while_stopped(guest)
                guest.job("snapshot-load", **place)
            guest.qmp("cont")
            guest.console.wait(TYPED)


class HostFourCpus(BootRounds, KvmHostTest):
    """A host with four."""

    host_smp = 4
    lab_only = True


if __name__ == '__main__':
    KvmHostTest.main()
