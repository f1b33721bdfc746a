#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A KVM that cannot debug guests, or fails to: the user is told, in a sentence.

The kernel of the host can do it, so a preloaded library answers in its place.
Guests that nobody debugs must not notice.
"""

from __future__ import annotations

from qemu_test.kvmhost import Guest, KvmHostTest, compile_library, kernel_trouble
from qemu_test.rsp import Client

NO_INSTRUCTION = "the host's KVM cannot debug guests; Linux 6.10 or later can"
WRONG_INSTRUCTION = ("the host's KVM names no hypercall to debug guests with, "
                     "which Linux 6.10 or later does")
REFUSED = {"capability": NO_INSTRUCTION, "register": NO_INSTRUCTION,
           "zero": WRONG_INSTRUCTION}


class KvmRefused(KvmHostTest):
    """The main job."""

    def setUp(self) -> None:
        super().setUp()
        library = self.scratch_file("refuse.so")
        compile_library(self.data_file("loongarch64-kvm/refuse.c"), library)
        self.preload = self.host.put(library)

    def under(self, what: str) -> list[str]:
        """A command that runs QEMU on a KVM that refuses something."""
        return ["env", f"LD_PRELOAD={self.preload}", f"KVM_REFUSE={what}"]

    def unharmed(self, guest: Guest) -> None:
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def test_stub_at_start(self) -> None:
        """-s ends QEMU where KVM names no instruction to debug with (D23)."""
        for what, sentence in REFUSED.items():
            with self.subTest(what):
                # If it starts after all, its monitor ends it.
                done = self.host.run(
                    [*self.under(what), self.host.qemu, "-accel", "kvm", "-M", "virt",
                     "-cpu", "max", "-m", "256M", "-nodefaults", "-display", "none",
                     "-monitor", "stdio", "-S", "-s"], data="quit\n", merge=True)
                self.assertEqual(done.returncode, 1, done.stdout)
                said = [line for line in done.stdout.splitlines() if ": -s: " in line]
                self.assertEqual(len(said), 1)
                self.assertRegex(said[0], rf"\A\S+: -s: gdbstub: {sentence}\Z")

    def test_without_stub(self) -> None:
        """Without one it is a guest like any other, and stays without one."""
        for what, sentence in REFUSED.items():
            with self.subTest(what):
                guest = self.guest(monitor=True, under=self.under(what))
                guest.wait_ready()
                guest.console.command("true")
                said = guest.qmp("human-monitor-command", command_line="gdbserver")
                self.assertIn(sentence, said)
                self.unharmed(guest)

    def kvm_is_not_told(self, kind: str) -> None:
        """A breakpoint fails; without it the guest goes on, and with it then it stops."""
        switch = "/tmp/refuse-guest-debug"
        guest = self.guest(stub=True, smp=2, under=self.under(switch))
        guest.wait_ready()
        guest.console.command("true")
        self.addCleanup(self.host.run, f"rm -f {switch}")
        line = self.host.run("grep ' vfs_read$' /proc/kallsyms", check=True).stdout
        at = int(line.split()[0], 16)
        with Client(guest) as client:
            self.host.run(f"touch {switch}", check=True)
            self.assertRegex(client.ask(f"Z{kind},{at:x},4"), "^E")
            self.host.run(f"rm {switch}", check=True)
            client.send("vCont;c")
            guest.wait_running()
            self.unharmed(guest)
            client.interrupt()
            # It is not taken for one that is there.
            self.assertEqual(client.ask(f"Z{kind},{at:x},4"), "OK")
            guest.console.type("echo go")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual(client.pc, at)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)

    def test_kvm_is_not_told(self) -> None:
        """A breakpoint that KVM cannot be told of is not set (D22)."""
        self.kvm_is_not_told("0")

    def test_kvm_is_not_told_hardware(self) -> None:
        """Nor is Z1."""
        self.kvm_is_not_told("1")


if __name__ == '__main__':
    KvmRefused.main()
