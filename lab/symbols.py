# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a symbol file for gdb from a running kernel's /proc/kallsyms and its image.

The result is an ELF file with the kernel's bytes at the addresses they run at
and a symbol for each function with its size; so gdb has names, can disassemble
without asking the guest and finds where functions end.  There are no types and
no lines in it: kallsyms has none.  Symbols of modules are left out, since
another machine with the same kernel has its modules elsewhere.
"""

from __future__ import annotations

import struct
from pathlib import Path

EM_LOONGARCH = 258
EF_LP64D_V1 = 0x43
DIRECT_MAP = 0x9000000000000000
IMAGE_MAGIC = 0x818223CD
_SHF_ALLOC_EXEC = 0x6
_STT_OBJECT, _STT_FUNC = 1, 2
_SHN_ABS = 0xFFF1


class SymbolError(Exception):
    """One sentence on why there can be no symbol file."""


def load_address(image: bytes) -> int:
    """Where an unwrapped LoongArch kernel image runs, by its own header."""
    if len(image) < 64 or struct.unpack_from("<I", image, 56)[0] != IMAGE_MAGIC:
        raise SymbolError("this is not an unwrapped LoongArch kernel image.")
    offset: int = struct.unpack_from("<Q", image, 24)[0]
    return DIRECT_MAP + offset


def parse_kallsyms(text: str) -> list[tuple[int, str, str]]:
    """The kernel's own symbols: address, type letter, name; sorted."""
    symbols = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            symbols.append((int(words[0], 16), words[1], words[2]))
    if not any(address for address, _, _ in symbols):
        raise SymbolError("/proc/kallsyms shows no addresses; read it as root.")
    return sorted(symbols)


def _section(name: int, kind: int, flags: int, address: int, offset: int, size: int,
             link: int = 0, info: int = 0, align: int = 1, entry: int = 0) -> bytes:
    return struct.pack("<IIQQQQIIQQ", name, kind, flags, address, offset, size,
                       link, info, align, entry)


def _sizes(symbols: list[tuple[int, str, str]], end: int) -> list[int]:
    """For each symbol how far the next address with a symbol is, at most to the end."""
    sizes = [0] * len(symbols)
    later = end
    for index in range(len(symbols) - 1, -1, -1):
        address = symbols[index][0]
        if index + 1 < len(symbols) and symbols[index + 1][0] > address:
            later = min(symbols[index + 1][0], end)
        sizes[index] = max(later - address, 0)
    return sizes


def _symbol_table(symbols: list[tuple[int, str, str]], start: int,
                  end: int) -> tuple[bytes, bytes]:
    """The symbol and string tables."""
    table = bytearray(24)
    strings = bytearray(b"\0")
    for (address, kind, name), size in zip(symbols, _sizes(symbols, end)):
        function = kind in "tTwW" and start <= address < end
        table += struct.pack("<IBBHQQ", len(strings),
                             1 << 4 | (_STT_FUNC if function else _STT_OBJECT), 0,
                             1 if function else _SHN_ABS, address, size if function else 0)
        strings += name.encode() + b"\0"
    return bytes(table), bytes(strings)


def symbol_file(image: bytes, kallsyms: str) -> bytes:
    """The ELF file."""
    start = load_address(image)
    table, strings = _symbol_table(parse_kallsyms(kallsyms), start, start + len(image))
    names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    parts = [image, table, strings, names]
    offsets = []
    position = 64
    for part in parts:
        offsets.append(position)
        position += len(part) + -len(part) % 16
    sections = [
        bytes(64),
        _section(names.index(b".text"), 1, _SHF_ALLOC_EXEC, start, offsets[0], len(image),
                 align=16),
        _section(names.index(b".symtab"), 2, 0, 0, offsets[1], len(table), link=3, info=1,
                 align=8, entry=24),
        _section(names.index(b".strtab"), 3, 0, 0, offsets[2], len(strings)),
        _section(names.index(b".shstrtab"), 3, 0, 0, offsets[3], len(names)),
    ]
    header = struct.pack("<4sBBBBB7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0,
                         2, EM_LOONGARCH, 1, start, 0, position, EF_LP64D_V1,
                         64, 0, 0, 64, len(sections), 4)
    body = b"".join(part + bytes(-len(part) % 16) for part in parts)
    return header + body + b"".join(sections)


def write_symbol_file(path: Path, image: bytes, kallsyms: str) -> None:
    """Write it whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(symbol_file(image, kallsyms))
    new.replace(path)
