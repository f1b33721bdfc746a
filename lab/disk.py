# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's disk: what a LoongArch machine with UEFI boots from by itself.

A GPT with two partitions: the EFI system partition with one file, which
firmware runs when nobody has told it of another, and an ext4 root file system.
That file is a unified kernel image: systemd's stub with Debian's kernel as it
is, a command line and an initramfs (lab/disk-init) in it.  The root file
system is busybox: its init, a login on the serial line, nothing else.

It is made without being root, by the tools of the build root.  No boot menu,
no second kernel, nothing to install packages with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from cpio import Cpio

MIB = 1 << 20
ESP_MIB = 16
ROOT_MIB = 24
LABEL = "lab-root"
# In the order in which they have to be loaded; lab/disk-init knows it.
MODULES = ("virtio_blk", "crc16", "mbcache", "jbd2", "ext4")
# Of the log, warnings and worse: half of a guest's boot is its serial line.
CMDLINE = f"console=ttyS0 loglevel=5 panic=-1 root=LABEL={LABEL}"
# Where UEFI looks on a disk that it knows nothing of.
BOOT_FILE = "EFI/BOOT/BOOTLOONGARCH64.EFI"
# What the root file system needs before busybox has put its names there.
LINKS = {"sbin/init": "../bin/busybox", "bin/sh": "busybox"}
FILES = {
    "etc/passwd": "root::0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/hostname": "lab-disk\n",
    "etc/inittab": """\
::sysinit:/etc/rc
ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100
::shutdown:/bin/umount -a -r
""",
    "etc/rc": """\
#!/bin/sh
/bin/busybox --install -s
hostname -F /etc/hostname
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
""",
}
EMPTY = ("dev", "proc", "sys", "tmp", "run", "root", "usr/bin", "usr/sbin")

Tool = Callable[..., bytes]


def initramfs(archive: Cpio, module: Callable[[str], bytes]) -> bytes:
    """Add to an archive with busybox and the init what mounts the root file system."""
    for name in MODULES:
        archive.file(f"lib/modules/{name}.ko", module(name))
    return archive.bytes()


def root_tree(tree: Path, busybox: bytes) -> None:
    """The files of the root file system, as a folder."""
    for name in EMPTY:
        (tree / name).mkdir(parents=True)
    for name, text in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    (tree / "etc/rc").chmod(0o755)
    for name in ("bin/busybox", *LINKS):
        (tree / name).parent.mkdir(exist_ok=True)
    (tree / "bin/busybox").write_bytes(busybox)
    (tree / "bin/busybox").chmod(0o755)
    for name, target in LINKS.items():
        (tree / name).symlink_to(target)


def boot_file(tool: Tool, folder: Path, kernel: Path, initrd: bytes, stub: Path) -> Path:
    """The unified kernel image."""
    result = folder / "boot.efi"
    (folder / "initrd").write_bytes(initrd)
    tool("ukify", "build", f"--linux={kernel}", f"--initrd={folder / 'initrd'}",
         f"--cmdline={CMDLINE}", f"--stub={stub}", "--efi-arch=loongarch64",
         "--os-release=ID=lab\nNAME=lab\n", f"--uname={kernel.parent.name}",
         f"--output={result}")
    return result


def disk_image(tool: Tool, work: Path, kernel: Path, initrd: bytes, stub: Path,
               busybox: bytes) -> bytes:
    """The whole disk; work is a folder that the tools can reach."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        esp, root, disk = (folder / part for part in ("esp", "root", "disk"))
        boot = boot_file(tool, folder, kernel, initrd, stub)
        tool("mkfs.fat", "-C", "-n", "ESP", esp, str(ESP_MIB * 1024))
        tool("mmd", "-i", esp, "::EFI", "::EFI/BOOT")
        tool("mcopy", "-i", esp, boot, f"::{BOOT_FILE}")
        tree = folder / "tree"
        root_tree(tree, busybox)
        # In a namespace of its own, so that the files are root's there.
        tool("unshare", "--map-root-user", "mke2fs", "-q", "-t", "ext4", "-L", LABEL,
             "-d", tree, root, f"{ROOT_MIB}M")
        with open(disk, "wb") as file:
            file.truncate((ESP_MIB + ROOT_MIB + 2) * MIB)
        tool("sfdisk", "-q", disk, data=(
            f"label: gpt\n"
            f"start=1MiB, size={ESP_MIB}MiB, type=uefi, name=esp\n"
            f"start={1 + ESP_MIB}MiB, size={ROOT_MIB}MiB, type=linux, name=root\n").encode())
        with open(disk, "r+b") as file:
            for start, part in ((1, esp), (1 + ESP_MIB, root)):
                file.seek(start * MIB)
                file.write(part.read_bytes())
        return disk.read_bytes()
