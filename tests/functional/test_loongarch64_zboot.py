#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""-kernel without firmware: Linux images as they are, and wrapped as EFI zboot.

The kernels are made here: a header and bytes that can be told from each other.
None of them runs; what is looked at is where QEMU puts them and where the CPU
would start.  Files that are damaged, or that unpack to far more than they
should, must be refused in words.
"""

from __future__ import annotations

import gzip
import random
import struct
import subprocess
from pathlib import Path

from qemu_test import QemuSystemTest, skipIfMissingCommands

LOAD_OFFSET = 0x200000
ENTRY = 0x212340
LINUX_MAGIC = 0x818223cd
MIB = 1 << 20
# What hw/core/loader.c lets a kernel unpack to.
LIMIT = 256 * MIB
ZSTD_MAGIC = 0xfd2fb528
# The largest block that the format has.
BLOCK = 1 << 17
RAW, RLE = 0, 1


def linux_image(size: int) -> bytes:
    """A LoongArch Linux image of so many bytes; sixteen alike, then others."""
    # Addresses as in kernels that give virtual ones.
    header = struct.pack("<IIQQQ24xII", 0x5a4d, 0, 0x9000000000000000 | ENTRY, 2 * size,
                         LOAD_OFFSET, LINUX_MAGIC, 64)
    noise = random.Random(1).randbytes(size // 16)
    return (header + b"".join(noise[i:i + 1] * 16 for i in range(len(noise))))[:size]


def zboot_image(kind: bytes, payload: bytes, *, announced: int | None = None,
                trailer: bytes = b"") -> bytes:
    """Wrap what is compressed already; announced is the size that the header says."""
    offset = 4096
    header = struct.pack("<2s2x4sII8x32sII", b"MZ", b"zimg", offset,
                         len(payload) if announced is None else announced, kind,
                         LINUX_MAGIC, 64)
    return header.ljust(offset, b"\0") + payload + trailer


def zstd_block(kind: int, data: bytes, size: int, last: bool) -> bytes:
    """A block that is not compressed, or one byte over and over."""
    return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data


def zstd_frame(*blocks: tuple[int, bytes, int]) -> bytes:
    """A frame with a window of 128 MiB, its length not said, as kernels have it."""
    rows = [zstd_block(*block, index == len(blocks) - 1)
            for index, block in enumerate(blocks)]
    return struct.pack("<IBB", ZSTD_MAGIC, 0, 17 << 3) + b"".join(rows)


def zstd_stored(data: bytes) -> bytes:
    """Data in a frame, without compression."""
    parts = [data[i:i + BLOCK] for i in range(0, len(data), BLOCK)] or [b""]
    return zstd_frame(*((RAW, part, len(part)) for part in parts))


def zstd_bomb(size: int) -> bytes:
    """A few kilobytes that unpack to so many bytes."""
    return zstd_frame(*[(RLE, b"\0", BLOCK)] * (size // BLOCK))


class EfiZboot(QemuSystemTest):
    """The TCG QEMU for LoongArch."""

    timeout = 120

    def file(self, name: str, data: bytes) -> str:
        """A file of the test."""
        path = Path(self.scratch_file(name))
        path.write_bytes(data)
        return str(path)

    def need_zstd(self) -> None:
        """Skip where QEMU was built without the library, which it then says."""
        if "without zstd support" in self.refused(zboot_image(b"zstd", b"")):
            self.skipTest("this QEMU has no zstd")

    def check_loaded(self, path: str, image: bytes) -> None:
        """The image must be in memory where its header wants it, the CPU at its entry."""
        self.set_machine("virt")
        self.vm.add_args("-nic", "none", "-display", "none", "-S", "-kernel", path)
        self.vm.launch()
        registers = self.vm.cmd("human-monitor-command", command_line="info registers")
        self.assertRegex(registers, rf"(?m)^ ?PC=0*{ENTRY:x}\b")
        dump = self.scratch_file("memory")
        self.vm.cmd("pmemsave", val=LOAD_OFFSET, size=len(image), filename=dump)
        self.assertTrue(Path(dump).read_bytes() == image,
                        "the kernel in memory is another")

    def refused(self, data: bytes) -> str:
        """QEMU must end by itself with this kernel; give what it says."""
        path = self.file("bad", data)
        done = subprocess.run([self.qemu_bin, "-M", "virt", "-nic", "none",
                               "-display", "none",
                               "-S", "-kernel", path], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"could not load kernel '{path}'", done.stderr)
        return done.stderr

    def check_refused(self, reason: str, data: bytes) -> None:
        """It must be refused for this."""
        self.assertIn(reason, self.refused(data))

    def test_plain(self) -> None:
        image = linux_image(MIB)
        self.check_loaded(self.file("kernel", image), image)

    def test_gzip(self) -> None:
        image = linux_image(MIB)
        self.check_loaded(
            self.file("kernel", zboot_image(b"gzip", gzip.compress(image))), image)

    def test_zstd_stored(self) -> None:
        self.need_zstd()
        image = linux_image(MIB + 77)
        self.check_loaded(
            self.file("kernel", zboot_image(b"zstd", zstd_stored(image))), image)

    @skipIfMissingCommands("zstd")
    def test_zstd(self) -> None:
        """As Linux does it: level 22, and the size behind it, not counted."""
        self.need_zstd()
        image = linux_image(3 * MIB)
        packed = subprocess.run(["zstd", "-22", "--ultra", "-c"], input=image,
                                capture_output=True, check=True).stdout
        self.assertLess(len(packed), len(image) // 2)
        self.check_loaded(self.file("kernel", zboot_image(
            b"zstd", packed, trailer=struct.pack("<I", len(image)))), image)

    def test_trailer_counted(self) -> None:
        """What follows the frame in the payload is no part of the kernel."""
        self.need_zstd()
        image = linux_image(MIB)
        payload = zstd_stored(image) + struct.pack("<I", len(image))
        self.check_loaded(self.file("kernel", zboot_image(b"zstd", payload)), image)

    def test_unknown_compression(self) -> None:
        self.check_refused('EFI zboot image with "xz" compression',
                           zboot_image(b"xz", b"data"))
        self.check_refused("EFI zboot image with", zboot_image(b"z" * 32, b"data"))

    def test_damaged(self) -> None:
        """Cut short, of nothing, of something else."""
        whole = zstd_stored(linux_image(MIB))
        for payload in (whole[:-1], whole[:3], b"", b"\0" * 4096, gzip.compress(whole)):
            self.check_refused("failed to decompress", zboot_image(b"zstd", payload))

    def test_beyond_the_file(self) -> None:
        whole = zstd_stored(linux_image(MIB))
        for announced in (len(whole) + 1, 0x7fffffff, 0x80000000, 0xffffffff):
            self.check_refused("corrupt EFI zboot image",
                               zboot_image(b"zstd", whole, announced=announced))

    def test_too_large(self) -> None:
        """A file that unpacks to more than a kernel may have is refused at the limit."""
        self.check_refused("failed to decompress",
                           zboot_image(b"zstd", zstd_bomb(LIMIT + BLOCK)))
        self.check_refused("failed to decompress",
                           zboot_image(b"zstd", zstd_bomb(16 * LIMIT)))

    def test_no_header(self) -> None:
        """Files, and payloads, that are shorter than the header of a Linux image."""
        header = linux_image(64)
        for data in (b"", b"M", header[:63], zboot_image(b"zstd", zstd_stored(b"")),
                     zboot_image(b"gzip", gzip.compress(b"")),
                     zboot_image(b"zstd", zstd_stored(header[:60]))):
            self.check_refused("could not load kernel", data)


if __name__ == "__main__":
    QemuSystemTest.main()
