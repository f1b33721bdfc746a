# SPDX-License-Identifier: GPL-2.0-or-later
"""lab/kvmhost.py: an image that is older than the QEMU in it is not booted."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "lab"))

import kvmhost  # noqa: E402  pylint: disable=wrong-import-position


class Booted(Exception):
    """It would have."""


class StaleImage(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.top = Path(scratch.name)
        self.made_from = self.top / "kvm-qemu"
        for name, value in (("IMAGES", self.top), ("BUILD", self.top),
                            ("KVM_QEMU", self.made_from)):
            patch = mock.patch.object(kvmhost, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(kvmhost.LabHost, "_start", side_effect=Booted)
        patch.start()
        self.addCleanup(patch.stop)
        for name in ("qemu", "QEMU_EFI.fd", "vmlinux.bin", "host.cpio", "host-firmware.cpio"):
            (self.top / name).touch()
            os.utime(self.top / name, (1000, 1000))

    def open(self, **options: bool) -> None:
        kvmhost.LabHost(qemu=self.top / "qemu", **options)

    def test_current(self) -> None:
        with self.assertRaises(Booted):
            self.open()
        self.made_from.touch()
        os.utime(self.made_from, (1000, 1000))
        with self.assertRaises(Booted):
            self.open()

    def test_older(self) -> None:
        self.made_from.touch()
        os.utime(self.made_from, (1001, 1001))
        for firmware in (False, True):
            with self.subTest(firmware=firmware), \
                    self.assertRaisesRegex(kvmhost.HostError, "older QEMU.*run lab/image"):
                self.open(firmware=firmware)


if __name__ == "__main__":
    unittest.main()
