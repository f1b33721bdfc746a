#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CPU with and without LVZ means for the machine around it.

Migration, mostly: without LVZ the stream is the one of QEMU 10.0 (the
description in loongarch64-lvz/cpu-vmstate.json was printed by it), with LVZ it
has a part more.  That everything goes on after it was loaded is tested by
test_loongarch64_lvz_migration.py, what LVZ does by the programs in
tests/tcg/loongarch64/system.
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

    def test_description(self) -> None:
        """The description of the CPU's state is QEMU 10.0's, but for what LVZ adds."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vmstate.json"
            subprocess.run([self.qemu_bin, "-M", "virt", "-display", "none",
                            "-dump-vmstate", str(path)], check=True, timeout=30)
            have = json.loads(path.read_text(encoding="utf-8"))["max-loongarch-cpu"]
        want = json.loads(FIXTURE.read_text(encoding="utf-8"))["max-loongarch-cpu"]
        subsections = have["Description"]["Subsections"]
        have["Description"]["Subsections"] = [s for s in subsections
                                              if s["name"] != "cpu/lvz"]
        self.assertEqual(len(subsections), len(have["Description"]["Subsections"]) + 1)
        self.assertEqual(have, want)

    def start(self, cpu: str, *more: str) -> None:
        """A stopped machine with this CPU and no devices that want files."""
        self.set_machine("virt")
        self.vm.add_args("-cpu", cpu, "-nic", "none", "-display", "none", "-S", *more)
        self.vm.launch()

    def save(self, cpu: str, *more: str) -> Path:
        """The state of such a machine, in a file."""
        self.start(cpu, *more)
        path = Path(self.scratch_file("state"))
        self.vm.cmd("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
        self.vm.cmd("migrate", uri=f"file:{path}")
        done = self.vm.events_wait([("MIGRATION", {"data": {"status": status}})
                                    for status in ("completed", "failed")], timeout=30)
        assert done
        self.assertEqual(done["data"]["status"], "completed")
        self.vm.shutdown()
        return path

    def subsections(self, state: Path) -> list[str]:
        """The parts of the CPU's state that were sent, as the stream's own end tells."""
        data = state.read_bytes()
        # QEMU_VM_VMDESCRIPTION, its length, and a description in JSON
        start = data.rindex(b'{"configuration"')
        self.assertEqual(data[start - 5], 6)
        devices = json.loads(data[start:])["devices"]
        found = [d for d in devices
                 if any(f["name"] == "env.CSR_CRMD" for f in d["fields"])]
        self.assertEqual(len(found), 1)
        return [part["vmsd_name"] for part in found[0]["subsections"]]

    def test_sent_without_lvz(self) -> None:
        """Without LVZ nothing is sent that QEMU 10.0 does not know."""
        self.assertEqual(self.subsections(self.save("max,lvz=off")),
                         ["cpu/fpu", "cpu/lsx", "cpu/lasx", "cpu/tlb"])

    def test_sent_with_lvz(self) -> None:
        """With LVZ its part is sent, and the machine counts as migratable."""
        self.assertIn("cpu/lvz",
                      self.subsections(self.save("max,lvz=on", "--only-migratable")))

    def test_other_cpu(self) -> None:
        """A CPU without LVZ refuses the state of one that has it, in one sentence."""
        state = self.save("max,lvz=on")
        self.assertIn("The state to load is of a CPU with lvz=on", self.refused(
            "-M", "virt", "-cpu", "max,lvz=off", "-nic", "none",
            "-incoming", f"file:{state}"))

    def monitor(self, line: str) -> str:
        """A command of the human monitor."""
        text: str = self.vm.cmd("human-monitor-command", command_line=line)
        return text

    def test_look_without_lvz(self) -> None:
        """info registers says no word of LVZ; info tlb knows the one kind of entry."""
        self.start("max")
        registers = self.monitor("info registers")
        self.assertIn(" CRMD ", registers)
        self.assertNotRegex(registers, r"LVZ|[Gg]uest|Host|GSTAT|GTLBC")
        self.assertRegex(self.monitor("info tlb"), r"^Host: .*\n0 entries\s*$")

    def test_look_with_lvz(self) -> None:
        """After reset the host runs, with a guest bank beside it and no entries."""
        self.start("max,lvz=on")
        registers = self.monitor("info registers")
        self.assertRegex(registers, r"(?m)^ LVZ: host runs, GID 0\s*$")
        host, guest = registers.partition("Host CSRs:")[2].split("Guest CSRs:")
        for name in ("GTLBC", "GSTAT", "GCFG", "GINTC", "GCNTC", "TRGP"):
            self.assertIn(f" {name} ", host)
            self.assertNotIn(f" {name} ", guest)
        self.assertRegex(guest, r" ASID +a0000 ")
        self.assertEqual(self.monitor("info tlb").count("0 entries"), 3)

    def test_model_without(self) -> None:
        """A model of LA32 has no such property."""
        self.assertIn("lvz", self.refused("-M", "virt", "-cpu", "la132,lvz=on"))


if __name__ == "__main__":
    QemuSystemTest.main()
