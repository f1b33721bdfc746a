#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that boot by UEFI, with ACPI and PCI, from a disk: the host, the guest.

The lab's disk has all of a boot on it: firmware finds the EFI system partition
in its GPT, runs the kernel there, and that mounts its root file system.
Nothing comes from QEMU's command line.  The same disk boots under TCG as a KVM
host (L1) and under KVM as a guest in it (L2).  The guest's own ways to be given
a kernel, Debian's file as it is, are here too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from qemu_test import QemuBaseTest
from qemu_test.kvmhost import Console, KvmHostTest, kernel_trouble, lab_module

TIMEOUT = 300
SECTOR = 512
REMOVALS = 10
CPU1 = "/sys/devices/system/cpu/cpu1"


def machine(disk: str) -> list[str]:
    """What both machines have: firmware is named by the caller."""
    return ["-M", "virt", "-smp", "2", "-m", "512M", "-nodefaults", "-no-user-config",
            "-display", "none", "-serial", "stdio",
            "-drive", f"if=none,id=disk,format=raw,file={disk}",
            "-device", "virtio-blk-pci,drive=disk"]


class DiskBoot:
    """What a machine is asked that has booted from the disk."""

    def log_in(self: Any, console: Console) -> None:
        """Wait for the login, and log in."""
        console.wait(r"^lab-disk login: ", TIMEOUT)
        console.type("root")
        console.wait(r"^~ # ")

    def check_machine(self: Any, console: Console) -> None:
        """Its firmware, its tables, its buses, its file system."""
        self.assertEqual(console.command("nproc"), "2")
        self.assertEqual(console.command("cat /sys/firmware/efi/fw_platform_size"), "64")
        tables = console.command("ls /sys/firmware/acpi/tables").split()
        self.assertLessEqual({"APIC", "DSDT", "FACP", "MCFG", "SPCR"}, set(tables))
        # The disk, as the firmware has numbered it on the bus.
        self.assertRegex(console.command("readlink -f /sys/class/block/vda"),
                         r"/pci0000:00/0000:00:\d\d\.\d/virtio\d/block/vda")
        self.assertRegex(console.command("cat /proc/mounts"),
                         r"(?m)^/dev/vda2 / ext4 rw,")

    def restart(self: Any, console: Console) -> None:
        """Write to the disk, go once more through the firmware, and find it there."""
        console.command("cat /proc/sys/kernel/random/boot_id >/first; sync")
        first = console.command("cat /first")
        console.type("reboot")
        self.log_in(console)
        self.assertEqual(console.command("cat /first"), first)
        self.assertNotEqual(console.command("cat /proc/sys/kernel/random/boot_id"), first)

    def power_off(self: Any, console: Console, process: Any) -> None:
        """By ACPI; the kernel must have had nothing to complain of."""
        console.type("poweroff")
        self.assertEqual(process.wait(TIMEOUT), 0)
        console.close()
        self.assertIn("reboot: Power down", console.text)
        self.assertEqual(kernel_trouble(console.text), [])

    def check_file_system(self: Any, disk: Path) -> None:
        """The root file system must be whole."""
        rows = subprocess.run(["sfdisk", "--json", disk], capture_output=True, check=True,
                              text=True).stdout
        start = json.loads(rows)["partitiontable"]["partitions"][1]["start"]
        done = subprocess.run(["e2fsck", "-fn", f"{disk}?offset={start * SECTOR}"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


class HostFromDisk(DiskBoot, QemuBaseTest):
    """The KVM host under TCG."""

    lab: Any = None

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lab = lab_module("kvmhost")
        if cls.lab.is_local():
            raise SkipTest("this is for the lab")

    def setUp(self) -> None:
        super().setUp()
        self.disk = Path(self.scratch_file("disk.img"))
        shutil.copyfile(self.lab.IMAGES / "disk.img", self.disk)
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [self.lab.BUILD / "tcg/qemu-system-loongarch64", "-accel", "tcg,thread=multi",
             "-cpu", "max,lvz=on", "-bios", self.lab.IMAGES / "QEMU_EFI.fd",
             *machine(str(self.disk))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(self.end)
        self.console = Console(self.process, self.log_file("console.log"))

    def end(self) -> None:
        """Whatever it does."""
        self.process.kill()
        self.process.wait()

    def test_boot(self) -> None:
        """To a login, with KVM there; and again after a restart; the disk stays whole."""
        self.log_in(self.console)
        self.check_machine(self.console)
        self.console.command("[ -c /dev/kvm ]")
        self.restart(self.console)
        self.console.command("[ -c /dev/kvm ]")
        self.power_off(self.console, self.process)
        self.check_file_system(self.disk)


class GuestFromDisk(DiskBoot, KvmHostTest):
    """A guest under KVM."""

    lab_only = True

    @classmethod
    def setUpClass(cls) -> None:
        cls.host_options = {"firmware": True, "share": lab_module("kvmhost").IMAGES}
        super().setUpClass()

    def test_boot(self) -> None:
        """To a login, without KVM; and again after a restart; the disk stays whole."""
        disk = self.host.run("mktemp", check=True).stdout.strip()
        self.addCleanup(self.host.run, f"rm -f {disk}")
        self.host.run(f"cat /mnt/share/disk.img >{disk}", check=True)
        process = self.host.popen(
            [self.host.qemu, "-accel", "kvm", "-cpu", "max", "-bios", "/lab/QEMU_EFI.fd",
             *machine(disk)], merge=True)
        self.addCleanup(process.close)
        console = Console(process, self.log_file("console.log"))
        self.log_in(console)
        self.check_machine(console)
        console.command("[ ! -e /dev/kvm ]")
        self.restart(console)
        self.power_off(console, process)
        copy = Path(self.scratch_file("disk.img"))
        copy.write_bytes(self.host.run_bytes(["cat", disk]).stdout)
        self.check_file_system(copy)
        self.assertEqual(kernel_trouble("\n".join(self.host_log())), [])
        self.assertEqual(self.host_warnings(), [])

    def test_vmlinuz(self) -> None:
        """Debian's kernel as it is, an EFI zboot image, without firmware."""
        process = self.host.popen(self.host.guest_argv("-kernel", "/lab/vmlinuz"),
                                  merge=True)
        self.addCleanup(process.close)
        console = Console(process, self.log_file("vmlinuz.log"))
        console.wait("guest: ready", TIMEOUT)
        self.assertIn("efi: ", console.text)
        console.command("[ ! -e /sys/firmware/acpi ]")
        console.type("poweroff -f")
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_vcpu_goes(self) -> None:
        """By ACPI a vCPU is removed while the monitor looks at it, and comes again."""
        guest = self.guest(monitor=True, options=[
            "-bios", "/lab/QEMU_EFI.fd", "-smp", "1,maxcpus=2"])
        guest.wait_ready(TIMEOUT)
        for _ in range(REMOVALS):
            guest.add_vcpu()
            guest.console.command(f"while [ ! -e {CPU1} ]; do :; done")
            guest.qmp("device_del", id="new")
            with self.assertRaisesRegex(lab_module("qmp").QmpError, "expects a CPU number"):
                while True:
                    guest.qmp("human-monitor-command", command_line="info registers",
                              cpu_index=1)
            guest.wait_event(lambda e: e["event"] == "DEVICE_DELETED", TIMEOUT)
        self.assertEqual(kernel_trouble(guest.console.text), [])


if __name__ == "__main__":
    KvmHostTest.main()
