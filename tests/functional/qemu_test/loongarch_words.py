# SPDX-License-Identifier: GPL-2.0-or-later
"""LoongArch instruction words for programs that tests make up.

Encodings are those of the LoongArch Reference Manual, volume 1.  It covers what
the generated programs need and checks that operands fit; it reads no text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

# Three registers: rd, rj, rk.
ALU3 = {
    "add.w": 0x00100000, "add.d": 0x00108000, "sub.w": 0x00110000,
    "sub.d": 0x00118000, "slt": 0x00120000, "sltu": 0x00128000,
    "maskeqz": 0x00130000, "masknez": 0x00138000, "nor": 0x00140000,
    "and": 0x00148000, "or": 0x00150000, "xor": 0x00158000,
    "orn": 0x00160000, "andn": 0x00168000, "sll.w": 0x00170000,
    "srl.w": 0x00178000, "sra.w": 0x00180000, "sll.d": 0x00188000,
    "srl.d": 0x00190000, "sra.d": 0x00198000, "rotr.w": 0x001b0000,
    "rotr.d": 0x001b8000, "mul.w": 0x001c0000, "mulh.w": 0x001c8000,
    "mulh.wu": 0x001d0000, "mul.d": 0x001d8000, "mulh.d": 0x001e0000,
    "mulh.du": 0x001e8000, "mulw.d.w": 0x001f0000, "mulw.d.wu": 0x001f8000,
    "crc.w.d.w": 0x00258000, "crcc.w.d.w": 0x00278000,
    "alsl.w": 0x00048000, "alsl.d": 0x002d0000, "bytepick.d": 0x000d0000,
}
# Two: rd, rj.
ALU2 = {
    "clo.w": 0x00001000, "clz.w": 0x00001400, "cto.w": 0x00001800,
    "ctz.w": 0x00001c00, "clo.d": 0x00002000, "clz.d": 0x00002400,
    "cto.d": 0x00002800, "ctz.d": 0x00002c00, "revb.2h": 0x00003000,
    "revb.4h": 0x00003400, "revb.2w": 0x00003800, "revb.d": 0x00003c00,
    "revh.d": 0x00004400, "bitrev.8b": 0x00004c00, "bitrev.d": 0x00005400,
    "ext.w.h": 0x00005800, "ext.w.b": 0x00005c00,
}
# Two and a 12-bit immediate, signed.
ALU_SI12 = {"slti": 0x02000000, "sltui": 0x02400000, "addi.w": 0x02800000,
            "addi.d": 0x02c00000, "lu52i.d": 0x03000000}
# The same, unsigned.
ALU_UI12 = {"andi": 0x03400000, "ori": 0x03800000, "xori": 0x03c00000}
# One and a 20-bit immediate.
ALU_SI20 = {"lu12i.w": 0x14000000, "lu32i.d": 0x16000000, "pcaddi": 0x18000000,
            "pcalau12i": 0x1a000000, "pcaddu12i": 0x1c000000,
            "pcaddu18i": 0x1e000000}
# Two and a shift amount of 6 bits.
SHIFT = {"slli.d": 0x00410000, "srli.d": 0x00450000, "srai.d": 0x00490000,
         "rotri.d": 0x004d0000}
# Size of the access, base; loads and stores with a 12-bit offset.
LOAD = {"ld.b": (1, 0x28000000), "ld.h": (2, 0x28400000),
        "ld.w": (4, 0x28800000), "ld.d": (8, 0x28c00000),
        "ld.bu": (1, 0x2a000000), "ld.hu": (2, 0x2a400000),
        "ld.wu": (4, 0x2a800000)}
STORE = {"st.b": (1, 0x29000000), "st.h": (2, 0x29400000),
         "st.w": (4, 0x29800000), "st.d": (8, 0x29c00000)}
# With an offset in a register.
INDEXED = {"ldx.b": (1, 0x38000000), "ldx.h": (2, 0x38040000),
           "ldx.w": (4, 0x38080000), "ldx.d": (8, 0x380c0000),
           "stx.b": (1, 0x38100000), "stx.h": (2, 0x38140000),
           "stx.w": (4, 0x38180000), "stx.d": (8, 0x381c0000)}
# With a 14-bit offset in words.
PTR = {"ll.w": 0x20000000, "sc.w": 0x21000000, "ll.d": 0x22000000,
       "sc.d": 0x23000000, "ldptr.w": 0x24000000, "stptr.w": 0x25000000,
       "ldptr.d": 0x26000000, "stptr.d": 0x27000000}
# rd, rk, rj; atomic, of 8 bytes.
ATOMIC = {"amswap.d": 0x38608000, "amadd.d": 0x38618000, "amand.d": 0x38628000,
          "amor.d": 0x38638000, "amxor.d": 0x38648000, "ammax.d": 0x38658000,
          "ammin.du": 0x38688000, "amswap_db.d": 0x38698000,
          "amadd_db.d": 0x386a8000}
# On one condition register of two operands.
BRANCH2 = {"beq": 0x58000000, "bne": 0x5c000000, "blt": 0x60000000,
           "bge": 0x64000000, "bltu": 0x68000000, "bgeu": 0x6c000000}
BRANCH1 = {"beqz": 0x40000000, "bnez": 0x44000000}
BRANCHC = {"bceqz": 0x48000000, "bcnez": 0x48000100}
FP3 = {"fadd.d": 0x01010000, "fsub.d": 0x01030000, "fmul.d": 0x01050000,
       "fdiv.d": 0x01070000, "fmax.d": 0x01090000, "fmin.d": 0x010b0000,
       "fadd.s": 0x01008000, "fmul.s": 0x01048000}

NOP = 0x03400000
ERTN = 0x06483800
IDLE = 0x06488000
IBAR = 0x38728000
DBAR = 0x38720000
TLBFILL = 0x06483400
UNDEFINED = 0x00000000          # no instruction


def _fit(value: int, bits: int, signed: bool = True) -> int:
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise ValueError(f"{value} does not fit into {bits} bits")
    return value & (1 << bits) - 1


def alu3(name: str, rd: int, rj: int, rk: int) -> int:
    return ALU3[name] | rk << 10 | rj << 5 | rd


def alu2(name: str, rd: int, rj: int) -> int:
    return ALU2[name] | rj << 5 | rd


def alu_imm(name: str, rd: int, rj: int, value: int) -> int:
    signed = name in ALU_SI12
    base = ALU_SI12[name] if signed else ALU_UI12[name]
    return base | _fit(value, 12, signed) << 10 | rj << 5 | rd


def alu_si20(name: str, rd: int, value: int) -> int:
    return ALU_SI20[name] | _fit(value, 20) << 5 | rd


def shift(name: str, rd: int, rj: int, amount: int) -> int:
    return SHIFT[name] | _fit(amount, 6, False) << 10 | rj << 5 | rd


def pick(rd: int, rj: int, high: int, low: int, insert: bool = False) -> int:
    """bstrpick.d or bstrins.d."""
    return (0x00800000 if insert else 0x00c00000) | high << 16 | low << 10 | rj << 5 | rd


def memory(name: str, rd: int, rj: int, offset: int) -> int:
    """A load or a store."""
    _, base = LOAD.get(name) or STORE[name]
    return base | _fit(offset, 12) << 10 | rj << 5 | rd


def indexed(name: str, rd: int, rj: int, rk: int) -> int:
    return INDEXED[name][1] | rk << 10 | rj << 5 | rd


def pointer(name: str, rd: int, rj: int, offset: int) -> int:
    """One of PTR, which ll and sc are among."""
    if offset & 3:
        raise ValueError(f"{offset} is no multiple of 4")
    return PTR[name] | _fit(offset >> 2, 14) << 10 | rj << 5 | rd


def atomic(name: str, rd: int, rk: int, rj: int) -> int:
    if rd in (rj, rk):
        raise ValueError(f"{name}: rd must not be another operand")
    return ATOMIC[name] | rk << 10 | rj << 5 | rd


def _words(offset: int, bits: int) -> int:
    if offset & 3:
        raise ValueError(f"{offset} is no multiple of 4")
    return _fit(offset >> 2, bits)


def branch2(name: str, rj: int, rd: int, offset: int) -> int:
    return BRANCH2[name] | _words(offset, 16) << 10 | rj << 5 | rd


def branch1(name: str, rj: int, offset: int) -> int:
    value = _words(offset, 21)
    return BRANCH1[name] | (value & 0xffff) << 10 | rj << 5 | value >> 16


def branchc(name: str, fcc: int, offset: int) -> int:
    value = _words(offset, 21)
    return BRANCHC[name] | (value & 0xffff) << 10 | fcc << 5 | value >> 16


def jump(offset: int, link: bool = False) -> int:
    """b or bl."""
    value = _words(offset, 26)
    return (0x54000000 if link else 0x50000000) | (value & 0xffff) << 10 | value >> 16


def jirl(rd: int, rj: int, offset: int = 0) -> int:
    return 0x4c000000 | _words(offset, 16) << 10 | rj << 5 | rd


def csrrd(rd: int, csr: int) -> int:
    return 0x04000000 | csr << 10 | rd


def csrwr(rd: int, csr: int) -> int:
    return 0x04000020 | csr << 10 | rd


def csrxchg(rd: int, rj: int, csr: int) -> int:
    if rj < 2:
        raise ValueError("csrxchg cannot have r0 or r1 as its mask")
    return 0x04000000 | csr << 10 | rj << 5 | rd


def iocsrrd_w(rd: int, rj: int) -> int:
    return 0x06480800 | rj << 5 | rd


def lddir(rd: int, rj: int, level: int) -> int:
    return 0x06400000 | level << 10 | rj << 5 | rd


def ldpte(rj: int, odd: int) -> int:
    return 0x06440000 | odd << 10 | rj << 5


def invtlb(op: int, rj: int = 0, rk: int = 0) -> int:
    return 0x06498000 | rk << 10 | rj << 5 | op


def brk(code: int) -> int:
    return 0x002a0000 | _fit(code, 15, False)


def syscall(code: int) -> int:
    return 0x002b0000 | _fit(code, 15, False)


def fp3(name: str, fd: int, fj: int, fk: int) -> int:
    return FP3[name] | fk << 10 | fj << 5 | fd


def fcmp_d(cond: int, fcc: int, fj: int, fk: int) -> int:
    return 0x0c200000 | cond << 15 | fk << 10 | fj << 5 | fcc


def movgr2fr(fd: int, rj: int) -> int:
    return 0x0114a800 | rj << 5 | fd


def movfr2gr(rd: int, fj: int) -> int:
    return 0x0114b800 | fj << 5 | rd


def movgr2cf(fcc: int, rj: int) -> int:
    return 0x0114d800 | rj << 5 | fcc


def movcf2gr(rd: int, fcc: int) -> int:
    return 0x0114dc00 | fcc << 5 | rd


def load_value(rd: int, value: int) -> list[int]:
    """Any 64-bit value, always in four words."""
    value &= (1 << 64) - 1

    def signed(low: int, bits: int) -> int:
        part = value >> low & (1 << bits) - 1
        return part - (1 << bits) if part >> bits - 1 else part

    return [alu_si20("lu12i.w", rd, signed(12, 20)),
            alu_imm("ori", rd, rd, value & 0xfff),
            alu_si20("lu32i.d", rd, signed(32, 20)),
            alu_imm("lu52i.d", rd, rd, signed(52, 12))]


class Label:
    """A place in a program that may come later."""

    at: int | None = None


class Assembler:
    """Words one after the other; offsets of branches are filled in at the end."""

    def __init__(self, base: int) -> None:
        self.base = base
        self._words: list[int] = []
        self._open: list[tuple[int, Label, Callable[[int], int]]] = []

    @property
    def here(self) -> int:
        """The address of the next word."""
        return self.base + 4 * len(self._words)

    def add(self, *words: int) -> None:
        self._words += words

    def place(self, label: Label) -> None:
        label.at = self.here

    def label(self) -> Label:
        """One that is here."""
        made = Label()
        self.place(made)
        return made

    def to(self, label: Label, make: Callable[[int], int]) -> None:
        """A word that needs the distance to a label."""
        self._open.append((len(self._words), label, make))
        self.add(0)

    def load_address(self, rd: int, label: Label, add: int = 0) -> None:
        """The label's address, plus add, in four words."""
        for part in range(4):
            at = self.here
            self.to(label, lambda offset, at=at,  # type: ignore[misc]
                    part=part: load_value(rd, at + offset + add)[part])

    def align(self, size: int) -> None:
        while self.here % size:
            self.add(NOP)

    def bytes(self) -> bytes:
        for number, label, make in self._open:
            if label.at is None:
                raise ValueError("a label was never placed")
            self._words[number] = make(label.at - (self.base + 4 * number))
        return struct.pack(f"<{len(self._words)}I", *self._words)
