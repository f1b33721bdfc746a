#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with LVZ as QEMU's own debugger and statistics see it.

The machine runs a hypervisor of some thirty instructions and its guest, both put
together here, so that what is in memory, in the TLBs and in the page tables of
either stage is known to the word.  What a guest itself sees is tested by the
programs in tests/tcg/loongarch64/system.
"""

from __future__ import annotations

import re
import struct
import tempfile
import time
from pathlib import Path

from qemu_test import QemuSystemTest

HOST, EXITS = 0x200000, 0x201000        # host physical: the hypervisor
HOST_TABLES = 0x300000                  # its page tables for the guest
GUEST = 0x400000                        # where guest physical 0 is, in its TLB
OTHER = 0x510000                        # where GPA_OTHER is, in its tables only
GPA_OTHER, GPA_TABLES = 0x10000, 0x20000
DMW = 0x9000 << 48                      # the guest's direct map window
GVA = 0x40000000                        # mapped to GPA_OTHER by its tables
PAGE = 0x4000
RW = 0x193                              # V, D, cached, P, W
PWCL, PWCH = 14 | 11 << 5 | 25 << 10 | 11 << 15, 36 | 11 << 6

CSR = {"CRMD": 0x0, "PRMD": 0x1, "ERA": 0x6, "EENTRY": 0xc, "TLBIDX": 0x10,
       "TLBEHI": 0x11, "TLBELO0": 0x12, "TLBELO1": 0x13, "GTLBC": 0x15, "PGDL": 0x19,
       "PWCL": 0x1c, "PWCH": 0x1d, "GSTAT": 0x50, "DMW0": 0x180}
T0, S0 = 12, 23
TLBWR, ERTN, HVCL = 0x06483000, 0x06483800, 0x002b8000


def li(reg: int, value: int) -> list[int]:
    """lu12i.w, ori, lu32i.d, lu52i.d"""
    return [0x14000000 | (value >> 12 & 0xfffff) << 5 | reg,
            0x03800000 | (value & 0xfff) << 10 | reg << 5 | reg,
            0x16000000 | (value >> 32 & 0xfffff) << 5 | reg,
            0x03000000 | (value >> 52 & 0xfff) << 10 | reg << 5 | reg]


def csrwr(name: str, value: int, guest: bool = False) -> list[int]:
    """The host's CSR or with guest the guest's."""
    return li(T0, value) + [(0x05000020 if guest else 0x04000020) | CSR[name] << 10 | T0]


def csrrd(name: str) -> int:
    """Into $t0."""
    return 0x04000000 | CSR[name] << 10 | T0


def addi(reg: int, value: int) -> int:
    """addi.d reg, reg, value"""
    return 0x02c00000 | value << 10 | reg << 5 | reg


def branch(words: int) -> int:
    """b, that many instructions on."""
    return 0x50000000 | (words & 0xffff) << 10 | words >> 16 & 0x3ff


def hypervisor() -> list[int]:
    """Gives the guest its first pages by the TLB, the rest by tables, and enters it."""
    code: list[int] = []
    for name, value in (("GTLBC", 1 << 12 | 1 << 16), ("GSTAT", 1 << 16 | 2),
                        ("TLBIDX", 14 << 24 | 2048), ("TLBEHI", 0),
                        ("TLBELO0", GUEST | RW), ("TLBELO1", GUEST + PAGE | RW),
                        ("PWCL", PWCL), ("PWCH", PWCH), ("PGDL", HOST_TABLES),
                        ("EENTRY", EXITS), ("PRMD", 0), ("ERA", DMW)):
        code += csrwr(name, value)
    for name, value in (("DMW0", DMW | 0x11), ("CRMD", 0x10), ("PGDL", GPA_TABLES),
                        ("PWCL", PWCL), ("PWCH", PWCH)):
        code += csrwr(name, value, guest=True)
    return code + [TLBWR, ERTN]


AT_EXIT = [csrrd("ERA"), addi(T0, 4), 0x04000020 | CSR["ERA"] << 10 | T0, ERTN]


class Memory:
    """What the machine's memory is to start with."""

    def __init__(self) -> None:
        self.image = bytearray(0x400000)        # from HOST on

    def put(self, at: int, *values: int, size: str = "Q") -> None:
        """Numbers from a host physical address on."""
        data = struct.pack(f"<{len(values)}{size}", *values)
        self.image[at - HOST:at - HOST + len(data)] = data

    def tables(self, root: int, base: int, address: int, leaf: int) -> None:
        """Three levels from root on, whose own addresses count from base."""
        for shift, table in ((36, root), (25, root + PAGE), (14, root + 2 * PAGE)):
            last = shift == 14
            self.put(table + 8 * (address >> shift & 0x7ff),
                     leaf if last else table + PAGE - base)


class LVZDebug(QemuSystemTest):
    """The TCG QEMU for LoongArch, with a guest in its guest."""

    timeout = 60

    def start(self, host: list[int], guest: list[int]) -> None:
        """Both running."""
        memory = Memory()
        memory.put(HOST, *host, size="I")
        memory.put(EXITS, *AT_EXIT, size="I")
        memory.put(GUEST, *guest, size="I")
        memory.put(GUEST + 0x100, 0x1111)
        memory.put(OTHER + 0x100, 0x2222)
        memory.tables(HOST_TABLES, 0, GPA_OTHER, OTHER | RW)
        for n in range(3):
            at = GPA_TABLES + n * PAGE
            memory.put(HOST_TABLES + 2 * PAGE + 8 * (at // PAGE), 0x500000 + at | RW)
        memory.tables(0x500000 + GPA_TABLES, 0x500000, GVA, GPA_OTHER | RW)
        with tempfile.NamedTemporaryFile() as file:
            file.write(memory.image)
            file.flush()
            self.set_machine("virt")
            self.vm.add_args("-cpu", "max,lvz=on", "-nic", "none", "-display", "none",
                             "-device", f"loader,file={file.name},addr={HOST:#x},"
                             "force-raw=on",
                             "-device", f"loader,addr={HOST:#x},cpu-num=0")
            self.vm.launch()

    def hmp(self, command: str) -> str:
        """What the human monitor answers."""
        return self.vm.cmd("human-monitor-command", command_line=command)

    def word(self, address: int) -> int:
        """A word of memory at a virtual address, as the stopped CPU has it."""
        return int(self.hmp(f"x/1gx {address:#x}").split(":")[1], 16)

    def wait(self, pattern: str, command: str = "info registers") -> re.Match[str]:
        """Until a command's answer has it."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if found := re.search(pattern, self.hmp(command)):
                return found
        raise AssertionError(f"no {pattern!r} in {self.hmp(command)}")

    def rounds(self) -> int:
        """What the guest, or the host, has counted in $s0."""
        return int(self.wait(r"\br23 ([0-9a-f]{16})").group(1), 16)

    def flushes(self) -> tuple[int, int]:
        """Full flushes of the softmmu, and flushes of single indexes."""
        full = self.wait(r"TLB full flushes +(\d+)", "info jit")
        part = self.wait(r"TLB partial flushes +(\d+)", "info jit")
        return int(full.group(1)), int(part.group(1))

    def measure(self, least: int) -> tuple[int, int, int]:
        """Rounds, full and partial flushes while at least so many rounds go by."""
        self.wait(r"\br23 0*[1-9a-f]")          # it is under way
        before, (full, part) = self.rounds(), self.flushes()
        end = time.monotonic() + 40
        while self.rounds() - before < least and time.monotonic() < end:
            time.sleep(0.01)
        after = self.flushes()
        return self.rounds() - before, after[0] - full, after[1] - part

    def test_debugger_translates_twice(self) -> None:
        """A guest's address leads through both stages, TLB or not."""
        self.start(hypervisor(), [branch(0)])
        self.wait(r"LVZ: guest runs, GID 1\b")
        self.vm.cmd("stop")
        self.assertRegex(self.hmp("info registers"), r"PC=9000000000000000")
        self.assertEqual(self.word(DMW | 0x100), 0x1111, "through the TLB")
        self.assertEqual(self.word(DMW | GPA_OTHER | 0x100), 0x2222, "the host's tables")
        self.assertEqual(self.word(GVA | 0x100), 0x2222, "the tables of both")
        self.assertIn("Cannot access memory", self.hmp(f"x/1gx {DMW | 0x800000:#x}"))
        self.assertIn("Cannot access memory", self.hmp(f"x/1gx {GVA + (1 << 36):#x}"))

    def test_who_runs(self) -> None:
        """info registers names the world, in the host, too."""
        self.start([branch(0)], [0])
        self.wait(r"LVZ: host runs, GID 0\b")

    def test_exits_flush_nothing(self) -> None:
        """Neither leaving a guest nor entering it costs a translation."""
        self.start(hypervisor(), [addi(S0, 1), HVCL, branch(-2)])
        rounds, full, part = self.measure(20000)
        self.assertGreaterEqual(rounds, 20000)
        self.assertLess(full + part, rounds / 100)

    def test_gid_change_keeps_the_host(self) -> None:
        """A new GSTAT.GID takes the guests' translations only."""
        host = li(T0 + 1, 3 << 16) + csrwr("GSTAT", 1 << 16) + [
            addi(S0, 1), csrrd("GSTAT"),
            0x00158000 | T0 + 1 << 10 | T0 << 5 | T0,           # xor t0, t0, t1
            0x04000020 | CSR["GSTAT"] << 10 | T0, branch(-4)]
        self.start(host, [0])
        rounds, full, _ = self.measure(20000)
        self.assertGreaterEqual(rounds, 20000)
        self.assertLess(full, rounds / 100)


if __name__ == "__main__":
    QemuSystemTest.main()
