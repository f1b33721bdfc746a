#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The gdbstub as a client sees it on the wire, packet by packet.

Under TCG, where a machine starts in a moment: what is tested here is the stub's
own, whatever runs the guest.  Breakpoints and real gdb under KVM are tested in
test_loongarch64_kvm_gdb.py.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from qemu_test import QemuSystemTest
from qemu_test.rsp import Packets

R0, A0, A1, A2, ORIG_A0, PC, BADV = 0, 4, 5, 6, 32, 33, 34
REGISTERS = 35
LBT_SCR0 = 140
NOWHERE = 0xfff000000000        # a physical address with nothing behind it
# nop, and a loop that counts in memory: addi.d a1, a1, 1; st.d a1, a2, 0; b -8.
CODE = bytes.fromhex("00004003" "a504c002" "c500c029" "fffbff53")
START, LOOP, STORE = 0x200000, 0x200004, 0x200008
COUNTER = 0x210000


def connect(path: Path) -> Packets:
    """A new client. The stub serves one after the other."""
    stub = socket.socket(socket.AF_UNIX)
    stub.settimeout(10)
    stub.connect(str(path))
    return Packets(stub, timeout=10)


class StubTest(QemuSystemTest):
    """A stopped machine with a stub on a UNIX socket."""

    timeout = 60
    cpus = 1

    def setUp(self) -> None:
        super().setUp()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "stub"
        self.set_machine("virt")
        self.vm.add_args("-cpu", "max", "-nic", "none", "-display", "none", "-S",
                         "-smp", str(self.cpus),
                         "-gdb", f"unix:{self.path},server=on,wait=off")
        self.vm.launch()

    def tearDown(self) -> None:
        super().tearDown()
        self.folder.cleanup()

    def connect(self) -> Packets:
        return connect(self.path)

    def status(self) -> str:
        return str(self.vm.cmd("query-status")["status"])

    def nudge(self, client: Packets) -> None:
        """Wait until the stub has read all that was sent, without speaking to it."""
        client.socket.sendall(b"$?#00")         # the sum is wrong
        self.assertEqual(client.socket.recv(1), b"-")

    def set_loop(self, client: Packets, cpus: int = 1) -> None:
        """Each CPU at the loop, with a counter of its own."""
        self.assertEqual(client.ask(f"M{START:x},{len(CODE):x}:{CODE.hex()}"), "OK")
        for cpu in range(cpus):
            self.assertEqual(client.ask(f"Hg{cpu + 1:x}"), "OK")
            client.set_register(A2, COUNTER + 8 * cpu)
            client.set_register(PC, LOOP)

    def assert_counting(self, cpu: int = 0) -> None:
        """The CPU runs."""
        def count() -> str:
            return str(self.vm.cmd("human-monitor-command",
                                   command_line=f"xp /1gx {COUNTER + 8 * cpu:#x}"))

        first, end = count(), time.monotonic() + 10
        while count() == first:
            self.assertLess(time.monotonic(), end, f"CPU {cpu} stands still at {first}")


class GdbStub(StubTest):
    """What it answers, and to whom."""

    def test_all_registers(self) -> None:
        """g has every core register: 32 of them, orig_a0, pc and badv."""
        with self.connect() as client:
            registers = client.ask("g")
            self.assertEqual(len(registers), 35 * 16)
            self.assertEqual(registers[33 * 16:34 * 16], client.ask("p21"), "pc")

    def test_no_stop_reply_for_a_stranger(self) -> None:
        """A client that let the VM run and vanished leaves nothing for the next."""
        with self.connect() as first:
            self.assertEqual(first.ask("?")[:3], "T05")
            first.send("vCont;c")
            self.vm.event_wait("RESUME", timeout=10.0)
        with self.connect() as second:
            second.send("qOffsets")
            self.assertEqual(second.receive(), "", "not the answer to the first packet")

    def test_multiprocess_is_the_clients_own(self) -> None:
        """A client that did not ask for it gets plain thread ids and can detach."""
        with self.connect() as first:
            first.ask("qSupported:multiprocess+")
            self.assertEqual(first.ask("qC"), "QCp01.01")
        with self.connect() as second:
            self.assertEqual(second.ask("qC"), "QC01")
            self.assertEqual(second.ask("D"), "OK")

    def test_physical_memory_mode_ends_with_its_client(self) -> None:
        """m reads virtual memory for the next one."""
        with self.connect() as first:
            self.assertEqual(first.ask("Qqemu.PhyMemMode:1"), "OK")
            self.assertEqual(first.ask("qqemu.PhyMemMode"), "1")
        with self.connect() as second:
            self.assertEqual(second.ask("qqemu.PhyMemMode"), "0")

    def test_physical_memory(self) -> None:
        """m and M fail where there is no memory (D14)."""
        nowhere = 0x7fff00000000
        with self.connect() as client:
            self.assertEqual(client.ask("M200000,4:01020304"), "OK")
            self.assertEqual(client.ask("Qqemu.PhyMemMode:1"), "OK")
            self.assertEqual(client.ask("m200000,4"), "01020304")
            self.assertEqual(client.ask(f"m{nowhere:x},4"), "E14")
            self.assertEqual(client.ask(f"M{nowhere:x},4:01020304"), "E14")

    def test_physical_breakpoint(self) -> None:
        """Where there are none, they are refused, not taken for virtual ones (D14)."""
        with self.connect() as client:
            self.assertEqual(client.ask("Z0,200000,4"), "OK")
            self.assertEqual(client.ask("Qqemu.PhyMemMode:1"), "OK")
            for kind in range(5):
                self.assertEqual(client.ask(f"Z{kind},200004,4"), "E22")
                self.assertEqual(client.ask(f"z{kind},200000,4"), "E22")
            self.assertEqual(client.ask("Qqemu.PhyMemMode:0"), "OK")
            self.assertEqual(client.ask("z0,200000,4"), "OK")
            self.assertNotEqual(client.ask("z0,200004,4"), "OK")

    def test_step_flags_end_with_their_client(self) -> None:
        """So do the flags of a single step."""
        with self.connect() as first:
            usual = first.ask("qqemu.sstep")
            self.assertEqual(first.ask("Qqemu.sstep=0x1"), "OK")
            self.assertNotEqual(first.ask("qqemu.sstep"), usual)
        with self.connect() as second:
            self.assertEqual(second.ask("qqemu.sstep"), usual)

    def test_half_a_packet_ends_with_its_client(self) -> None:
        """The next client's packet is not taken for the rest of it."""
        with self.connect() as first:
            self.assertEqual(first.ask("?")[:1], "T")
            first.socket.sendall(b"$qC")
        with self.connect() as second:
            self.assertEqual(second.ask("qC"), "QC01")

    def test_without_acknowledgements(self) -> None:
        """QStartNoAckMode, offered in qSupported, holds for its client alone."""
        with self.connect() as first:
            first.negotiate()
            self.assertFalse(first.acknowledges)
            first.send("vMustReplyEmpty")
            self.assertEqual(first.socket.recv(16), b"$#00", "no + before it")
            # Nothing is sent again, and no sum is looked at.
            first.socket.sendall(b"-$vMustReplyEmpty#00")
            self.assertEqual(first.socket.recv(16), b"$#00")
            first.send("vCont;c")
            self.vm.event_wait("RESUME", timeout=10.0)
            self.assertEqual(first.interrupt()[:3], "T02")
        with self.connect() as second:
            second.send("vMustReplyEmpty")
            self.assertEqual(second.receive(), "")
            self.nudge(second)

    def test_others_have_their_turn(self) -> None:
        """A client that asks without a pause leaves the monitor its share."""
        enough = threading.Event()
        deadline = time.monotonic() + 30
        asked = 0

        def ask_on(client: Packets) -> None:
            nonlocal asked
            while not enough.is_set() and time.monotonic() < deadline:
                client.ask("qC")
                asked += 1

        with self.connect() as client:
            thread = threading.Thread(target=ask_on, args=(client,))
            thread.start()
            try:
                for _ in range(100):
                    self.assertEqual(self.status(), "prelaunch")
                self.assertTrue(thread.is_alive())
            finally:
                enough.set()
                thread.join()
            self.assertGreater(asked, 100)

    def test_kill_of_a_stranger(self) -> None:
        """vKill with a process that is not there is an error, and harmless."""
        with self.connect() as client:
            self.assertEqual(client.ask("vKill;7b"), "E22")
            self.assertEqual(client.ask("qC"), "QC01")
        self.assertTrue(self.vm.is_running())

    def test_kill(self) -> None:
        """vKill with the one that is there ends QEMU."""
        path = Path(self.folder.name) / "another"
        with subprocess.Popen([self.qemu_bin, "-M", "virt", "-nic", "none",
                               "-display", "none", "-S",
                               "-gdb", f"unix:{path},server=on,wait=on"],
                              stderr=subprocess.DEVNULL) as qemu:
            while not path.exists() and qemu.poll() is None:
                time.sleep(0.01)
            with connect(path) as client:
                self.assertEqual(client.ask("vKill;1"), "OK")
            self.assertEqual(qemu.wait(timeout=10.0), 0)

    def test_continue_without_an_action(self) -> None:
        """A bare vCont is answered."""
        with self.connect() as client:
            self.assertEqual(client.ask("vCont"), "E22")

    def test_extra_info_of_a_stranger(self) -> None:
        """A thread that is not there, or is no more, is answered."""
        with self.connect() as client:
            self.assertEqual(client.ask("qThreadExtraInfo,7b"), "E22")

    def test_numbers(self) -> None:
        """A number is hex digits, 0x before or not, and no more than it has room for."""
        with self.connect() as client:
            memory = client.ask("m0,4")
            self.assertRegex(memory, "^[0-9a-f]{8}$")
            self.assertEqual(client.ask("m00000000000000000000,0004"), memory)
            self.assertEqual(client.ask("m0x0,0x4"), memory)
            for number in ("", "+0", "-0", " 0", "g", "0x", "10000000000000000"):
                self.assertIn(client.ask(f"m{number},4"), ("", "E22"), number)

    def test_unknown_register(self) -> None:
        """It is not written, nor any other in its place."""
        with self.connect() as client:
            a0 = client.ask(f"p{A0:x}")
            for number in (0x200, 0xffffffff, 1 << 32 | A0, 1 << 63):
                self.assertEqual(client.ask(f"P{number:x}={0xabcdef:016x}"), "E22")
                self.assertEqual(client.ask(f"p{number:x}"), "E14")
            self.assertEqual(client.ask(f"p{A0:x}"), a0)

    def test_register_that_the_cpu_lacks(self) -> None:
        """TCG has no LBT: described, unavailable, and not writable."""
        with self.connect() as client:
            self.assertEqual(client.ask(f"p{LBT_SCR0:x}"), "x" * 16)
            self.assertEqual(client.ask(f"P{LBT_SCR0:x}={'00' * 8}"), "E22")

    def test_value_of_another_size(self) -> None:
        """A value that is not a register's is not written."""
        with self.connect() as client:
            client.set_register(A0, 0x1122334455667788)
            for value in ("", "0", "00" * 7, "0" * 15, "0" * 17, "00" * 9, "x" * 16):
                self.assertRegex(client.ask(f"P{A0:x}={value}"), "^E[0-9][0-9]$", value)
                self.assertEqual(client.register(A0), 0x1122334455667788, value)

    def test_write_all_registers(self) -> None:
        """G writes all of them, or nothing if they are not all there."""
        with self.connect() as client:
            now = bytearray.fromhex(client.ask("g"))
            self.assertEqual(client.ask(f"G{now.hex()}"), "OK", "as they were")
            now[A0 * 8:A0 * 8 + 8] = struct.pack("<Q", 0x1234)
            self.assertEqual(client.ask(f"G{now.hex()}"), "OK")
            self.assertEqual(client.register(A0), 0x1234)
            now[A0 * 8:A0 * 8 + 8] = struct.pack("<Q", 0x5678)
            for values in ("", "00", now[:-8].hex(), now[:A0 * 8 + 8].hex(),
                           now.hex()[:-1], now.hex() + "00", now.hex()[:-1] + "x"):
                self.assertEqual(client.ask(f"G{values}"), "E22")
                self.assertEqual(client.register(A0), 0x1234)

    def test_registers_without_a_value(self) -> None:
        """r0 and orig_a0 are 0, and a client is told if it wants another value."""
        with self.connect() as client:
            for number in (R0, ORIG_A0):
                client.set_register(number, 0)
                self.assertEqual(client.ask(f"P{number:x}={'01' * 8}"), "E22")
                self.assertEqual(client.register(number), 0)
                now = bytearray.fromhex(client.ask("g"))
                now[number * 8] = 1
                self.assertEqual(client.ask(f"G{now.hex()}"), "E22")
                self.assertEqual(client.register(number), 0)

    def test_badv(self) -> None:
        """It is CSR.BADV."""
        code = struct.pack("<I", 0x04001c04)        # csrrd $a0, BADV
        with self.connect() as client:
            client.set_register(BADV, 0x9000000012345678)
            self.assertEqual(client.register(BADV), 0x9000000012345678)
            self.assertEqual(client.ask(f"M{START:x},{len(code):x}:{code.hex()}"), "OK")
            client.set_register(PC, START)
            self.assertEqual(client.ask("s")[:3], "T05")
            self.assertEqual(client.register(A0), 0x9000000012345678)

    def test_errors_in_words(self) -> None:
        """A text where the client takes one, a number where it does not."""
        failing = {
            "p200": "E14", "P200=00": "E22", f"P{A0:x}=00": "E22",
            f"P{R0:x}={'01' * 8}": "E22", f"P{LBT_SCR0:x}={'00' * 8}": "E22",
            f"P{A0:x}": "E22", "G00": "E22", "G": "E22", f"m{NOWHERE:x},4": "E14",
            f"M{NOWHERE:x},1:00": "E14", "m0,1000": "E22", "M0,2:00": "E22",
            f"z0,{START:x},4": "E22", f"Z2,{START:x},0": "E22", "Z0,0": "E22"}
        with self.connect() as client:
            supported = client.ask("qSupported:multiprocess+;error-message+;swbreak+")
            self.assertIn("PacketSize", supported)
            texts = {}
            for packet in failing:
                texts[packet] = client.ask(packet)
                self.assertRegex(texts[packet], r"^E\.[a-zA-Z][^#$*}]{10,70}$", packet)
            self.assertNotEqual(texts["p200"], texts[f"m{NOWHERE:x},4"])
            self.assertEqual(client.ask(f"Z9,{START:x},4"), "",
                             "not supported is no error")
        with self.connect() as client:
            client.ask("qSupported:multiprocess+")
            for packet, number in failing.items():
                self.assertEqual(client.ask(packet), number, packet)

    def go(self) -> None:
        """Let the machine run, at the loop, without a client."""
        with self.connect() as client:
            self.set_loop(client)
            self.assertEqual(client.ask("D"), "OK")
        self.vm.event_wait("RESUME", timeout=10.0)
        self.vm.get_qmp_events()

    def test_connection_that_says_nothing(self) -> None:
        """Whoever connects and is no debugger does not stop the machine."""
        self.go()
        for text in (b"", b"+", b"\x03", b"\x03\0\0\x13\x0e\xe0",
                     b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01",
                     b"$g#00", b"$" + b"g" * 5000):
            with self.connect() as stranger:
                stranger.socket.sendall(text)
                self.nudge(stranger)
                self.assertEqual(self.status(), "running", text)
            with self.connect() as stranger:
                self.nudge(stranger)            # the one before has been closed
                self.assertEqual(self.status(), "running", text)
        self.assertIsNone(self.vm.get_qmp_event())
        self.assert_counting()

    def test_first_packet_stops(self) -> None:
        """It is answered at once, and interrupts and packets are as ever then."""
        for first in (b"", b"+", b"\x03+"):
            self.go()
            with self.connect() as client:
                client.socket.sendall(first)
                self.assertEqual(client.ask("qC"), "QC01")
                self.assertEqual(self.status(), "paused")
                self.vm.event_wait("STOP", timeout=10.0)
                self.assertEqual(client.ask("?"), "T05thread:01;")
                client.send("vCont;c")
                self.vm.event_wait("RESUME", timeout=10.0)
                self.assertEqual(client.interrupt(), "T02thread:01;")
                self.vm.event_wait("STOP", timeout=10.0)
                self.assertEqual(client.ask("D"), "OK")
            self.vm.event_wait("RESUME", timeout=10.0)

    def test_first_packet_of_a_stopped_machine(self) -> None:
        """Nothing has to stop; it stays before its first instruction."""
        with self.connect() as client:
            self.nudge(client)
            self.assertEqual(client.ask("?"), "T05thread:01;")
            self.assertEqual(client.pc, 0x1c000000)
            self.assertEqual(self.status(), "prelaunch")

    def test_fcsr(self) -> None:
        """A write of fcsr is cut to what exists, and the rounding mode is used."""
        pc, f0, f1, f2, fcsr = 33, 35, 36, 37, 75
        code = struct.pack("<III",
                           0x0380040c,          # ori $t0, $zero, 1
                           0x0400082c,          # csrwr $t0, EUEN
                           0x01070402)          # fdiv.d $f2, $f0, $f1

        def put(number: int, value: bytes) -> None:
            self.assertEqual(client.ask(f"P{number:x}={value.hex()}"), "OK")

        with self.connect() as client:
            put(fcsr, b"\xff" * 4)
            self.assertEqual(client.ask(f"p{fcsr:x}"),
                             struct.pack("<I", 0x1f1f031f).hex())
            self.assertEqual(client.ask(f"M200000,{len(code):x}:{code.hex()}"), "OK")
            put(f0, struct.pack("<d", 1))
            put(f1, struct.pack("<d", 3))
            for mode, last in ((0, 5), (1, 5), (2, 6), (3, 5)):
                put(fcsr, struct.pack("<I", mode << 8))
                put(pc, struct.pack("<Q", 0x200000))
                for _ in range(len(code) // 4):
                    self.assertEqual(client.ask("s")[:3], "T05")
                quotient = struct.unpack("<Q", bytes.fromhex(client.ask(f"p{f2:x}")))
                self.assertEqual(quotient, (0x3fd5555555555550 + last,), f"mode {mode}")


class StopOfEach(StubTest):
    """A stop reply is of one CPU; why have the others stopped?"""

    cpus = 2

    def info(self, client: Packets, cpu: int) -> str:
        return client.ask(f"qThreadStopInfo{cpu:x}")

    def test_one_has_come_to_something(self) -> None:
        """A breakpoint, a watchpoint or the end of a step; the other stands still."""
        with self.connect() as client:
            self.set_loop(client, self.cpus)
            for cpu, other in ((1, 2), (2, 1)):
                for point, action in ((f"0,{STORE:x},4", "c"), (f"2,{COUNTER:x},10", "c"),
                                      (f"0,{START:x},4", "s")):
                    self.assertEqual(client.ask("Z" + point), "OK")
                    stop = client.ask(f"vCont;{action}:{cpu}")
                    self.assertRegex(stop, f"^T05thread:0{cpu};")
                    self.assertEqual(self.info(client, cpu), f"T05thread:0{cpu};")
                    self.assertEqual(self.info(client, other), f"T00thread:0{other};")
                    self.assertEqual(client.ask("z" + point), "OK")
            self.assertEqual(self.info(client, 9), "E22")

    def test_interrupted(self) -> None:
        """The one that the stop reply names, and the other for nothing."""
        with self.connect() as client:
            self.set_loop(client, self.cpus)
            client.send("vCont;c")
            self.assert_counting(0)
            stop = client.interrupt()
            self.assertRegex(stop, "^T02thread:0[12];$")
            cpu = int(stop[10:12])
            self.assertEqual(self.info(client, cpu), stop)
            self.assertEqual(self.info(client, 3 - cpu), f"T00thread:0{3 - cpu};")

    def test_both_at_once(self) -> None:
        """Who has come there, has the breakpoint under its pc."""
        with self.connect() as client:
            for _ in range(20):
                self.set_loop(client, self.cpus)
                self.assertEqual(client.ask(f"Z0,{STORE:x},4"), "OK")
                stop = client.ask("vCont;c")
                self.assertEqual(self.info(client, int(stop[10:12])), stop)
                for cpu in (1, 2):
                    if self.info(client, cpu) == f"T05thread:0{cpu};":
                        self.assertEqual(client.ask(f"Hg{cpu}"), "OK")
                        self.assertEqual(client.pc, STORE)
                self.assertEqual(client.ask(f"z0,{STORE:x},4"), "OK")


class LostClient(StubTest):
    """A client whose connection ends without a word, as when it is killed."""

    cpus = 2

    def lose(self, client: Packets) -> None:
        """Close it, and wait until the stub knows."""
        client.socket.close()
        with self.connect() as stranger:
            self.nudge(stranger)

    def assert_all_counting(self) -> None:
        self.assertEqual(self.status(), "running")
        for cpu in range(self.cpus):
            self.assert_counting(cpu)

    def assert_nothing_at_start(self) -> None:
        """The other client's breakpoint there has gone, on all CPUs."""
        with self.connect() as client:
            for cpu in range(self.cpus):
                self.assertEqual(client.ask(f"Hg{cpu + 1:x}"), "OK")
                client.set_register(PC, START)
            client.send("vCont;c")
            self.vm.event_wait("RESUME", timeout=10.0)
            self.assert_all_counting()

    def test_while_the_machine_runs(self) -> None:
        """It runs on, past the breakpoints, on all CPUs."""
        with self.connect() as client:
            self.set_loop(client, self.cpus)
            self.assertEqual(client.ask(f"Z0,{START:x},4"), "OK")
            client.send("vCont;c")
            self.vm.event_wait("RESUME", timeout=10.0)
            self.lose(client)
        self.assert_all_counting()
        self.assert_nothing_at_start()

    def test_with_a_hit_on_its_way(self) -> None:
        """Whether it is hit before the end of the connection is seen, or after."""
        for point in (f"Z0,{STORE:x},4", f"Z2,{COUNTER:x},8", f"Z2,{COUNTER + 8:x},8"):
            for _ in range(20):
                with self.connect() as client:
                    self.set_loop(client, self.cpus)
                    self.assertEqual(client.ask(point), "OK")
                    client.send("vCont;c")
                    self.lose(client)
                self.assert_all_counting()

    def test_with_a_hit_that_it_has_not_seen(self) -> None:
        """It has stopped, but the client does not know: it goes on."""
        for action in ("vCont;c", "vCont;s:1"):
            with self.connect() as client:
                self.set_loop(client, self.cpus)
                self.assertEqual(client.ask(f"Z0,{STORE:x},4"), "OK")
                # The first packet has stopped it as well: not that one is waited for.
                self.assertNotEqual(self.status(), "running")
                self.vm.get_qmp_events()
                client.send(action)
                self.vm.event_wait("STOP", timeout=10.0)
                self.vm.get_qmp_events()
                self.lose(client)
            self.vm.event_wait("RESUME", timeout=10.0)
            self.assert_all_counting()

    def test_while_one_cpu_runs(self) -> None:
        """The other one goes on, too."""
        with self.connect() as client:
            self.set_loop(client, self.cpus)
            client.send("vCont;c:1")
            self.vm.event_wait("RESUME", timeout=10.0)
            self.assert_counting(0)
            self.lose(client)
        self.assert_all_counting()

    def test_while_the_machine_is_stopped(self) -> None:
        """It has been told of the hit, or has interrupted: it stays stopped."""
        with self.connect() as client:
            self.set_loop(client, self.cpus)
            self.assertEqual(client.ask(f"Z0,{STORE:x},4"), "OK")
            stop = client.ask("vCont;c")
            self.assertRegex(stop, "^T05thread:0[12];$")
            self.assertEqual(client.pc, STORE)
            client.send("g")                    # whose answer it does not see
            self.lose(client)
        self.assertEqual(self.status(), "debug")
        with self.connect() as client:
            self.assertEqual(client.ask(f"Hg{stop[10:12]}"), "OK")
            self.assertEqual(client.pc, STORE)
            client.send("vCont;c")              # the breakpoint has gone
            self.assert_all_counting()
            self.vm.get_qmp_events()
            client.socket.sendall(b"\x03")
            self.vm.event_wait("STOP", timeout=10.0)
            self.lose(client)
        self.assertEqual(self.status(), "paused")

    def test_by_the_monitor(self) -> None:
        """The gdbserver command ends a connection, too."""
        with self.connect() as client:
            self.set_loop(client, self.cpus)
            self.assertEqual(client.ask(f"Z0,{START:x},4"), "OK")
            client.send("vCont;c")
            self.assert_all_counting()
            self.vm.cmd("human-monitor-command", command_line="gdbserver none")
            self.vm.cmd("human-monitor-command",
                        command_line=f"gdbserver unix:{self.path},server=on,wait=off")
        self.assert_nothing_at_start()


if __name__ == "__main__":
    QemuSystemTest.main()
