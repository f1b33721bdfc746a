# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/devel/loongarch-lvz-tests.rst names every requirement and real tests.

That a test passes is for its own suite to say; here it is enough that there is
one of that name.
"""

from __future__ import annotations

import string
import sys
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
import tables  # noqa: E402

TABLE = TOP / "docs/devel/loongarch-lvz-tests.rst"

IDS = ([f"R{n}" for n in range(1, 54)] + [f"T{n}" for n in range(1, 12)] +
       list(string.ascii_lowercase[:string.ascii_lowercase.index("v") + 1]))


class Table(unittest.TestCase):
    def setUp(self) -> None:
        self.text = TABLE.read_text(encoding="utf-8")

    def test_every_requirement(self) -> None:
        """Each has one row, in order, with at least one test."""
        rows = tables.rows(self.text)
        self.assertEqual([name for name, _ in rows], IDS)
        for name, text in rows:
            self.assertTrue(tables.tests(text), f"{name} is a row without a test")

    def test_every_test_exists(self) -> None:
        """No name is made up or has been changed since."""
        named = tables.tests(self.text)
        self.assertGreater(len(named), len(IDS))
        missing = [str(test) for test in named
                   if not tables.reports(test.program, test.result)]
        self.assertEqual(missing, [])

    def test_every_program_is_named(self) -> None:
        """None of the bare-metal programs is there for nothing."""
        named = {test.program for test in tables.tests(self.text)}
        there = {path.stem for kind in ("lvz", "base")
                 for path in tables.SYSTEM.glob(f"{kind}-*.c")} - {"lvz-lib"}
        self.assertEqual(there - named, set())

    def test_the_check_itself(self) -> None:
        """A wrong name is found."""
        self.assertTrue(tables.reports("lvz-gcsr", "CRMD reads back"))
        self.assertFalse(tables.reports("lvz-gcsr", "CRMD reads backwards"))
        self.assertFalse(tables.reports("lvz-nothing", "CRMD reads back"))
        self.assertFalse(tables.reports("test_loongarch64_lvz", "test_nothing"))


if __name__ == "__main__":
    unittest.main()
