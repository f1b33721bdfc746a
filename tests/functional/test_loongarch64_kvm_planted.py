#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A planted word is in a guest's memory only while the guest runs for its client.

One guest under load with some two hundred breakpoints, in its kernel and in a
process, and everything that can happen to a guest meanwhile.  After each event
its kernel's text is, word by word, what it was before the first client came, no
planted word is anywhere in its memory, and the breakpoints that should still
work do.

QEMU_TEST_KVM_ROUNDS says how often each event comes (default: 1); where there
are several ways, each is gone once at least.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from qemu_test.kvmhost import LENT_PORT, Guest, KvmHostTest, kernel_trouble, lab_module
from qemu_test.kvmstress import migrate
from qemu_test.planted import CALLED, CALLED_AT_BOOT, LOAD, MARK, MEMORY, PHYSICAL, \
    START, TIMEOUT, Kernel, Memory, Session

ROUNDS = int(os.environ.get("QEMU_TEST_KVM_ROUNDS", "1"))
MIB = 1 << 20
T0 = 12
# In a guest's initramfs, for itself.
KERNEL = "boot/vmlinux"
# In machine_kexec() Linux takes its last CPU offline and only then disables
# interrupts: one that wakes a task in between finds no CPU for it.
FALLBACK_BUG = "kernel BUG at kernel/sched/core.c"
NEW_KERNEL = "Linux version "
# What of the kernel is called when a vCPU comes and goes.
HOT_PLUG = ("acpi_", "xfrm_")


class KvmPlanted(KvmHostTest):
    """One guest for all events; each leaves it as it was, or starts it anew."""

    host_smp = 2
    host_options = {"memory": "3G", "firmware": True}
    kernel: Kernel
    program = ""
    initrd = ""
    wanted = ""
    cold: list[int] = []
    # The guest of the class, with its memory, and its process; is it well?
    shared: Guest | None = None
    sound = False
    memory: Memory
    pid = ""
    mark = 0

    @classmethod
    def tearDownClass(cls) -> None:
        if cls.shared:
            cls.shared.close()
            cls.memory.close()
        cls.shared = None

    def setUp(self) -> None:
        super().setUp()
        cls = type(self)
        # What there is only in the lab is left out elsewhere.
        self.local = lab_module("kvmhost").is_local()
        if not cls.program:
            self.prepare()
        if cls.shared and not cls.sound:
            # What a test has left behind would be the next one's failure.
            cls.tearDownClass()
        if not cls.shared:
            self.boot(Memory(self.host, cls.program, "/dev/shm/guest", cls.kernel))
        cls.sound = False

    def prepare(self) -> None:
        """Programs, and an initramfs with them, modules and a kernel."""
        cls = type(self)
        programs = [self.compile(f"loongarch64-kvm/{name}.c")
                    for name in ("planted", "stress", "kexec")]
        cls.program, stress = (self.host.put(program) for program in programs[:2])
        cls.kernel = Kernel(self.host.run("cat /proc/kallsyms", check=True).stdout)
        cls.wanted = self.host.run(stress + LOAD.removeprefix("stress"),
                                   check=True).stdout.strip()
        self.assertIn("stress: ", cls.wanted)
        cls.initrd = "/tmp/planted.cpio"
        made = self.initrd_with(*programs)
        modules = "" if self.local else "cp -r /lib/modules lib && "
        self.host.run("mkdir -p /tmp/more/boot /tmp/more/lib && "
                      f"cd /tmp/more && {modules}"
                      f"cp {self.host.kernel} {KERNEL} && (cat {made}; "
                      f"find boot lib | cpio -o -H newc) >{cls.initrd}; rm -r /tmp/more",
                      check=True)

    def machine(self, memory: Memory, **options: Any) -> dict[str, Any]:
        """How all guests here are started."""
        more = options.pop("options", ())
        return {"smp": 2, "memory": f"{MEMORY // MIB}M", "initrd": self.initrd,
                # To the console what is a warning, or worse.
                "append": "loglevel=5", "options": [*memory.options(), *more], **options}

    def boot(self, memory: Memory, but: Sequence[str] = (), **options: Any) -> None:
        """The first boot, which tells which cold functions are called all the same."""
        cls = type(self)
        guest = self.guest(stub=True, paused=True, **self.machine(memory, **options))
        guest.qmp("set-action", reboot="reset")
        cls.cold = self.kernel.cold(*but)
        with Session(guest) as session:
            # Firmware brings the kernel later.
            session.insert(1, self.kernel.inside(CALLED_AT_BOOT), *self.cold)
            session.go()
            for at in session.pass_until(self.kernel.inside(CALLED_AT_BOOT), forget=True):
                self.cold.remove(at)
            self.assertGreater(len(self.cold), 100)
            session.detach()
        guest.wait_ready(TIMEOUT)
        # It is the class's, not the test's.
        self._cleanups = [each for each in self._cleanups if each[0] != guest.close]
        cls.shared, cls.memory = guest, memory
        self.start_load(guest)
        memory.keep()
        self.check_clean()

    def start_load(self, guest: Guest) -> None:
        """A process to stop in, and work for both vCPUs."""
        cls = type(self)
        guest.console.type(f"planted wait & (while :; do {LOAD}; done) >/tmp/load 2>&1 & "
                           "(while :; do cat /proc/*/stat /bin/busybox; done) "
                           ">/dev/null 2>&1 &")
        cls.mark = int(guest.console.wait(r"planted: mark at (0x\w+)\n", TIMEOUT)[1], 16)
        cls.pid = guest.console.command("pidof planted", TIMEOUT)

    @property
    def box(self) -> Guest:
        """The guest."""
        assert self.shared
        return self.shared

    def arm(self) -> Session:
        """A client with everything set, and the guest running."""
        guest = self.box
        session = Session(guest)
        self.addCleanup(session.socket.close)
        mark = self.kernel.inside(MARK)
        session.insert(0, mark)
        guest.console.type(f"kill -USR2 {self.pid}")
        session.go()
        self.assertEqual(session.stopped(), mark)
        # Now its process is there.
        session.insert(0, self.mark)
        session.remove(0, mark)
        session.insert(0, self.kernel.inside(CALLED_AT_BOOT), *self.cold[::2])
        session.insert(1, self.kernel.inside(CALLED), *self.cold[1::2])
        session.go()
        guest.wait_running()
        return session

    def check_clean(self) -> None:
        """Nothing of ours is in the memory, and nothing of the guest's is lost."""
        self.assertEqual(self.memory.planted(), [], "planted words are left")
        self.assertEqual([hex(at) for at in self.memory.differences()], [])

    def check_hits(self, session: Session, process: bool = True, where: str = "") -> None:
        """The guest runs, and comes to each kind of breakpoint that there is."""
        guest = self.box
        places = [(f"{where}hostname guest", self.kernel.inside(CALLED_AT_BOOT)),
                  (f"{where}sync", self.kernel.inside(CALLED))]
        if process:
            places.append((f"kill -USR1 {self.pid}", self.mark))
        for command, at in places:
            guest.console.type(command)
            self.assertEqual(hex(session.stopped()), hex(at), command)
            session.past()
        guest.wait_running()

    def check_unharmed(self, *excused: str) -> None:
        """The guest is well, and so is what ran in it all the time."""
        guest = self.box
        self.wait_load()
        said = guest.console.text
        for part in excused:
            said = said.replace(part, "")
        self.assertEqual(kernel_trouble(said), [])
        self.assertEqual(guest.console.command("sort -u /tmp/load", TIMEOUT), self.wanted)
        type(self).sound = True

    def wait_load(self) -> None:
        """Until the load has come round once more."""
        self.box.console.command("f=$(wc -l </tmp/load); "
                                 "while [ $(wc -l </tmp/load) -lt $((f + 1)) ]; "
                                 "do :; done",
                                 TIMEOUT)

    def test_detach(self) -> None:
        """The client detaches, from a guest that it has interrupted or from a hit."""
        for number in range(max(ROUNDS, 2)):
            session = self.arm()
            self.check_hits(session)
            if number % 2:
                session.interrupt()
            else:
                self.box.console.type("sync")
                session.stopped()
            self.check_clean()
            session.detach()
            self.check_clean()
        self.check_unharmed()

    def test_killed(self) -> None:
        """gdb is killed while the guest runs (D18)."""
        guest = self.box
        for _ in range(ROUNDS):
            gdb = self.gdb()
            gdb.run("set architecture Loongarch64")
            gdb.run(f"target remote {guest.stub}")
            for at in (self.kernel.inside(CALLED), *self.cold):
                gdb.run(f"break *{at:#x}")
            guest.console.type("sync")
            gdb.go()
            gdb.resume()
            # First gdb has it step, with one word.
            self.wait_planted(len(self.cold))
            gdb.close()
            self.wait_gone()
            self.check_clean()
        self.check_unharmed()

    def wait_planted(self, count: int) -> None:
        """Until so many words are there, or more."""
        deadline = time.monotonic() + TIMEOUT
        while len(self.memory.planted()) < count:
            self.assertLess(time.monotonic(), deadline, "they are not planted")

    def wait_gone(self) -> None:
        """Until the stub has noticed that its client is no more."""
        while not any(each["label"] == "gdb" and
                      each["filename"].startswith("disconnected:")
                      for each in self.box.qmp("query-chardev")):
            pass
        self.assertTrue(self.box.qmp("query-status")["running"])

    def test_cut(self) -> None:
        """The connection is cut while the guest runs, or at a hit."""
        for _ in range(ROUNDS):
            session = self.arm()
            self.check_hits(session)
            self.assertNotEqual(self.memory.planted(), [])
            # What is on its way is dropped, no goodbye is said.
            session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
            session.socket.close()
            self.wait_gone()
            self.check_clean()
        self.check_unharmed()

    def test_reset(self) -> None:
        """The machine is reset, running or stopped, or reboots; the kernel comes (D5)."""
        guest = self.box
        ways = ("running", "by the guest", "stopped")
        for number in range(max(ROUNDS, len(ways))):
            way = ways[number % len(ways)]
            session = self.arm()
            if way == "by the guest":
                guest.console.type("reboot -nf")
            else:
                if way == "stopped":
                    session.interrupt()
                guest.qmp("system_reset")
            guest.wait_event(lambda e: e["event"] == "RESET", TIMEOUT)
            if way == "stopped":
                # Its kernel has not been there yet to patch itself.
                self.assertEqual(self.memory.planted(), [])
                session.go()
            self.check_booted(session, way)
        self.check_unharmed()

    def check_booted(self, session: Session, way: str) -> None:
        """Another kernel comes up, and to the breakpoints of the one before."""
        guest = self.box
        self.assertEqual(hex(session.stopped()),
                         hex(self.kernel.inside(CALLED_AT_BOOT)), way)
        session.past()
        guest.wait_ready(TIMEOUT)
        self.start_load(guest)
        # No process outlives it.
        self.check_hits(session, process=False)
        session.interrupt()
        self.check_clean()
        session.detach()
        self.check_clean()

    def test_no_kernel_yet(self) -> None:
        """No word is where a vCPU without a kernel is said to have its exceptions."""
        memory = Memory(self.host, self.program, "/dev/shm/early", self.kernel)
        self.addCleanup(memory.close)
        guest = self.guest(stub=True, paused=True, port=LENT_PORT, **self.machine(memory))
        first = self.kernel.symbols[CALLED]
        start = self.kernel.inside(START)
        with Session(guest) as session:
            # QEMU's code for it sets EENTRY from there.
            self.assertEqual(session.ask("Hg2"), "OK")
            session.set_register(T0, first)
            # Of what is at a physical address anything may be a user's.
            self.assertEqual(session.ask("Qqemu.PhyMemMode:1"), "OK")
            session.insert(0, self.cold[0] & PHYSICAL)
            self.assertEqual(session.ask("Qqemu.PhyMemMode:0"), "OK")
            session.insert(1, start)
            session.go()
            self.assertEqual(session.stopped(), start)
            _, state = guest.qmp("human-monitor-command",
                                 command_line="info registers -a").split("CPU#1")
            self.assertRegex(state, rf"EENTRY +{first:x}\b")
            session.past()
            guest.wait_ready(TIMEOUT)
            session.interrupt()
            session.detach()
        # It looks at the first words of its functions.
        self.assertEqual(kernel_trouble(guest.console.text), [])
        self.check_unharmed()

    def test_kexec(self) -> None:
        """The kernel puts another one in its place, of which nobody outside knows."""
        guest = self.box
        excused: list[str] = []
        for _ in range(ROUNDS):
            guest.console.command("cd /; find . -xdev | cpio -o -H newc >/tmp/initrd "
                                  "2>/dev/null",
                                  TIMEOUT)
            session = self.arm()
            session.interrupt()
            # One that is looked after while the guest runs.
            session.insert(1, self.kernel.inside(CALLED_AT_BOOT))
            session.go()
            before = len(guest.console.text)
            guest.console.type(f'kexec /{KERNEL} /tmp/initrd '
                               '"$(sed "s/^kexec //" /proc/cmdline)"')
            self.check_booted(session, "kexec")
            said = guest.console.text[before:]
            if FALLBACK_BUG in said:
                # Then it has been reset.
                excused.append(said[:said.index(NEW_KERNEL)])
            self.check_unharmed(*excused)

    def test_hot_plug(self) -> None:
        """A vCPU comes and goes while the guest runs: that takes firmware (D6)."""
        cls = type(self)
        if self.local:
            self.skipTest("the firmware is the lab's")
        cls.tearDownClass()
        memory = Memory(self.host, self.program, "/dev/shm/plugged", self.kernel,
                        "plugged")
        # With random numbers from its firmware, for which it would patch itself later.
        self.boot(memory, HOT_PLUG, options=[
            "-bios", "/lab/QEMU_EFI.fd", "-smp", "2,maxcpus=3",
            "-device", "virtio-rng-pci"])
        guest = self.box
        cpu2 = "/sys/devices/system/cpu/cpu2"
        for _ in range(ROUNDS):
            session = self.arm()
            guest.add_vcpu()
            guest.console.command(f"while [ ! -e {cpu2} ]; do :; done; "
                                  f"echo 1 >{cpu2}/online; "
                                  f"taskset -p 4 {self.pid}", TIMEOUT)
            self.check_hits(session, where="taskset 4 ")
            self.assertEqual(session.thread, "03")
            session.interrupt()
            self.check_clean()
            session.go()
            guest.console.command(f"taskset -p 7 {self.pid}; echo 0 >{cpu2}/online",
                                  TIMEOUT)
            guest.qmp("device_del", id="new")
            guest.wait_event(lambda e: e["event"] == "DEVICE_DELETED", TIMEOUT)
            self.check_hits(session)
            session.interrupt()
            self.check_clean()
            session.detach()
            self.check_clean()
        self.check_unharmed()
        # The next test has one without firmware again.
        cls.tearDownClass()

    def test_snapshot(self) -> None:
        """A snapshot is taken while the guest runs, and loaded while it runs (D4)."""
        guest = self.box
        with guest.snapshots() as place:
            for _ in range(ROUNDS):
                session = self.arm()
                guest.job("snapshot-save", **place)
                self.check_hits(session)
                guest.job("snapshot-load", **place)
                self.check_hits(session)
                session.interrupt()
                self.check_clean()
                session.detach()
                # Without a client there is nobody to take away what it might have.
                guest.qmp("stop")
                guest.job("snapshot-load", **place)
                self.check_clean()
                guest.qmp("cont")
                guest.job("snapshot-delete", tag=place["tag"], devices=place["devices"])
        self.check_unharmed()

    def test_dump(self) -> None:
        """Memory is dumped while the guest runs, or saved while it is stopped (D4)."""
        guest, path = self.box, "/tmp/dump"
        self.addCleanup(self.host.run, f"rm -f {path}")
        first, end = self.kernel.text
        for _ in range(ROUNDS):
            session = self.arm()
            self.assertNotEqual(self.memory.planted(), [])
            guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{path}",
                      timeout=TIMEOUT)
            self.assertEqual(self.memory.planted(path), [])
            self.assertEqual(
                self.memory.differences(path=path, offset=self.load_offset(path)), [])
            self.check_hits(session)
            session.interrupt()
            guest.qmp("pmemsave", val=0, size=end, filename=path, timeout=TIMEOUT)
            self.assertEqual(self.memory.planted(path), [])
            self.assertEqual(self.memory.differences(path=path), [])
            self.check_clean()
            session.detach()
        self.check_unharmed()

    def load_offset(self, path: str) -> int:
        """Where in a dump physical address 0 is."""
        header = self.host.run_bytes(["head", "-c", "4096", path]).stdout
        (phoff,) = struct.unpack_from("<Q", header, 32)
        (phnum,) = struct.unpack_from("<H", header, 56)
        for number in range(phnum):
            kind, _, offset, _, physical = struct.unpack_from("<IIQQQ", header,
                                                              phoff + 56 * number)
            if kind == 1 and physical == 0:
                return int(offset)
        raise AssertionError("no PT_LOAD of the memory from 0 on")

    def test_migration_cancelled(self) -> None:
        """The guest was to be migrated and stays."""
        guest = self.box
        guest.qmp("migrate-set-capabilities",
                  capabilities=[{"capability": "events", "state": True}])
        for _ in range(ROUNDS):
            session = self.arm()
            guest.qmp("migrate-set-parameters", max_bandwidth=MIB)
            guest.qmp("migrate", uri="exec:cat >/dev/null")
            guest.wait_event(lambda e: e["event"] == "MIGRATION"
                             and e["data"]["status"] == "active", TIMEOUT)
            self.check_hits(session)
            guest.qmp("migrate_cancel")
            guest.wait_event(lambda e: e["event"] == "MIGRATION"
                             and e["data"]["status"] == "cancelled", TIMEOUT)
            self.check_hits(session)
            session.interrupt()
            self.check_clean()
            session.detach()
            self.check_clean()
        self.check_unharmed()

    def test_migration(self) -> None:
        """The guest goes to another QEMU, that has no client (D4)."""
        cls = type(self)
        for number in range(ROUNDS):
            source, session = self.box, self.arm()
            uri = "unix:/tmp/planted.sock"
            memory = Memory(self.host, self.program, f"/dev/shm/guest-{number % 2}",
                            self.kernel)
            target = self.guest(monitor=True,
                                **self.machine(memory, options=["-incoming", uri]))
            # It is the class's, not the test's.
            self._cleanups.pop()
            try:
                self.assertTrue(migrate(source, target, uri))
            except BaseException:
                target.close()
                raise
            self.check_clean()
            session.socket.close()
            source.close()
            cls.memory.close()
            cls.shared, cls.memory = target, memory
            target.wait_running()
            target.qmp("set-action", reboot="reset")
            self.check_clean()
            self.check_unharmed()
            target.listen()
            session = self.arm()
            self.check_hits(session)
            session.interrupt()
            self.check_clean()
            session.detach()

    def test_rewritten(self) -> None:
        """The guest rewrites its own text, where breakpoints are (D5)."""
        guest, called = self.box, self.kernel.inside(CALLED)
        switch = ("for i in task_delayacct sched_schedstats; "
                  "do echo {} >/proc/sys/kernel/$i; done")
        guest.console.command(switch.format(1))
        self.memory.keep("on")
        sites = [at | 0x9000 << 48 for at in self.memory.differences()]
        guest.console.command(switch.format(0))
        self.check_clean()
        shown = self.kernel.symbols["proc_sched_show_task"]
        (asked,) = [at for at in sites if shown <= at < shown + 0x200]
        for _ in range(ROUNDS):
            session = self.arm()
            session.interrupt()
            session.insert(0, *sites[::2])
            session.insert(1, *sites[1::2], asked)
            guest.console.type("sync")
            session.go()
            # Most of them the scheduler passes at every turn: those are out.
            session.pass_until(called, forget=True)
            for value, name in ((1, "on"), (0, "text")):
                guest.console.type(f"{switch.format(value)}; sync")
                session.past()
                session.pass_until(called, forget=True)
                self.assertEqual(self.memory.planted(), [])
                self.assertEqual(self.memory.differences(name), [])
                guest.console.type("cat /proc/self/sched >/dev/null; sync")
                session.past()
                self.assertIn(asked, session.pass_until(called, forget=True))
                session.insert(1, asked)
            self.check_clean()
            session.detach()
        self.check_unharmed()

    def test_module(self) -> None:
        """A module is unloaded, its memory given to others, and it is loaded again."""
        guest = self.box
        if self.local:
            self.skipTest("the modules are the lab's")
        load = "; ".join(f"insmod /lib/modules/{name}.ko" for name in
                         ("lz4hc_compress", "zlib_deflate", "zram"))
        unload = "rmmod zram; rmmod zlib_deflate; rmmod lz4hc_compress"
        fill = ("dd if=/dev/zero of=/tmp/fill bs=1M count=80 2>/dev/null; "
                "planted find /tmp/fill")

        def places() -> list[int]:
            return [int(guest.console.command(
                f"grep ' {name}\\>.*zram' /proc/kallsyms").split()[0], 16) + 8
                    for name in ("mm_stat_show", "io_stat_show")]

        for _ in range(ROUNDS):
            guest.console.command(load)
            shown = places()
            session = self.arm()
            session.interrupt()
            session.insert(1, shown[0])
            session.insert(0, shown[1])
            session.go()

            def check_module(*wanted: int) -> None:
                guest.console.type("cat /sys/block/zram0/mm_stat "
                                   "/sys/block/zram0/io_stat; "
                                   "echo module: re''ad")
                for at in wanted:
                    self.assertEqual(hex(session.stopped()), hex(at))
                    session.past()
                guest.console.wait("^module: read$", TIMEOUT)

            check_module(*shown)
            guest.console.command(unload)
            self.assertEqual(guest.console.command(fill, TIMEOUT), "0")
            session.interrupt()
            self.check_clean()
            session.go()
            self.assertEqual(
                guest.console.command("planted find /tmp/fill; rm /tmp/fill", TIMEOUT),
                "0")
            before = len(self.memory.planted())
            guest.console.command(load)
            self.assertEqual(places(), shown, "it has come elsewhere")
            # The first is found while the guest runs, the other when it goes on.
            self.wait_planted(before + 1)
            check_module(*shown)
            guest.console.command(unload)
            session.interrupt()
            self.check_clean()
            session.detach()
        self.check_unharmed()


if __name__ == '__main__':
    KvmPlanted.main()
