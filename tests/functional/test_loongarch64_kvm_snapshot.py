#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A snapshot of a guest under KVM is loaded while the guest runs.

What a vCPU has from the time between must be gone, also what no register tells:
KVM has no call that drops the translations of a guest.  And what it had when the
snapshot was taken must be there.
"""

from __future__ import annotations

from qemu_test.kvmhost import KvmHostTest, kernel_trouble
from qemu_test.planted import MARK, Kernel
from qemu_test.rsp import Client

RA = 1


class Replaced(KvmHostTest):
    """On one CPU, as KVM drops translations too when a vCPU comes to another one."""

    host_smp = 1

    def test_translations(self) -> None:
        """Where pages were mapped since, they are where they were."""
        program = self.compile("loongarch64-kvm/remapped.c")
        guest = self.guest(monitor=True, initrd=self.initrd_with(program))
        guest.wait_ready()

        def told(command: str) -> str:
            guest.console.type(command)
            return guest.console.wait(r"^remapped: (.*)\n")[1]

        with guest.snapshots() as place:
            self.assertEqual(told("remapped"), "64 even 0 odd 0 wrong")
            guest.job("snapshot-save", **place)
            for _ in range(3):
                self.assertEqual(told("turn"), "0 even 64 odd 0 wrong")
                guest.job("snapshot-load", **place)
                self.assertEqual(told("look"), "64 even 0 odd 0 wrong")
        self.assertEqual(kernel_trouble(guest.console.text), [])


class Interrupt(KvmHostTest):
    """Two vCPUs, and a client that lets one of them run."""

    def test_sent_to_a_stopped_vcpu(self) -> None:
        """One vCPU interrupts another one whose registers were asked for already."""
        kernel = Kernel(self.host.run("cat /proc/kallsyms", check=True).stdout)
        marked = kernel.inside(MARK)
        sends = kernel.symbols["pv_send_ipi_single"]
        program = self.compile("loongarch64-kvm/barrier.c")
        guest = self.guest(smp=2, stub=True, initrd=self.initrd_with(program))
        guest.wait_ready()
        with guest.snapshots() as place, Client(guest) as client:

            def run_to(at: int, resume: str) -> None:
                """The one that is to come there is vCPU 1, gdb's thread 2."""
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                client.send(resume)
                self.assertRegex(client.receive(), "^T05thread:02;")
                self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")

            guest.console.type("barrier")
            run_to(marked, "vCont;c")
            run_to(sends, "vCont;c")
            after = client.register(RA)
            self.assertEqual(client.ask("Hg1"), "OK")
            client.ask("g")
            run_to(after, "vCont;c:2")
            guest.job("snapshot-save", **place)
            guest.job("snapshot-load", **place)
            self.assertEqual(client.ask("D"), "OK")
            guest.console.wait(r"^barrier: done\n")
        self.assertEqual(kernel_trouble(guest.console.text), [])


if __name__ == "__main__":
    KvmHostTest.main()
