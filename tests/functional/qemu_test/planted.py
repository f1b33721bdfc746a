# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest under KVM whose memory is looked at from outside, and a client with breakpoints
in it.

The guest's memory is a file on its host, so what is in it can be told without
asking the QEMU under test.  It is compared with what was there before the first
client came.
"""

from __future__ import annotations

from typing import Any

from .kvmhost import Guest
from .rsp import Client

MEMORY = 384 << 20
PHYSICAL = (1 << 48) - 1
# Built into the kernel and not needed by a guest without firmware, buses and
# network; what is called all the same is found out at its boot.
COLD = ("acpi_", "ata_", "bpf_", "btf_", "crypto_", "drm_", "efi_", "fb_", "hid_", "i2c_",
        "ip6", "iommu_", "mmc_", "nf_", "nvme_", "of_", "pci_", "pcie_", "scsi_", "sata_",
        "tcp_", "udp_", "usb_", "virtio_", "xfrm_")
COLD_COUNT = 200
# Past what ftrace patches at the entry of a function.
INSIDE = 8
FUNCTION_SIZE = 64
START = "start_kernel"
# Called at the end of a guest's boot, and by "hostname" and "sync".
CALLED_AT_BOOT = "sys_sethostname"
CALLED = "sys_sync"
# By which a process can be found in the kernel.
MARK = "sys_sched_get_priority_max"
TIMEOUT = 120
LOAD = "stress 1 4 15"


class Kernel:
    """Where the functions of the kernel are, which is the same in host and guest."""

    def __init__(self, kallsyms: str) -> None:
        rows = [line.split() for line in kallsyms.splitlines() if "[" not in line]
        self.symbols = {row[2]: int(row[0], 16) for row in rows}
        self.text = (self.symbols["_stext"] & PHYSICAL, self.symbols["_etext"] & PHYSICAL)
        functions = sorted((int(row[0], 16), row[2]) for row in rows if row[1] in "tT")
        self._cold = [(at + INSIDE, name)
                      for (at, name), (after, _) in zip(functions, functions[1:])
                      if name.startswith(COLD) and after - at >= FUNCTION_SIZE
                      and at & PHYSICAL < self.text[1]]

    def inside(self, name: str) -> int:
        """An instruction of a function."""
        return self.symbols[name] + INSIDE

    def cold(self, *but: str) -> list[int]:
        """Instructions, spread over the kernel, that hardly anybody executes.

        but is how the names begin of functions that are called all the same.
        """
        cold = [at for at, name in self._cold if not name.startswith(but)]
        return cold[::max(1, len(cold) // COLD_COUNT)]


class Memory:
    """A guest's memory as a file on its host, and the program there that looks at it."""

    def __init__(self, host: Any, program: str, path: str, kernel: Kernel,
                 kept: str = "text") -> None:
        """kept is whose text it is compared with: those of one name have one."""
        self._host = host
        self._program = program
        self.path = path
        self._kernel = kernel
        self._kept = kept

    def options(self) -> list[str]:
        """QEMU's."""
        return ["-object",
                f"memory-backend-file,id=ram,size={MEMORY},mem-path={self.path},share=on",
                "-machine", "memory-backend=ram"]

    def ask(self, mode: str, *arguments: object) -> str:
        """One run of the program."""
        words = [self._program, mode, *(str(argument) for argument in arguments)]
        done = self._host.run(words, check=True)
        return str(done.stdout.strip())

    def _range(self) -> tuple[int, int]:
        first, end = self._kernel.text
        return first, end - first

    def keep(self, name: str = "") -> None:
        """Remember the kernel's text as it is now."""
        self.ask("keep", self.path, *self._range(), f"/tmp/kept.{name or self._kept}")

    def differences(self, name: str = "", path: str = "", offset: int = 0) -> list[int]:
        """Where the text is not as remembered: the first physical addresses.

        In another file, a dump, physical address 0 is at offset.
        """
        first, size = self._range()
        said = self.ask("differ", path or self.path, first + offset, size,
                        f"/tmp/kept.{name or self._kept}")
        return [int(word, 16) - offset for word in said.split()[1:]]

    def planted(self, path: str = "") -> list[str]:
        """Where hvcl 0x101 is, in all of the memory or in another file."""
        return self.ask("find", path or self.path).split()[1:]

    def close(self) -> None:
        self._host.run(f"rm -f {self.path}")


class Session(Client):
    """A client that has breakpoints and lets the guest run."""

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        self.socket.settimeout(TIMEOUT)
        self.thread = ""

    def insert(self, kind: int, *addresses: int) -> None:
        for at in addresses:
            if (reply := self.ask(f"Z{kind},{at:x},4")) != "OK":
                raise AssertionError(f"Z{kind} at {at:x}: {reply!r}")

    def remove(self, kind: int, *addresses: int) -> None:
        for at in addresses:
            if (reply := self.ask(f"z{kind},{at:x},4")) != "OK":
                raise AssertionError(f"z{kind} at {at:x}: {reply!r}")

    def go(self) -> None:
        self.send("vCont;c")

    def pass_until(self, wanted: int, forget: bool = False) -> list[int]:
        """Let the guest run until a place; give where else it has stopped before.

        Those breakpoints are removed, or passed.
        """
        others = []
        while (at := self.stopped()) != wanted:
            others.append(at)
            if forget:
                self.remove(0, at)
                self.remove(1, at)
                self.go()
            else:
                self.past()
        return others

    def stopped(self) -> int:
        """Wait for a hit and say where it is."""
        reply = self.receive()
        if not reply.startswith("T05"):
            raise AssertionError(f"no breakpoint but {reply!r}")
        self.thread = reply.partition("thread:")[2].partition(";")[0]
        return self.pc

    def past(self) -> None:
        """From a breakpoint on: one step, as it stays set, then all run."""
        reply = self.ask(f"vCont;s:{self.thread}")
        if not reply.startswith("T05"):
            raise AssertionError(f"no step but {reply!r}")
        self.go()

    def detach(self) -> None:
        """The guest is stopped, and goes on without us."""
        if (reply := self.ask("D")) != "OK":
            raise AssertionError(f"detach: {reply!r}")
        self.socket.close()
