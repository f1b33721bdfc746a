#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Breakpoints and steps in a guest under LoongArch KVM, packet by packet.

What a client is told must be so, and the guest must not come to harm, whatever
the client does or leaves undone.  Sessions with a real gdb are in
test_loongarch64_kvm_gdb.py.
"""

from __future__ import annotations

from typing import Any

from qemu_test.kvmhost import Guest, KvmHostTest, kernel_trouble
from qemu_test.rsp import PC, Client

PHYSICAL = (1 << 48) - 1
DMW_UNCACHED = 0x8000 << 48
TRAP = bytes.fromhex("01812b00")        # hvcl 0x101
UART = 0x1fe001e0
A0 = 4
# A loop at a free place, for a vCPU that is sent there: addi.d a1, a1, 1; its
# own hvcl 0x101; b -8.
LOOP = bytes.fromhex("a504c002" "01812b00" "fffbff53")
# addi.d a1, a1, 1 twice; then bl 0, which stays.
CODE = bytes.fromhex("a504c002" "a504c002" "00000054")


class KvmDebug(KvmHostTest):
    """The main job."""

    host_smp = 2

    def address(self, name: str) -> int:
        """Of a function of the kernel, which is the same in host and guest."""
        line = self.host.run(f"grep ' {name}$' /proc/kallsyms", check=True).stdout
        return int(line.split()[0], 16)

    def ready(self, **options: Any) -> Guest:
        guest = self.guest(stub=True, **options)
        guest.wait_ready()
        guest.console.command("true")
        return guest

    @staticmethod
    def where(client: Client) -> int:
        """pc, for what is not to fail where only p gives an old one."""
        return int.from_bytes(bytes.fromhex(client.ask("g"))[8 * PC:8 * PC + 8], "little")

    def unharmed(self, guest: Guest) -> None:
        self.assertEqual(guest.console.command("echo $((6 * 7))"), "42")
        self.assertEqual(kernel_trouble(guest.console.text), [])

    def test_memory(self) -> None:
        """Memory shows the guest's own word while a breakpoint is set (D17)."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            word = client.read(at)
            for kind in "01":
                self.assertEqual(client.ask(f"Z{kind},{at:x},4"), "OK")
                self.assertEqual(client.read(at), word, "memory shows the planted word")
                self.assertEqual(client.ask(f"z{kind},{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_saved_memory(self) -> None:
        """So does what the monitor saves of it (D4)."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            before = guest.memory_hash(at & PHYSICAL, 4)
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertEqual(guest.memory_hash(at & PHYSICAL, 4), before,
                             "the word is saved")
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def set_twice(self, kind: str) -> None:
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z{kind},{at:x},4"), "OK")
            self.assertEqual(client.ask(f"Z{kind},{at:x},4"), "OK")
            self.assertEqual(client.ask(f"z{kind},{at:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            self.unharmed(guest)
            client.interrupt()
            self.assertEqual(client.ask(f"z{kind},{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_twice(self) -> None:
        """Set twice and removed once, it is gone; removed twice, too (D16)."""
        self.set_twice("0")

    def test_hardware_twice(self) -> None:
        """So is Z1."""
        self.set_twice("1")

    def test_not_a_word(self) -> None:
        """Neither an address between words nor another length (D15)."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            word = client.read(at, 8)
            for kind in "01":
                for offset in (1, 2, 3):
                    self.assertRegex(client.ask(f"Z{kind},{at + offset:x},4"), "^E",
                                     "between words")
                for length in (0, 2, 8):
                    self.assertRegex(client.ask(f"Z{kind},{at:x},{length}"), "^E")
                self.assertEqual(client.ask(f"Z{kind},{at:x},4"), "OK")
                # Nor beside one that is there.
                self.assertRegex(client.ask(f"Z{kind},{at:x},8"), "^E")
                self.assertRegex(client.ask(f"z{kind},{at:x},8"), "^E")
                self.assertEqual(client.ask(f"z{kind},{at:x},4"), "OK")
            self.assertEqual(client.read(at, 8), word)
            self.assertEqual(client.ask(f"Z2,{at:x},4"), "", "not there at all")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_no_memory(self) -> None:
        """Where there is none, a breakpoint is refused."""
        guest = self.borrow()
        with Client(guest) as client:
            self.assertRegex(client.ask("Z0,9000f00000000000,4"), "^E", "no memory there")
            self.assertRegex(client.ask("Z0,ffff900000000000,4"), "^E", "nothing mapped")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_device(self) -> None:
        """A device is no memory, and is not written to (D25)."""
        guest = self.borrow()
        uart = UART | DMW_UNCACHED
        with Client(guest) as client:
            for kind in "01":
                self.assertRegex(client.ask(f"Z{kind},{uart:x},4"), "^E")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_written_over(self) -> None:
        """Written over by the client, it can be removed and set again (D5)."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            word = client.read(at)
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertEqual(client.ask(f"M{at:x},4:{word.hex()}"), "OK")
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            guest.console.type("echo go")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual(client.pc, at)
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_detached_in_user_mode(self) -> None:
        """No word is left where the kernel is out of the vCPU's sight (D2, D3)."""
        guest = self.ready()
        at = self.address("sys_sethostname")
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            guest.console.type("while :; do :; done &")
            self.stop_in_user_mode(guest, client)
            self.assertEqual(client.ask("D"), "OK")
        guest.console.command("kill $!")
        guest.console.command("hostname elsewhere")
        self.assertEqual(guest.console.command("hostname"), "elsewhere")
        self.unharmed(guest)

    def client_dies(self, kind: str) -> None:
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z{kind},{at:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
        with Client(guest) as client:
            # A stop reply that was left over is another matter.
            client.send("qC")
            while not client.receive().startswith("QC"):
                pass
            self.assertNotEqual(client.read(at), TRAP, "it is still there")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_client_dies(self) -> None:
        """Killed while the guest runs: its breakpoints end with it (D18)."""
        self.client_dies("0")

    def test_client_dies_hardware(self) -> None:
        """Those of Z1, too."""
        self.client_dies("1")

    def test_client_dies_at_a_hit(self) -> None:
        """Killed while the guest is hitting one: it goes on, on all vCPUs (D18)."""
        guest = self.ready(smp=2)
        at = self.address("hrtimer_interrupt")
        for packet in ("Z0", "Z1"):
            for _ in range(10):
                with Client(guest) as client:
                    self.assertEqual(client.ask(f"{packet},{at:x},4"), "OK")
                    client.send("vCont;c")
                with Client(guest) as stranger:
                    # It is served when the one before has been closed.
                    stranger.socket.sendall(b"$?#00")
                    self.assertEqual(stranger.socket.recv(1), b"-")
                    self.assertTrue(guest.qmp("query-status")["running"])
        self.unharmed(guest)

    def test_errors_in_words(self) -> None:
        """Why a breakpoint is refused (D21)."""
        guest = self.ready()
        at = self.address("vfs_read")
        with Client(guest) as client:
            client.ask("qSupported:error-message+")
            for address, reason in ((at + 2, "instruction"),
                                    (0x9000f00000000000, "device|memory"),
                                    (0xffff800000000000, "mapped"),
                                    (UART | DMW_UNCACHED, "device")):
                self.assertRegex(client.ask(f"Z0,{address:x},4"), rf"^E\..*({reason})")
            self.assertEqual(client.ask(f"Z2,{at:x},4"), "")
            self.assertEqual(client.ask("D"), "OK")

    def test_exit_of_the_guests_own(self) -> None:
        """The guest's own hvcl 0x101 gives -1 and goes on (D1)."""
        guest = self.borrow()
        at = self.address("start_kernel")
        with Client(guest) as client:
            with client.code_at(at, LOOP):
                client.set_register(PC, at)
                client.set_register(A0 + 1, 0)
                # Something is set, so that vCPUs leave for the word.
                other = self.address("kernel_halt")
                self.assertEqual(client.ask(f"Z0,{other:x},4"), "OK")
                self.assertEqual(client.ask(f"Z0,{at + 8:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual(client.pc, at + 8)
                self.assertEqual(client.register(A0), (1 << 64) - 1)
                self.assertEqual(client.register(A0 + 1), 1)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_step_on_the_guests_own(self) -> None:
        """A step on the guest's own hvcl 0x101 is one like any other (D8)."""
        guest = self.borrow()
        at = self.address("start_kernel")
        with Client(guest) as client:
            with client.code_at(at, LOOP):
                client.set_register(PC, at)
                client.set_register(A0 + 1, 0)
                for number, expected in enumerate((at + 4, at + 8, at, at + 4)):
                    self.assertRegex(client.ask("vCont;s:1"), "^T05")
                    self.assertEqual(self.where(client) - at, expected - at, f"step {number}")
                self.assertEqual(client.register(A0), (1 << 64) - 1)
                self.assertEqual(client.register(A0 + 1), 2)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_another_address(self) -> None:
        """A planted page run at another address runs its own instructions (D1)."""
        guest = self.borrow()
        at = self.address("start_kernel")
        alias = at & PHYSICAL | DMW_UNCACHED
        with Client(guest) as client:
            with client.code_at(at, CODE):
                client.set_register(A0 + 1, 0)
                client.set_register(PC, alias)
                self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
                self.assertEqual(client.ask(f"Z0,{at + 4:x},4"), "OK")
                self.assertEqual(client.ask(f"Z0,{alias + 8:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual(client.pc, alias + 8)
                self.assertEqual(client.register(A0 + 1), 2)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_trace(self) -> None:
        """The trace has what is planted, whose an exit is, and what is lifted."""
        guest = self.borrow()
        at = self.address("start_kernel")
        alias = at & PHYSICAL | DMW_UNCACHED
        with Client(guest) as client:
            with client.code_at(at, CODE):
                client.set_register(PC, alias)
                seen = len(guest.console.text)
                guest.qmp("trace-event-set-state", name="kvm_debug_*", enable=True)
                for place in (at, alias + 4):
                    self.assertEqual(client.ask(f"Z0,{place:x},4"), "OK")
                self.assertRegex(client.ask("vCont;c"), "^T05")
                self.assertEqual(client.pc, alias + 4)
                for place in (at, alias + 4):
                    self.assertEqual(client.ask(f"z0,{place:x},4"), "OK")
                guest.qmp("trace-event-set-state", name="kvm_debug_*", enable=False)
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        word = f"who 0x1 ram 0x[0-9a-f]+ saved 0x{CODE[3::-1].hex()}"
        told = guest.console.text[seen:]
        for event in (f"insert cpu 0 addr {at:#x} who 0x1: 0", f"plant addr {at:#x} {word}",
                      f"exit cpu 0 pc {alias:#x} to pass: ",
                      f"step_begin cpu 0 pc {alias:#x} quiet 1 ", f"lift addr {at:#x} {word}",
                      f"exit cpu 0 pc {alias + 4:#x} client: ",
                      f"remove addr {at:#x} who 0x1"):
            with self.subTest(event=event):
                self.assertRegex(told, f"kvm_debug_{event}")
        self.give_back(guest)

    def test_hardware_breakpoint(self) -> None:
        """Z1 is hit like Z0."""
        guest = self.borrow()
        at = self.address("vfs_read")
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z1,{at:x},4"), "OK")
            guest.console.type("echo go")
            self.assertRegex(client.ask("vCont;c"), "^T05")
            self.assertEqual(client.pc, at)
            self.assertEqual(client.ask(f"z1,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)
        self.give_back(guest)

    def test_step(self) -> None:
        """vCont;s executes one instruction, and never an interrupt (D7)."""
        guest = self.ready(smp=2)
        at = self.address("vfs_read")
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            guest.console.type("echo go")
            stop = client.ask("vCont;c")
            self.assertRegex(stop, "^T05")
            thread = stop.partition("thread:")[2].rstrip(";")
            client.ask(f"Hg{thread}")
            self.assertEqual(client.pc, at)
            sp = client.register(3)
            # The breakpoint stays where it is: a step passes it.
            for number in range(200):
                self.assertRegex(client.ask(f"vCont;s:{thread}"), f"^T05thread:{thread};")
                if number == 0:
                    self.assertEqual(client.pc, at + 4, "the first step")
                self.assertLess(abs(client.register(3) - sp), 0x4000, "another stack")
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)

    def stop_in_user_mode(self, guest: Guest, client: Client) -> int:
        """Interrupt it until it is there; give the address."""
        for _ in range(100):
            client.send("vCont;c")
            guest.wait_running()
            client.interrupt()
            if (at := self.where(client)) >> 47 == 0:
                return at
        raise AssertionError("never in user mode")

    def test_kernel_from_user_mode(self) -> None:
        """The kernel can be read and planted whatever mode a vCPU is in (D11)."""
        guest = self.ready()
        at = self.address("vfs_read")
        with Client(guest) as client:
            word = client.read(at)
            guest.console.type("while :; do :; done")
            self.stop_in_user_mode(guest, client)
            self.assertEqual(client.ask(f"m{at:x},4"), word.hex())
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")

    def test_mapped(self) -> None:
        """Page tables are walked, also by a QEMU without TCG (D12)."""
        guest = self.ready()
        with Client(guest) as client:
            guest.console.type("while :; do :; done")
            user = self.stop_in_user_mode(guest, client)
            self.assertRegex(client.ask(f"m{user:x},4"), "^[0-9a-f]{8}$")
            self.assertEqual(client.ask("D"), "OK")

    def test_hot_plug(self) -> None:
        """A vCPU that comes while breakpoints are set stops at them (D6)."""
        guest = self.ready(options=["-smp", "1,maxcpus=2"])
        at = self.address("start_kernel")
        with Client(guest) as client:
            saved = client.read(at, len(CODE))
            self.assertEqual(client.ask(f"M{at:x},{len(CODE):x}:{CODE.hex()}"), "OK")
            self.assertEqual(client.ask(f"Z0,{at + 4:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            guest.add_vcpu()
            client.interrupt()
            # Nothing is set now that it would be told of.
            self.assertEqual(client.ask("Hg2"), "OK")
            registers = client.ask("g")
            client.set_register(PC, at)
            client.set_register(A0 + 1, 0)
            self.assertRegex(client.ask("vCont;c"), "^T05thread:02;")
            self.assertEqual((self.where(client), client.register(A0 + 1)), (at + 4, 1))
            self.assertEqual(client.ask(f"z0,{at + 4:x},4"), "OK")
            self.assertEqual(client.ask(f"M{at:x},{len(CODE):x}:{saved.hex()}"), "OK")
            self.assertEqual(client.ask(f"G{registers}"), "OK")
            self.assertEqual(client.ask("D"), "OK")
        self.unharmed(guest)

    def test_reset(self) -> None:
        """A reset while running: what is loaded anew is planted anew (D5)."""
        guest = self.ready()
        at = self.address("start_kernel")
        with Client(guest) as client:
            self.assertEqual(client.ask(f"Z0,{at:x},4"), "OK")
            client.send("vCont;c")
            guest.wait_running()
            guest.qmp("set-action", reboot="reset")
            guest.qmp("system_reset")
            self.assertRegex(client.receive(), "^T05")
            self.assertEqual(client.pc, at)
            self.assertEqual(client.ask(f"z0,{at:x},4"), "OK")
            self.assertEqual(client.ask("D"), "OK")


if __name__ == '__main__':
    KvmDebug.main()
