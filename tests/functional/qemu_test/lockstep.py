# SPDX-License-Identifier: GPL-2.0-or-later
"""Two machines that are stepped through one program, side by side.

One is under KVM, where a step is made of planted words; the other under TCG,
where it is a step of the emulator.  After each step of the first the other is
taken to the same place, and all general registers must agree.  The places in
between that only the second one reports are those that a step under KVM passes
by design: the inside of ll to sc, and the handlers of faults.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

from .rsp import Packets
from .stepprogram import DATA, DATA_SIZE, PHYSICAL, WINDOW, Program

PC, BADV = 33, 34
REGISTERS = 35
TIMEOUT = 20
MEMORY_PACKET = 1800
SELF_STEPS = 3
BETWEEN_MAX = 500       # steps of the other for one of the first
RETRIES_MAX = 50
JIRL = 0x13
LL, SC = (0x20, 0x22), (0x21, 0x23)
SEQUENCE_MAX = 16


class Difference(AssertionError):
    """The machines do not agree, or one has done what it must not."""


class SteppedStub(Packets):
    """A connection to a stub, for many steps: one round trip each."""

    def __init__(self, connection: socket.socket) -> None:
        """On a connection, which stays the caller's to close."""
        super().__init__(connection, TIMEOUT)
        self.steps = 0

    def command(self, text: str) -> None:
        answer = self.ask(text)
        if answer != "OK":
            raise Difference(f"{text[:40]}: {answer!r}")

    @staticmethod
    def _registers(answer: str) -> list[int]:
        return list(struct.unpack(f"<{REGISTERS}Q",
                                  bytes.fromhex(answer[:REGISTERS * 16])))

    def registers(self) -> list[int]:
        return self._registers(self.ask("g"))

    def start_step(self, thread: int = 1) -> None:
        # A packet is an acknowledgement of what came before it; nothing may
        # come while the machine runs, which would stop it.
        self.send(f"vCont;s:{thread:x}")
        self.steps += 1

    def finish_step(self) -> list[int]:
        stop = self.take()
        if not stop.startswith("T05"):
            raise Difference(f"a step ended with {stop!r}")
        return self.registers()

    def step(self, thread: int = 1) -> list[int]:
        self.start_step(thread)
        return self.finish_step()

    def write(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), MEMORY_PACKET):
            part = data[at:at + MEMORY_PACKET]
            self.command(f"M{address + at:x},{len(part):x}:{part.hex()}")

    def read(self, address: int, size: int) -> bytes:
        parts = []
        for at in range(0, size, MEMORY_PACKET):
            answer = self.ask(f"m{address + at:x},{min(MEMORY_PACKET, size - at):x}")
            parts.append(bytes.fromhex(answer))
        return b"".join(parts)


@dataclass
class Lockstep:
    """The two, and what has been seen of them."""

    kvm: SteppedStub
    tcg: SteppedStub
    started: bool = False
    steps: int = 0              # places where both agreed
    retries: int = 0            # sc that failed under KVM alone
    kinds: dict[int, int] = field(default_factory=dict)     # by bits 31:26
    # What both executed last, for a report.
    trail: list[int] = field(default_factory=list)

    def load(self, program: Program) -> None:
        """Put a program into both, registers cleared, at its first word."""
        # At the very start there is no translation yet.
        base = PHYSICAL + (WINDOW if self.started else 0)
        self.started = True
        for stub in (self.kvm, self.tcg):
            for offset, data in program.image.items():
                stub.write(base + offset, data)
            stub.command("G" + "00" * 8 * PC + base.to_bytes(8, "little").hex()
                         + "00" * 8)
        self.trail.clear()

    def run(self, program: Program, limit: int) -> None:
        """Step to the program's end, or as many steps as that."""
        now = self.kvm.registers()
        other = self.tcg.registers()
        self._compare(program, now, other)
        for _ in range(limit):
            pc = now[PC]
            offset = program.offset(pc)
            word = program.word(pc)
            self.trail = self.trail[-15:] + [pc]
            self.kinds[word >> 26] = self.kinds.get(word >> 26, 0) + 1
            self.kvm.start_step()
            other = self.tcg.step()
            try:
                now = self.kvm.finish_step()
            except TimeoutError:
                raise Difference(self._report(
                    program, f"a step at {pc:#x} never ends; "
                             f"TCG is at {other[PC]:#x}")) from None
            other = self._catch_up(program, pc, word, now[PC], other)
            if word >> 24 in LL:
                now = self._retry(program, pc, now, other)
            self._compare(program, now, other)
            self.steps += 1
            if offset == program.end:
                break
            if now[PC] == pc:
                self._leave(program, pc)
                now = self.kvm.registers()
        self._compare_memory(program)

    def _behind_sc(self, program: Program, pc: int) -> int:
        """Where the sequence of an ll ends."""
        for number in range(1, SEQUENCE_MAX):
            if program.word(pc + 4 * number) >> 24 in SC:
                return pc + 4 * number + 4
        raise Difference(f"{pc:#x}: an ll without sc")

    def _retry(self, program: Program, pc: int, now: list[int],
               other: list[int]) -> list[int]:
        """Under KVM the host may have taken the reservation; the loop comes round."""
        behind = self._behind_sc(program, pc)
        register = program.word(behind - 4) & 31
        for _ in range(RETRIES_MAX):
            if now[PC] != behind or now[register] or not other[register]:
                return now
            self.retries += 1
            now = self.kvm.step()
            if now[PC] != pc:
                raise Difference(f"{behind:#x}: sc has failed, "
                                 f"and its loop goes to {now[PC]:#x}")
            now = self.kvm.step()
        raise Difference(f"{pc:#x}: sc never succeeds")

    def _catch_up(self, program: Program, pc: int, word: int, goal: int,
                  other: list[int]) -> list[int]:
        """Take the one under TCG to where the other has come to."""
        last = self._behind_sc(program, pc) if word >> 24 in LL else pc + 4
        outside = not program.in_handler(pc)
        faulted = False
        for _ in range(BETWEEN_MAX):
            at = other[PC]
            if at == goal and not (faulted and at == pc):
                return other
            if outside and program.in_handler(at):
                faulted = True
            elif faulted and at == pc or pc < at < last:
                faulted = False
            elif word >> 24 in LL and at == pc:
                # Its sc has failed after a fault.
                pass
            else:
                break
            other = self.tcg.step()
        raise Difference(self._report(program, f"after {pc:#x} KVM is at {goal:#x}, "
                                               f"TCG at {other[PC]:#x}"))

    def _leave(self, program: Program, pc: int) -> None:
        """A branch to itself stays as often as it is stepped, until we end it."""
        if program.word(pc) >> 26 == JIRL:
            return              # its link takes it on
        register = program.self_loops.get(program.offset(pc))
        if register is None:
            raise Difference(self._report(program, f"it stays at {pc:#x}"))
        for _ in range(SELF_STEPS):
            self.kvm.start_step()
            self._compare(program, self.kvm.finish_step(), self.tcg.step())
            self.steps += 1
        for stub in (self.kvm, self.tcg):
            stub.set_register(register, pc + 4 if register == PC else 0)

    def _compare(self, program: Program, one: list[int], two: list[int]) -> None:
        if one != two:
            found = ", ".join(f"r{number}: {a:#x} and {b:#x}" for number, (a, b)
                              in enumerate(zip(one, two)) if a != b)
            raise Difference(self._report(program, f"KVM and TCG differ in {found}"))

    def _compare_memory(self, program: Program) -> None:
        for number in range(35, 76):
            one, two = (stub.ask(f"p{number:x}") for stub in (self.kvm, self.tcg))
            if one != two:
                raise Difference(self._report(program,
                                              f"register {number}: {one} and {two}"))
        at = WINDOW + PHYSICAL + DATA
        if self.kvm.read(at, DATA_SIZE) != self.tcg.read(at, DATA_SIZE):
            raise Difference(self._report(program, "KVM and TCG differ in memory"))

    def _report(self, program: Program, what: str) -> str:
        trail = "\n".join(f"  {pc:#018x}: {program.word(pc):08x}" for pc in self.trail)
        return f"seed {program.seed}, step {self.steps}: {what}; the way there:\n{trail}"
