# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes initramfs archives (cpio, "newc" form) byte for byte the same from the same contents.

Every entry belongs to root and carries no time, whoever runs this: device
nodes can be made in the archive without being root. It does not read
archives and knows no hard links.
"""

import io
import stat
from pathlib import Path


class Cpio:
    """An archive under construction, in memory."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._names: set[str] = set()
        self._inode = 0

    def _entry(self, name: str, mode: int, data: bytes = b"",
               device: tuple[int, int] = (0, 0)) -> None:
        name = name.strip("/")
        if name in self._names:
            return
        self._names.add(name)
        parent = str(Path(name).parent)
        if parent not in (".", name) and name != "TRAILER!!!":
            self.directory(parent)
        self._inode += 1
        raw = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0,
                  device[0], device[1], len(raw), 0)
        self._out.write(b"070701" + b"".join(b"%08x" % f for f in fields))
        self._out.write(raw)
        self._pad()
        self._out.write(data)
        self._pad()

    def _pad(self) -> None:
        self._out.write(b"\0" * (-self._out.tell() % 4))

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory (and those above it)."""
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a character device node."""
        self._entry(name, stat.S_IFCHR | mode, device=(major, minor))

    def bytes(self) -> bytes:
        """Close the archive and give it."""
        self._entry("TRAILER!!!", 0)
        return self._out.getvalue()
