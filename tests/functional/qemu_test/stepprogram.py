# SPDX-License-Identifier: GPL-2.0-or-later
"""Bare-metal LoongArch programs that are made up to be stepped through.

A program sets up a machine of its own, whatever the one before it left: direct
map windows, a page table, handlers of exceptions; then come blocks of every
kind of instruction that goes somewhere, and in the end it stays where it is.
Whatever it reads is its own doing, so that it runs the same everywhere: no
time, no identity of the CPU, no interrupt.

A seed makes the same program each time.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from . import loongarch_words as w
from .loongarch_words import Assembler, Label

PHYSICAL = 0x08000000
WINDOW = 0x9000 << 48           # direct map, PLV0
WINDOW_ANY = 0xa000 << 48       # direct map, PLV0 and PLV3
MAPPED = 0x40000000             # by the page table, 2 MiB
VECTORS = 0x10000               # offsets from PHYSICAL
HANDLER = 0x14000
REFILL = 0x16000
DATA = 0x20000
DATA_SIZE = 0x4000
TABLES = 0x40000                # one page each: dir2, dir1, page table
END = 0x43000
PAGE = 0x1000

CSR = {"crmd": 0, "prmd": 1, "euen": 2, "ecfg": 4, "estat": 5, "era": 6,
       "badv": 7, "eentry": 0xc, "asid": 0x18, "pgdl": 0x19, "pgd": 0x1b,
       "pwcl": 0x1c, "pwch": 0x1d, "stlbps": 0x1e, "save0": 0x30,
       "tlbrentry": 0x88, "tlbrera": 0x8a, "tlbrsave": 0x8b,
       "tlbrehi": 0x8e, "tlbrprmd": 0x8f, "dmw0": 0x180, "dmw1": 0x181,
       "dmw2": 0x182, "dmw3": 0x183}
SAVE_A, SAVE_B = 0x36, 0x37     # the handler's
CRMD_IE, CRMD_DA, CRMD_PG = 1 << 2, 1 << 3, 1 << 4
PTE = 1 << 8 | 1 << 7 | 1 << 4 | 3 << 2         # W, P, cached, PLV3
PTE_V, PTE_D = 1, 2

# Registers with a part to play; the pool is what blocks compute with.
RA, BACK, CALL_DATA, PAGE_DATA, LEAVE = 1, 20, 2, 3, 21
COUNT, TEMP, TEMP2 = 23, 30, 31
PC = 33
POOL = tuple(range(4, 20))


@dataclass
class Program:
    """A program in memory, and what stepping it has to know."""

    seed: int
    image: dict[int, bytes] = field(default_factory=dict)       # by offset
    # Branches to themselves, and the register that the client changes in the end:
    # it clears a general one, and moves pc on.
    self_loops: dict[int, int] = field(default_factory=dict)    # by offset
    end: int = 0                # offset of where it stays

    def word(self, address: int) -> int:
        """The instruction that was put at an address, however it is reached."""
        offset = self.offset(address)
        for start, data in self.image.items():
            if start <= offset < start + len(data):
                return int(struct.unpack_from("<I", data, offset - start)[0])
        return 0

    @staticmethod
    def offset(address: int) -> int:
        """From PHYSICAL, whichever way the address is mapped; -1: none of ours."""
        if MAPPED <= address < MAPPED + END:
            return address - MAPPED
        offset = (address & (1 << 48) - 1) - PHYSICAL
        return offset if 0 <= offset < END else -1

    def in_handler(self, address: int) -> bool:
        return VECTORS <= self.offset(address) < DATA


class Maker:
    """Makes one program."""

    def __init__(self, seed: int, blocks: int | None, plv: int) -> None:
        """Without a number of blocks: each kind once, in order."""
        self.plv = plv
        self.random = random.Random(seed)
        self.program = Program(seed)
        self.asm = Assembler(WINDOW + PHYSICAL)
        self.functions: list[Label] = []
        self.vs = self.random.choice((0, 1, 2, 3))
        # At addresses of the page table, as a program is.
        self.user = False
        self.blocks = blocks

    def build(self) -> Program:
        self._prologue()
        kinds: list[Callable[[], None]] = [
            self.alu, self.alu, self.memory, self.memory, self.branches, self.loop,
            self.call, self.indirect, self.fp, self.fp_branch, self.atomic,
            self.ll_sc, self.ll_leave, self.self_loop, self.self_jirl, self.self_call,
            self.trap, self.csr, self.crmd, self.ertn_refill, self.ertn_same,
            self.patch, self.patch_next, self.mapped, self.user_stretch, self.undefined,
            self.fp_off]
        if self.blocks is None:
            for kind in kinds:
                kind()
        else:
            for _ in range(self.blocks):
                self.random.choice(kinds)()
        self.program.end = self.asm.here - WINDOW - PHYSICAL
        self.asm.add(w.jump(0))
        for number, label in enumerate(self.functions):
            self._function(label, number)
        text = self.asm.bytes()
        if len(text) > VECTORS:
            raise ValueError("the program is too long")
        self.program.image = {0: text, VECTORS: self._vectors(),
                              HANDLER: self._handler(), REFILL: self._refill(),
                              DATA: self.random.randbytes(DATA_SIZE),
                              TABLES: self._tables()}
        return self.program

    # What every program has.

    def _prologue(self) -> None:
        asm = self.asm
        there = Label()
        # Without translation the upper bits do not matter: be in the window
        # before it is all that there is.
        asm.load_address(TEMP, there)
        asm.add(w.jirl(0, TEMP))
        asm.place(there)

        def csr(name: str, value: int) -> None:
            asm.add(*w.load_value(TEMP, value), w.csrwr(TEMP, CSR[name]))

        csr("dmw0", WINDOW | 1 << 4 | 1)
        csr("dmw1", WINDOW_ANY | 1 << 4 | 1 << 3 | 1)
        csr("dmw2", 0)
        csr("dmw3", 0)
        csr("eentry", WINDOW + PHYSICAL + VECTORS)
        csr("tlbrentry", PHYSICAL + REFILL)
        csr("ecfg", self.vs << 16)
        csr("pwcl", 12 | 9 << 5 | 21 << 10 | 9 << 15 | 30 << 20 | 9 << 25)
        csr("pwch", 0)
        csr("stlbps", 12)
        # What it was depends on when the TLB lost a page: do not see it.
        asm.add(w.csrwr(0, CSR["tlbrehi"]))
        csr("tlbrehi", 12)
        csr("asid", 0)
        csr("pgdl", PHYSICAL + TABLES)
        csr("euen", 1)
        asm.add(w.csrwr(0, CSR["tlbrera"]))
        csr("prmd", 0)
        csr("era", 0)
        csr("badv", 0)
        for number in range(8):
            asm.add(*w.load_value(TEMP, self.random.getrandbits(64)),
                    w.csrwr(TEMP, CSR["save0"] + number))
        asm.add(w.invtlb(0))
        csr("crmd", CRMD_PG | CRMD_IE * self.random.randrange(2) |
            1 << 5 | 1 << 7)
        for register in POOL:
            asm.add(*w.load_value(register, self.random.getrandbits(64)))
        asm.add(*w.load_value(CALL_DATA, WINDOW_ANY + PHYSICAL + DATA),
                *w.load_value(PAGE_DATA, MAPPED + DATA))
        for register in range(32):
            asm.add(w.movgr2fr(register, self.pool()))

    def _vectors(self) -> bytes:
        asm = Assembler(WINDOW + PHYSICAL + VECTORS)
        apart = 4 << self.vs if self.vs else 4
        for ecode in range(64 if self.vs else 1):
            handler = WINDOW + PHYSICAL + HANDLER - asm.here
            asm.add(w.jump(handler))
            asm.align(apart)
        return asm.bytes()

    def _handler(self) -> bytes:
        """Of every exception: mend it, or go on behind the instruction."""
        asm = Assembler(WINDOW + PHYSICAL + HANDLER)
        a, b = 4, 5
        trap, page, fp, advance, out = (Label() for _ in range(5))
        asm.add(w.csrwr(a, SAVE_A), w.csrwr(b, SAVE_B),
                w.csrrd(a, CSR["estat"]), w.pick(a, a, 21, 16))
        for ecode, where in ((0xb, trap), (0xc, trap), (1, page), (2, page),
                             (3, page), (4, page), (0xf, fp)):
            asm.add(w.alu_imm("ori", b, 0, ecode))
            asm.to(where, lambda offset: w.branch2("beq", a, b, offset))
        asm.place(advance)
        asm.add(w.csrrd(b, CSR["era"]), w.alu_imm("addi.d", b, b, 4),
                w.csrwr(b, CSR["era"]))
        asm.place(out)
        asm.add(w.csrrd(a, SAVE_A), w.csrrd(b, SAVE_B), w.ERTN)

        # The program asks for PLV0 by a register.
        asm.place(trap)
        asm.to(advance, lambda offset: w.branch1("beqz", LEAVE, offset))
        asm.add(w.alu_imm("ori", b, 0, 3), w.csrxchg(0, b, CSR["prmd"]))
        asm.to(advance, w.jump)

        asm.place(fp)
        asm.add(w.alu_imm("ori", b, 0, 1), w.csrwr(b, CSR["euen"]))
        asm.to(out, w.jump)

        # Make the page valid and writable.
        asm.place(page)
        asm.add(w.csrrd(a, CSR["badv"]), w.pick(a, a, 20, 12),
                w.shift("slli.d", a, a, 3),
                *w.load_value(b, WINDOW + PHYSICAL + TABLES + 2 * PAGE),
                w.alu3("add.d", b, b, a), w.memory("ld.d", a, b, 0),
                w.alu_imm("ori", a, a, PTE_V | PTE_D),
                w.memory("st.d", a, b, 0), w.invtlb(0))
        asm.to(out, w.jump)
        return asm.bytes()

    def _refill(self) -> bytes:
        asm = Assembler(PHYSICAL + REFILL)
        t = 4
        asm.add(w.csrwr(t, CSR["tlbrsave"]), w.csrrd(t, CSR["pgd"]),
                w.lddir(t, t, 2), w.lddir(t, t, 1), w.ldpte(t, 0), w.ldpte(t, 1),
                w.TLBFILL, w.csrrd(t, CSR["tlbrsave"]), w.ERTN)
        return asm.bytes()

    def _tables(self) -> bytes:
        """Pages of text and data are there, or only after their fault."""
        dir2, dir1, table = bytearray(PAGE), bytearray(PAGE), bytearray(PAGE)
        struct.pack_into("<Q", dir2, 8 * (MAPPED >> 30), PHYSICAL + TABLES + PAGE)
        struct.pack_into("<Q", dir1, 0, PHYSICAL + TABLES + 2 * PAGE)
        for number in range(END // PAGE):
            bits = PTE | self.random.choice((0, PTE_V, PTE_V | PTE_D))
            struct.pack_into("<Q", table, 8 * number,
                             PHYSICAL + number * PAGE | bits)
        return bytes(dir2 + dir1 + table)

    def _function(self, label: Label, number: int) -> None:
        self.asm.place(label)
        for _ in range(number % 4):
            self._one_alu()
        if number % 3 == 0:
            # Return through another register, with a link.
            self.asm.add(w.alu3("or", TEMP2, RA, 0), w.jirl(BACK, TEMP2))
        else:
            self.asm.add(w.jirl(0, RA))

    # Blocks.

    def pool(self) -> int:
        return self.random.choice(POOL)

    def _one_alu(self) -> None:
        r = self.random
        rd, rj, rk = self.pool(), self.pool(), r.choice((0, *POOL))
        self.asm.add(r.choice((
            lambda: w.alu3(r.choice(list(w.ALU3)), rd, rj, rk),
            lambda: w.alu2(r.choice(list(w.ALU2)), rd, rj),
            lambda: w.alu_imm(r.choice(list(w.ALU_SI12)), rd, rj,
                              r.randrange(-2048, 2048)),
            lambda: w.alu_imm(r.choice(list(w.ALU_UI12)), rd, rj, r.randrange(4096)),
            lambda: w.alu_si20(r.choice(list(w.ALU_SI20)), rd,
                               r.randrange(-1 << 19, 1 << 19)),
            lambda: w.shift(r.choice(list(w.SHIFT)), rd, rj, r.randrange(64)),
            lambda: w.pick(rd, rj, r.randrange(32, 64), r.randrange(32), r.random() < .5),
        ))())

    def alu(self) -> None:
        for _ in range(self.random.randrange(1, 5)):
            self._one_alu()

    def _one_memory(self, base: int) -> None:
        r = self.random
        kind = r.randrange(4)
        if kind == 0:
            name = r.choice(list(w.LOAD))
            self.asm.add(w.memory(name, self.pool(), base, r.randrange(2000)))
        elif kind == 1:
            name = r.choice(list(w.STORE))
            self.asm.add(w.memory(name, self.pool(), base, r.randrange(2000)))
        elif kind == 2:
            name = r.choice(("ldptr.w", "stptr.w", "ldptr.d", "stptr.d"))
            self.asm.add(w.pointer(name, self.pool(), base, 4 * r.randrange(1000)))
        else:
            name = r.choice(list(w.INDEXED))
            self.asm.add(w.alu_imm("ori", TEMP, 0, r.randrange(4096)),
                         w.indexed(name, self.pool(), base, TEMP))

    def memory(self) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self._one_memory(CALL_DATA)

    def mapped(self) -> None:
        """Where the TLB, or the page table, may have nothing yet."""
        page = self.random.randrange(DATA_SIZE // PAGE - 1) * PAGE
        self.asm.add(w.alu_si20("lu12i.w", TEMP2, page >> 12),
                     w.alu3("add.d", TEMP2, TEMP2, PAGE_DATA))
        if self.random.random() < .2 and not self.user:
            self.asm.add(w.invtlb(0))
        for _ in range(2):
            self._one_memory(TEMP2)

    def branches(self) -> None:
        """One of every form, over a few instructions or none."""
        r = self.random
        names = [*w.BRANCH2, *w.BRANCH1, *w.BRANCHC, "b"]
        r.shuffle(names)
        for name in names:
            over = Label()
            rj, rd = self.pool(), r.choice((0, *POOL))
            if r.random() < .3:
                rd = rj
            if name in w.BRANCH2:
                self.asm.to(over, lambda o, n=name, j=rj, d=rd:  # type: ignore[misc]
                            w.branch2(n, j, d, o))
            elif name in w.BRANCH1:
                self.asm.to(over, lambda o, n=name, j=rd:  # type: ignore[misc]
                            w.branch1(n, j, o))
            elif name in w.BRANCHC:
                fcc = r.randrange(8)
                self.asm.to(over, lambda o, n=name, f=fcc:  # type: ignore[misc]
                            w.branchc(n, f, o))
            else:
                self.asm.to(over, w.jump)
            for _ in range(r.randrange(3)):
                self._one_alu()
            self.asm.place(over)

    def loop(self) -> None:
        asm = self.asm
        asm.add(w.alu_imm("ori", COUNT, 0, self.random.randrange(1, 9)))
        again = asm.label()
        self.alu()
        self._one_memory(CALL_DATA)
        asm.add(w.alu_imm("addi.d", COUNT, COUNT, -1))
        if self.random.random() < .5:
            asm.to(again, lambda offset: w.branch1("bnez", COUNT, offset))
        else:
            asm.to(again, lambda offset: w.branch2("blt", 0, COUNT, offset))

    def call(self) -> None:
        label = Label()
        self.functions.append(label)
        self.asm.to(label, lambda offset: w.jump(offset, link=True))

    def indirect(self) -> None:
        """Through a register that the link overwrites, or by an offset."""
        asm, label = self.asm, Label()
        offset = 4 * self.random.randrange(-100, 100)
        link, base = self.random.choice(((TEMP, TEMP), (0, TEMP), (BACK, TEMP)))
        if self.user:
            asm.add(w.alu_si20("pcaddi", TEMP, 2 - offset // 4))
        else:
            asm.load_address(TEMP, label, -offset)
        asm.add(w.jirl(link, base, offset))
        asm.place(label)
        self._one_alu()

    def fp(self) -> None:
        r = self.random
        for _ in range(r.randrange(1, 4)):
            fd, fj, fk = (r.randrange(32) for _ in range(3))
            self.asm.add(w.fp3(r.choice(list(w.FP3)), fd, fj, fk))
        self.asm.add(w.movfr2gr(self.pool(), fd))
        self.asm.add(w.movgr2fr(r.randrange(32), self.pool()))

    def fp_branch(self) -> None:
        r = self.random
        over, fcc = Label(), r.randrange(8)
        if r.random() < .5:
            self.asm.add(w.fcmp_d(r.choice((2, 4, 6, 8)), fcc,
                                  r.randrange(32), r.randrange(32)))
        else:
            self.asm.add(w.movgr2cf(fcc, self.pool()))
        name = r.choice(list(w.BRANCHC))
        self.asm.to(over, lambda offset: w.branchc(name, fcc, offset))
        self._one_alu()
        self.asm.place(over)
        self.asm.add(*(w.movcf2gr(self.pool(), number)
                       for number in (fcc, r.randrange(8))))

    def atomic(self) -> None:
        rd, rk = self.random.sample(POOL, 2)
        self.asm.add(w.alu_imm("addi.d", TEMP, CALL_DATA, 8 * self.random.randrange(100)),
                     w.atomic(self.random.choice(list(w.ATOMIC)), rd, rk, TEMP))

    def ll_sc(self) -> None:
        """The usual loop, which succeeds the first time."""
        asm, size = self.asm, self.random.choice("wd")
        base = self.random.choice((CALL_DATA, PAGE_DATA))
        offset = 8 * self.random.randrange(200)
        again = asm.label()
        asm.add(w.pointer(f"ll.{size}", TEMP, base, offset))
        for _ in range(self.random.randrange(1, 4)):
            asm.add(w.alu3(self.random.choice(("add.d", "xor", "and")),
                           TEMP, TEMP, self.pool()))
        asm.add(w.pointer(f"sc.{size}", TEMP, base, offset))
        asm.to(again, lambda offset: w.branch1("beqz", TEMP, offset))

    def ll_leave(self) -> None:
        """Compare and exchange: a branch in the middle may leave."""
        asm, out, again = self.asm, Label(), Label()
        offset = 8 * self.random.randrange(200)
        expected = self.random.choice((self.pool(), TEMP2))
        asm.add(w.memory("ld.d", TEMP2, CALL_DATA, offset))
        asm.place(again)
        asm.add(w.pointer("ll.d", TEMP, CALL_DATA, offset))
        asm.to(out, lambda offset: w.branch2("bne", TEMP, expected, offset))
        asm.add(w.alu3("or", TEMP, self.pool(), 0),
                w.pointer("sc.d", TEMP, CALL_DATA, offset))
        asm.to(again, lambda offset: w.branch1("beqz", TEMP, offset))
        asm.place(out)

    def self_loop(self) -> None:
        """Until the client puts an end to it."""
        register = self.pool()
        self.asm.add(w.alu_imm("ori", register, register, 1))
        self.program.self_loops[self.asm.here - WINDOW - PHYSICAL] = register
        self.asm.add(self.random.choice((
            w.branch1("bnez", register, 0), w.branch2("bne", register, 0, 0),
            w.branch2("bltu", 0, register, 0))))

    def self_jirl(self) -> None:
        """To itself, and by its own link behind itself the next time."""
        self.asm.add(w.alu_si20("pcaddi", TEMP, 1), w.jirl(TEMP, TEMP))

    def self_call(self) -> None:
        """bl to itself has a link, and stays until the client moves it on."""
        self.program.self_loops[self.asm.here - WINDOW - PHYSICAL] = PC
        self.asm.add(w.jump(0, link=True))

    def trap(self) -> None:
        code = self.random.choice((0, 1, 0x7fff))
        self.asm.add(w.alu3("or", LEAVE, 0, 0) if not self.user else w.NOP,
                     self.random.choice((w.syscall, w.brk))(code))

    def csr(self) -> None:
        """Those that have no effect until they are used."""
        r = self.random
        for _ in range(r.randrange(1, 4)):
            number = r.choice((*range(0x30, 0x36), CSR["era"]))
            rd, rj = self.pool(), self.pool()
            self.asm.add(r.choice((w.csrrd(rd, number), w.csrwr(rd, number),
                                   w.csrxchg(rd, rj, number))))

    def crmd(self) -> None:
        """Interrupts on or off, of which none is enabled."""
        r = self.random
        mask, value = self.random.sample(POOL, 2)
        self.asm.add(w.csrrd(self.pool(), CSR["crmd"]),
                     w.alu_imm("ori", mask, 0, r.choice((0, CRMD_IE))),
                     w.alu_imm("ori", value, 0, r.choice((0, CRMD_IE))),
                     w.csrxchg(value, mask, CSR["crmd"]),
                     w.csrrd(value, CSR["crmd"]),
                     w.alu_imm("xori", value, value, r.choice((0, CRMD_IE))),
                     w.csrwr(value, CSR["crmd"]),
                     w.csrrd(self.pool(), CSR["crmd"]),
                     w.csrrd(self.pool(), CSR["prmd"]))

    def _ertn(self, target: Label, era: str, prmd: str, mode: int, add: int) -> None:
        flag = 1 if era == "tlbrera" else 0
        self.asm.load_address(TEMP, target, add + flag)
        if flag:
            # As above.
            self.asm.add(w.csrwr(0, CSR[era]), w.csrwr(0, CSR[prmd]))
        self.asm.add(w.csrwr(TEMP, CSR[era]), w.alu_imm("ori", TEMP, 0, mode),
                     w.csrwr(TEMP, CSR[prmd]), w.ERTN)

    def ertn_same(self) -> None:
        """In the same mode, interrupts maybe on."""
        there = Label()
        self._ertn(there, "era", "prmd", self.random.choice((0, CRMD_IE)), 0)
        self._one_alu()
        self.asm.place(there)
        self.asm.add(w.csrrd(self.pool(), CSR["crmd"]))

    def ertn_refill(self) -> None:
        """As out of a TLB refill."""
        there = Label()
        self._ertn(there, "tlbrera", "tlbrprmd", self.random.choice((0, CRMD_IE)), 0)
        self._one_alu()
        self.asm.place(there)
        self.asm.add(w.csrrd(self.pool(), CSR["crmd"]),
                     w.csrrd(self.pool(), CSR["tlbrprmd"]))

    def user_stretch(self) -> None:
        """Out to mapped addresses, some blocks there, and back."""
        there = Label()
        self._ertn(there, "era", "prmd", self.plv | self.random.choice((0, CRMD_IE)),
                   MAPPED - WINDOW - PHYSICAL)
        self.asm.place(there)
        self.user = True
        self.asm.add(w.alu3("or", LEAVE, 0, 0))
        kinds = (self.alu, self.memory, self.mapped, self.branches, self.loop, self.call,
                 self.indirect, self.fp_branch, self.ll_sc, self.trap, self.privileged)
        for _ in range(self.random.randrange(2, 6)):
            self.random.choice(kinds)()
        if self.random.random() < .4:
            # So far ahead that it is in another page, maybe not yet there.
            over = Label()
            self.asm.to(over, w.jump)
            self.asm.align(PAGE)
            self.asm.place(over)
            self.asm.add(w.NOP)
        self.user = False
        back = Label()
        self.asm.add(w.alu_imm("ori", LEAVE, 0, 1), w.syscall(0),
                     w.alu3("or", LEAVE, 0, 0))
        self.asm.load_address(TEMP, back)
        self.asm.add(w.jirl(0, TEMP))
        self.asm.place(back)

    def privileged(self) -> None:
        """Not for PLV3, where the handler goes on behind it."""
        self.asm.add(w.csrrd(TEMP, CSR["crmd"]))

    def undefined(self) -> None:
        self.asm.add(w.UNDEFINED)

    def fp_off(self) -> None:
        """Switched off, it is switched on again by its exception."""
        self.asm.add(w.csrwr(0, CSR["euen"]) if self.random.random() < .5 else
                     w.csrrd(TEMP, CSR["euen"]))
        self.fp()

    def patch(self) -> None:
        """Code that is written shortly before it is run."""
        asm, place = self.asm, Label()
        asm.load_address(TEMP2, place)
        word = w.alu_imm("addi.d", self.pool(), self.pool(), 77)
        asm.add(*w.load_value(TEMP, word), w.memory("st.w", TEMP, TEMP2, 0), w.IBAR)
        self._one_alu()
        asm.place(place)
        asm.add(w.brk(1))


    def patch_next(self) -> None:
        """A store into the very next instruction, maybe at another address of it."""
        asm, place, r = self.asm, Label(), self.random
        word = w.alu_imm("addi.d", self.pool(), self.pool(), r.randrange(-2048, 2048))
        name, size = r.choice((("st.b", 1), ("st.h", 2), ("st.w", 4)))
        at = r.randrange(0, 4, size)
        mask = (1 << 8 * size) - 1 << 8 * at
        asm.load_address(TEMP2, place, r.choice((0, WINDOW_ANY - WINDOW)))
        asm.add(*w.load_value(TEMP, (word & mask) >> 8 * at),
                w.memory(name, TEMP, TEMP2, at))
        asm.place(place)
        asm.add(word & ~mask | w.brk(1) & mask)


def make_program(seed: int, blocks: int | None = 60, plv: int = 0) -> Program:
    """The program of a seed; without a number of blocks each kind is in it once.

    plv is the privilege level of what runs at mapped addresses.
    """
    return Maker(seed, blocks, plv).build()
