#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Physical addresses in a guest under LoongArch KVM: Qqemu.PhyMemMode.

In that mode m, M, Z and z mean physical addresses.  A breakpoint there is hit
by whoever executes the word, at whatever virtual address (D14).
"""

from __future__ import annotations

import re

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble
from qemu_test.rsp import PC, Client

PHYSICAL = (1 << 48) - 1
DMW_UNCACHED = 0x8000 << 48
NOWHERE = 0x7fff00000000
UART = 0x1fe001e0
A0 = 4
FIRST = 100
COUNT = 5
MARK = "sys_sched_get_priority_max"
# addi.d a1, a1, 1 twice; bl 0
CODE = bytes.fromhex("a504c002" "a504c002" "00000054")


class KvmPhysical(KvmHostTest):
    """The main job."""

    host_smp = 2

    def address(self, name: str) -> int:
        """Of a function of the kernel, which is the same in host and guest."""
        line = self.host.run(f"grep ' {name}$' /proc/kallsyms", check=True).stdout
        return int(line.split()[0], 16)

    def ready(self, initrd: str | None = None) -> Guest:
        guest = self.guest(stub=True, initrd=initrd)
        guest.wait_ready()
        guest.console.command("true")
        return guest

    def unharmed(self, guest: Guest) -> None:
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def physical(self, client: Client, on: bool = True) -> None:
        self.assertEqual(client.ask(f"Qqemu.PhyMemMode:{int(on)}"), "OK")

    def test_memory(self) -> None:
        """m and M reach memory, and fail where there is none."""
        guest = self.borrow()
        at = self.address("start_kernel")
        with Client(guest) as client:
            word = client.read(at)
            self.physical(client)
            self.assertEqual(client.read(at & PHYSICAL), word)
            other = bytes(reversed(word))
            self.assertEqual(client.ask(f"M{at & PHYSICAL:x},4:{other.hex()}"), "OK")
            self.assertEqual(client.read(at & PHYSICAL), other)
            self.assertEqual(client.ask(f"M{at & PHYSICAL:x},4:{word.hex()}"), "OK")
            self.assertEqual(client.ask(f"m{NOWHERE:x},4"), "E14")
            self.assertEqual(client.ask(f"M{NOWHERE:x},4:{word.hex()}"), "E14")
            self.physical(client, False)
            self.assertEqual(client.read(at), word)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_refused(self) -> None:
        """What is no word of memory is refused, and never "unsupported"."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            self.physical(client)
            for kind in "01":
                for what in (f"{NOWHERE:x},4", f"{at:x},4", f"{UART:x},4",
                             f"{(at & PHYSICAL) + 2:x},4", f"{at & PHYSICAL:x},8"):
                    with self.subTest(kind=kind, what=what):
                        self.assertRegex(client.ask(f"Z{kind},{what}"), "^E")
            self.assertRegex(client.ask(f"Z2,{at & PHYSICAL:x},4"), "^E")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_any_address(self) -> None:
        """A hit at each of two addresses of the same word."""
        guest = self.borrow()
        at = self.address("start_kernel")
        with Client(guest) as client:
            with client.code_at(at, CODE):
                for kind in "01":
                    self.physical(client)
                    self.assertEqual(client.ask(f"Z{kind},{at + 4 & PHYSICAL:x},4"), "OK")
                    self.assertEqual(client.read(at & PHYSICAL, len(CODE)), CODE)
                    self.physical(client, False)
                    self.assertEqual(client.read(at, len(CODE)), CODE)
                    for start in (at, at & PHYSICAL | DMW_UNCACHED):
                        client.set_register(A0 + 1, 0)
                        client.set_register(PC, start)
                        self.assertRegex(client.ask("vCont;c"), "^T05")
                        self.assertEqual((client.pc, client.register(A0 + 1)), (start + 4, 1))
                        # A step passes it.
                        self.assertRegex(client.ask("vCont;s:1"), "^T05")
                        self.assertEqual((client.pc, client.register(A0 + 1)), (start + 8, 2))
                    self.physical(client)
                    self.assertEqual(client.ask(f"z{kind},{at + 4 & PHYSICAL:x},4"), "OK")
                self.physical(client, False)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def hit(self, guest: Guest, client: Client, at: int) -> None:
        guest.console.type("echo go")
        self.assertRegex(client.ask("vCont;c"), "^T05")
        self.assertEqual(client.pc, at)

    def test_change_of_mode(self) -> None:
        """It stays, and is removed, in its own mode only; beside a virtual one."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            self.physical(client)
            self.assertEqual(client.ask(f"Z0,{at & PHYSICAL:x},4"), "OK")
            self.physical(client, False)
            self.assertEqual(client.ask(f"z0,{at & PHYSICAL:x},4"), "OK", "nothing there")
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK", "nothing there")
            self.hit(guest, client, at)

            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.physical(client)
            self.assertEqual(client.ask(f"z0,{at & PHYSICAL:x},4"), "OK")
            # Still on it, by the virtual one; then past it.
            self.hit(guest, client, at)
            self.assertRegex(client.ask("vCont;s:1"), "^T05")
            self.hit(guest, client, at)

            self.assertEqual(client.ask(f"Z1,{at & PHYSICAL:x},4"), "OK")
            self.physical(client, False)
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.hit(guest, client, at)
            self.physical(client)
            self.assertEqual(client.ask(f"z1,{at & PHYSICAL:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            self.unharmed(guest)
            client.interrupt()
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_gdb(self) -> None:
        """gdb, as the manual has it: it goes on in the mode, and steps out of it."""
        guest = self.borrow()
        at = self.address("sys_sethostname")
        gdb = self.gdb()
        gdb.run(f"target remote {guest.stub}")
        gdb.run(f"break *{at & PHYSICAL:#x}")
        mode = "maintenance packet Qqemu.PhyMemMode:"
        for name in ("one", "two"):
            guest.console.type(f"hostname {name}")
            self.assertIn("OK", gdb.run(f"{mode}1"))
            self.assertEqual(gdb.go()["reason"], "signal-received")
            self.assertEqual(gdb.evaluate("$pc"), at)
            # gdb does not know that it stands on its breakpoint.
            self.assertEqual(gdb.go()["reason"], "signal-received")
            self.assertEqual(gdb.evaluate("$pc"), at)
            self.assertIn("OK", gdb.run(f"{mode}0"))
            gdb.run("disable")
            self.assertRegex(gdb.run("x/i $pc"), rf"=> {at:#x}:\s+(?!hvcl)\w")
            gdb.go("stepi")
            self.assertEqual(gdb.evaluate("$pc"), at + 4)
            gdb.run("enable")
        gdb.run("delete")
        gdb.run("detach")
        self.assertEqual(guest.console.command("hostname"), "two")
        self.assertEqual(guest.console.command("hostname guest; hostname"), "guest")
        self.unharmed(guest)
        self.give_back(guest)

    def test_reset(self) -> None:
        """It is there again after a reset, for the kernel that is loaded anew."""
        guest = self.ready()
        at = self.address("start_kernel")
        with Client(guest) as client:
            self.physical(client)
            self.assertEqual(client.ask(f"Z0,{at & PHYSICAL:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            guest.qmp("set-action", reboot="reset")
            guest.qmp("system_reset")
            self.assertRegex(client.receive(), "^T05")
            self.assertEqual(client.pc, at)
            self.assertEqual(client.ask("D"), "OK")
        guest.wait_ready()
        self.unharmed(guest)

    def test_user_space(self) -> None:
        """A word of a program stops whoever executes it, and harms nobody."""
        initrd = self.initrd_with(self.compile("loongarch64-kvm/user.c"))
        guest = self.ready(initrd)
        mark = self.address(MARK)
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z0,{mark:x},4"), "OK")
            guest.console.type(f"user loop {COUNT}; echo user: sta''tus $?")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual(client.ask(f"z0,{mark:x},4"), "OK")
            work = int(guest.console.wait(r"user: work at (0x\w+)")[1], 16)
            said = guest.qmp("human-monitor-command", command_line=f"gva2gpa {work:#x}")
            at = int(re.findall(r"gpa: (0x[0-9a-f]+)", said)[0], 16)
            self.physical(client)
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            for number in range(FIRST, FIRST + COUNT):
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual((client.pc, client.register(A0)), (work, number))
                self.assertRegex(client.ask("vCont;s:1"), "^T05")
                self.assertEqual(client.pc, work + 4)
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
            guest.console.wait("^user: loop, good$")
            guest.console.wait("^user: status 0$")
        self.unharmed(guest)


if __name__ == '__main__':
    KvmPhysical.main()
