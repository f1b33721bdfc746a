# SPDX-License-Identifier: GPL-2.0-or-later
"""The register descriptions that the patched QEMU gives to gdb are whole.

That gdb takes them is for the functional tests to show.
"""

from __future__ import annotations

import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

TREE = Path(__file__).resolve().parents[2] / "build/qemu"

EXPECTED = {
    "loongarch-fpu.xml": [(f"f{n}", 64) for n in range(32)] +
                         [(f"fcc{n}", 8) for n in range(8)] + [("fcsr", 32)],
    "loongarch-lsx.xml": [(f"vr{n}", 128) for n in range(32)],
    "loongarch-lasx.xml": [(f"xr{n}", 256) for n in range(32)],
    "loongarch-lbt.xml": [(f"scr{n}", 64) for n in range(4)] +
                         [("eflags", 32), ("ftop", 32)],
}


class GdbXml(unittest.TestCase):
    def test_registers(self) -> None:
        if not TREE.exists():
            self.skipTest("build/qemu is not there; run ./configure")
        for name, expected in EXPECTED.items():
            with self.subTest(name):
                root = ET.parse(TREE / "gdb-xml" / name).getroot()
                found = [(r.get("name"), int(r.get("bitsize", 0)))
                         for r in root.iter("reg")]
                self.assertEqual(found, expected)

    def test_listed_for_both_targets(self) -> None:
        if not TREE.exists():
            self.skipTest("build/qemu is not there; run ./configure")
        for target in ("softmmu", "linux-user"):
            text = (TREE / f"configs/targets/loongarch64-{target}.mak").read_text()
            for name in EXPECTED:
                self.assertIn(f"gdb-xml/{name}", text)


if __name__ == "__main__":
    unittest.main()
