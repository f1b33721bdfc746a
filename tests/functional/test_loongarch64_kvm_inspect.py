#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking into the emulated KVM host from outside, while its guest runs.

The emulator's own gdbstub, monitor and trace see both worlds of LVZ.  What they
say is held against what the guest, the host and real gdb know.  Only for the
lab: on LoongArch hardware there is no emulator to ask.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from pathlib import Path

from qemu_test.gdbmi import Gdb
from qemu_test.kvmhost import KvmHostTest, kernel_trouble

CALL = "sys_sched_get_priority_max"
CALLS = 50
IN_KERNEL = 1 << 63
PHYSICAL = (1 << 48) - 1
SECOND_STAGE = {"refill", "1", "2", "3", "4"}
# In the order of a line of "info tlb": index gid asid g size address, two pages.
ENTRY = re.compile(r"^ *(\d+) +(\d+) +(\d+) ([G-]) +(\d+[KMG]) ([0-9a-f]{16})"
                   r"  ([0-9a-f]{12}) ([V-])[D-] plv\d mat\d .. .. .{4}"
                   r"  ([0-9a-f]{12}) ([V-])[D-] plv\d mat\d .. .. .{4}$", re.MULTILINE)
UNIT = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def tlb_lookup(table: str, address: int) -> set[int]:
    """Where the entries of one table of "info tlb" map an address."""
    found = set()
    for row in ENTRY.finditer(table):
        size = int(row[5][:-1]) * UNIT[row[5][-1]]
        base = int(row[6], 16)
        if base <= address < base + 2 * size:
            page, valid = (row[9], row[10]) if address & size else (row[7], row[8])
            if valid == "V":
                found.add(int(page, 16) | address & (size - 1))
    return found


class Inspect(KvmHostTest):
    """One CPU, so that what is seen can be told in order."""

    host_smp = 1
    lab_only = True

    def attach(self) -> Gdb:
        """gdb on the emulator's stub: the machine stops."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = int(taken.getsockname()[1])
        self.host.monitor(f"gdbserver tcp:127.0.0.1:{port}")
        # After gdb has gone, whatever happened, the machine runs again.
        self.addCleanup(self.host.monitor, "cont")
        self.addCleanup(self.host.monitor, "gdbserver none")
        gdb = self.gdb(self.symbols())
        gdb.run(f"target remote 127.0.0.1:{port}")
        return gdb

    def csrs(self, gdb: Gdb) -> tuple[str, dict[str, int], dict[str, int]]:
        """What runs, and both banks, as "info registers" has them."""
        text = gdb.run("monitor info registers")
        runs = re.search(r"LVZ: (\w+) runs, GID (\d+)", text)
        assert runs, text
        _, _, rest = text.partition(" Host CSRs:")
        host, _, guest = rest.partition(" Guest CSRs:")
        banks = []
        for bank in (host, guest):
            # The FPU's registers come after the last bank.
            rows = "\n".join(re.findall(r"(?m)^ CSR\d+:.*$", bank))
            banks.append({name: int(value, 16) for name, value in
                          re.findall(r" ([A-Z][A-Z0-9]+) +([0-9a-f]+)\b", rows)})
        return runs[1], banks[0], banks[1]

    def physical(self, gdb: Gdb, address: int) -> int:
        """Where in the emulated machine's memory an address of the running world is."""
        said = gdb.run(f"monitor gva2gpa 0x{address:x}")
        found = re.search(r"gpa: (0x\w+)", said)
        assert found, said
        words = [re.findall(r"0x(\w{8})\b", gdb.run(f"monitor {command}"))
                 for command in (f"x /4xw 0x{address:x}", f"xp /4xw {found[1]}")]
        self.assertEqual(len(words[0]), 4)
        self.assertEqual(*words)
        return int(found[1], 16)

    def test_debug(self) -> None:
        """gdb, info registers, info tlb, x and gva2gpa in the guest and in the host."""
        program = self.compile("loongarch64-kvm/calls.c")
        guest = self.guest(initrd=self.initrd_with(program))
        guest.wait_ready()
        gdb = self.attach()
        for number, command in enumerate(("break", "hbreak")):
            gdb.run(f"{command} *{CALL}")
            if number == 0:
                gdb.resume()
                guest.console.type(f"calls priority 1 {CALLS}")
                stop = gdb.wait_stop()
            else:
                stop = gdb.go()
            self.assertEqual(stop["reason"], "breakpoint-hit")
            self.assertEqual(gdb.evaluate("$pc"), gdb.evaluate(f"(long) &{CALL}"))
            runs, host, bank = self.csrs(gdb)
            self.assertEqual(runs, "guest")
            if number == 0:
                gdb.run("delete")
        # Where an interrupt has come between the call and here, GCSR.ERA is its.
        while bank["ERA"] & IN_KERNEL:
            self.assertEqual(gdb.go()["reason"], "breakpoint-hit")
            runs, host, bank = self.csrs(gdb)
        gdb.run("delete")

        self.check_registers(gdb, host, bank)
        kernel = gdb.evaluate(f"(long) &{CALL}")
        # Both kernels lie at the same guest physical address.
        self.assertNotEqual(self.physical(gdb, kernel), kernel & PHYSICAL)
        self.check_memory(gdb, program, bank["ERA"])
        gdb.resume()
        guest.console.wait(f"calls: {CALLS} in all, good")
        self.assertEqual(guest.power_off(), 0)
        self.assertEqual(kernel_trouble(guest.console.text), [])

        gdb.interrupt()
        runs, _, _ = self.csrs(gdb)
        self.assertEqual(runs, "host")
        self.assertEqual(self.physical(gdb, kernel), kernel & PHYSICAL)
        gdb.run("detach")
        self.assertEqual(self.host_warnings(), [])

    def check_registers(self, gdb: Gdb, host: dict[str, int],
                        guest: dict[str, int]) -> None:
        """Each bank is its kernel's."""
        self.assertEqual(host["EENTRY"], gdb.evaluate("(long) &kvm_exc_entry"))
        self.assertNotEqual(guest["EENTRY"], host["EENTRY"])
        self.assertEqual(host["GSTAT"] & 1, 1)
        self.assertNotEqual(host["GSTAT"] >> 16 & 0xff, 0)
        self.assertEqual(guest["CRMD"] & 3, 0)
        self.assertNotIn("GSTAT", guest)
        self.assertNotIn("MERRCTL", guest)
        # One kernel in both: what it set once at its start is the same.
        self.assertEqual(guest["STLBPS"], host["STLBPS"])

    def check_memory(self, gdb: Gdb, program: str, address: int) -> None:
        """The guest's user program, at its system call, is read through both stages."""
        text = bytes(gdb.evaluate(f"*(unsigned char *) 0x{address + i:x}")
                     for i in range(16))
        self.assertIn(text, Path(program).read_bytes())
        physical = self.physical(gdb, address)
        tables = gdb.run("monitor info tlb").replace("\r", "")
        parts = re.split(r"(?m)^(?:Host|Guests): .*$", tables)[1:]
        self.assertEqual(len(parts), 3, tables)
        for part in parts:
            rows, counted = len(ENTRY.findall(part)), re.search(r"(\d+) entries", part)
            assert counted
            self.assertEqual(rows, int(counted[1]), part)
            self.assertGreater(rows, 0)
        # Its own table's entry and the second stage's lead to the same place.
        second = [found for gpa in tlb_lookup(parts[1], address)
                  for found in tlb_lookup(parts[2], gpa)]
        self.assertIn(physical & ~0xfff, [found & ~0xfff for found in second])
        self.assertEqual({row[2] for row in ENTRY.finditer(parts[0])}, {"0"})
        self.assertNotIn("0", {row[2] for part in parts[1:]
                               for row in ENTRY.finditer(part)})

    def test_trace(self) -> None:
        """The trace of a guest's whole life adds up."""
        path = Path(self.scratch_file("trace"))
        self.host.monitor(f"logfile {path}")
        self.host.monitor("trace-event lvz_* on")
        guest = self.guest()
        guest.wait_ready()
        self.assertEqual(guest.power_off(), 0)
        self.host.monitor("trace-event lvz_* off")
        text = path.read_text(encoding="utf-8")
        # The KVM host and its timer go on; switched off the trace is silent.
        self.host.run("true", check=True)
        self.assertEqual(path.read_text(encoding="utf-8"), text)
        self.check_log()
        events = [line.split(" ", 1) for line in text.splitlines()
                  if line.startswith("lvz_")]
        self.check_trace(events)

    def check_log(self) -> None:
        """-d int tells the worlds apart."""
        path = Path(self.scratch_file("log"))
        guest = self.guest()
        guest.wait_ready()
        self.host.monitor(f"logfile {path}")
        self.host.monitor("log int")
        guest.console.command("true")
        self.host.monitor("log none")
        self.assertEqual(guest.power_off(), 0)
        lines = [line for line in path.read_text(encoding="utf-8").splitlines()
                 if "do_interrupt" in line]
        marks = Counter(re.findall(r"\[[a-z ]+\]", "\n".join(lines)))
        self.assertEqual(marks.total(), len(lines))
        self.assertEqual(set(marks), {"[host]", "[guest]", "[guest to host]"})
        # Only a guest makes system calls in a guest; only a hypervisor sees GSPR.
        for line in lines:
            if "Guest Sensitive" in line:
                self.assertIn("[guest to host]", line)
            if "Syscall" in line:
                self.assertNotIn("[guest to host]", line)

    def check_trace(self, events: list[list[str]]) -> None:
        names = Counter(name for name, _ in events)
        self.log.info("%s", dict(names))
        for name in ("lvz_enter", "lvz_exit", "lvz_gintc", "lvz_guest_interrupt",
                     "lvz_timer_expire", "lvz_gpa_fault", "lvz_invtlb", "lvz_flush"):
            self.assertGreater(names[name], 0, name)
        # Enter and exit take turns; each second-stage fault makes its exit.
        inside, fault, vip, expired = False, "", 0, True
        causes: Counter[str] = Counter()
        for name, rest in events:
            if name == "lvz_enter":
                self.assertFalse(inside, rest)
                self.assertNotIn("gid 0 ", rest)
                inside = True
            elif name == "lvz_exit":
                self.assertTrue(inside, rest)
                inside = False
                ecode, cause, gpa = re.search(r"ecode (\d+) \((.*?)\) .* gpa (\w+)$",
                                              rest).groups()  # type: ignore[union-attr]
                cause = cause if cause == "refill" else ecode
                causes[cause] += 1
                self.assertEqual(cause in SECOND_STAGE, bool(fault), rest)
                if fault:
                    self.assertIn(f"gpa {gpa} ", fault)
                fault = ""
            elif name == "lvz_gpa_fault":
                self.assertEqual((inside, fault), (True, ""), rest)
                fault = rest
            elif name == "lvz_gintc":
                vip = int(rest.split()[-1], 16) & 0xff
            elif name == "lvz_timer_expire":
                expired = True
            elif name == "lvz_gestat_write":
                expired |= bool(int(rest.split()[-1], 16) >> 11 & 1)
            elif name == "lvz_guest_interrupt":
                self.assertTrue(inside, rest)
                lines = int(rest.split()[-1], 16)
                self.assertEqual((lines >> 2 & 0xff) & ~vip, 0, rest)
                if lines >> 11 & 1:
                    self.assertTrue(expired, rest)
        self.assertFalse(inside)
        self.assertEqual(causes["refill"],
                         sum(rest.endswith("by refill") for name, rest in events
                             if name == "lvz_enter"))
        # KVM's: interrupts, CPUCFG and IOCSR and idle, page faults.
        for cause in ("0", "22", "refill", "3"):
            self.assertGreater(causes[cause], 0, cause)
        self.assertEqual(names["lvz_invtlb"],
                         sum(rest.endswith(": invtlb") for name, rest in events
                             if name == "lvz_flush"))


if __name__ == "__main__":
    KvmHostTest.main()
