#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CPU with and without LVZ means for the machine around it.

Migration, mostly: without LVZ the stream is the one of QEMU 10.0 (the
description in loongarch64-lvz/cpu-vmstate.json was printed by it), with LVZ the
machine says that it cannot be saved.  What LVZ does is tested by the programs
in tests/tcg/loongarch64/system.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from qemu_test import QemuSystemTest

FIXTURE = Path(__file__).parent / "loongarch64-lvz/cpu-vmstate.json"


class LoongArchLVZ(QemuSystemTest):
    """The TCG QEMU for LoongArch."""

    timeout = 60

    def refused(self, *options: str) -> str:
        """Run QEMU with options that it must refuse; give what it says."""
        done = subprocess.run([self.qemu_bin, "-display", "none", *options], text=True,
                              capture_output=True, timeout=30, check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_stream_without_lvz(self) -> None:
        """The description of the CPU's state is QEMU 10.0's, word for word."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vmstate.json"
            subprocess.run([self.qemu_bin, "-M", "virt", "-display", "none",
                            "-dump-vmstate", str(path)], check=True, timeout=30)
            have = json.loads(path.read_text(encoding="utf-8"))
        want = json.loads(FIXTURE.read_text(encoding="utf-8"))
        self.assertEqual(have["max-loongarch-cpu"], want["max-loongarch-cpu"])

    def start(self, cpu: str) -> None:
        """A stopped machine with this CPU and no devices that want files."""
        self.set_machine("virt")
        self.vm.add_args("-cpu", cpu, "-nic", "none", "-display", "none", "-S")
        self.vm.launch()

    def test_save_is_refused_with_lvz(self) -> None:
        """A machine that would lose its guest's state does not save at all."""
        self.start("max,lvz=on")
        reply = self.vm.qmp("migrate", uri="exec:cat >/dev/null")
        self.assertIn("lvz=on cannot be migrated", reply["error"]["desc"])

    def test_save_is_possible_without_lvz(self) -> None:
        """The blocker is not there for everyone."""
        self.start("max,lvz=off")
        self.vm.cmd("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
        self.vm.cmd("migrate", uri="exec:cat >/dev/null")
        done = self.vm.events_wait([("MIGRATION", {"data": {"status": status}})
                                    for status in ("completed", "failed")], timeout=30)
        assert done
        self.assertEqual(done["data"]["status"], "completed")

    def test_only_migratable(self) -> None:
        """--only-migratable and LVZ exclude each other, in one sentence."""
        self.assertIn("lvz=on cannot be migrated", self.refused(
            "-M", "virt", "-cpu", "max,lvz=on", "--only-migratable"))

    def test_model_without(self) -> None:
        """A model of LA32 has no such property."""
        self.assertIn("lvz", self.refused("-M", "virt", "-cpu", "la132,lvz=on"))


if __name__ == "__main__":
    QemuSystemTest.main()
