# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/devel/loongarch-kvm-debug-tests.rst has every defect and rule, each with
real tests or with the reason why there is none.

What tests do on the base is for tests/functional/run-base to say; here it is
enough that it is told of each, and how they fail.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import unittest
from pathlib import Path
from types import ModuleType

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
import tables  # noqa: E402

TABLE = TOP / "docs/devel/loongarch-kvm-debug-tests.rst"
IDS = [f"D{n}" for n in range(1, 44)] + [f"I{n}" for n in range(1, 7)]


def load_run_base() -> ModuleType:
    """The program, as a module."""
    path = str(TOP / "tests/functional/run-base")
    loader = importlib.machinery.SourceFileLoader("run_base", path)
    spec = importlib.util.spec_from_loader("run_base", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Table(unittest.TestCase):
    def setUp(self) -> None:
        self.text = TABLE.read_text(encoding="utf-8")
        self.rows = tables.rows(self.text)

    def test_every_defect(self) -> None:
        """Each has one row, in order."""
        self.assertEqual([name for name, _ in self.rows], IDS)

    def test_every_row(self) -> None:
        """A defect has a test that fails on the base, or a reason."""
        for name, text in self.rows:
            what = [test.base for test in tables.tests(text)]
            with self.subTest(name):
                if name.startswith("I"):
                    self.assertTrue(what, "no test")
                elif "fails" not in what:
                    self.assertRegex(text, r"(?m)^     - (None(:| on the base,) |Not in 10\.0)")

    def test_every_test_exists(self) -> None:
        """No name is made up or has been changed since."""
        missing = [str(test) for test in tables.tests(self.text)
                   if not tables.reports(test.program, test.result)]
        self.assertEqual(missing, [])

    def test_the_same_is_said(self) -> None:
        """Of a test that two rows name, they say the same or one says nothing."""
        said: dict[str, tuple[str, str]] = {}
        for test in tables.tests(self.text):
            if test.base:
                self.assertEqual(said.setdefault(str(test), (test.base, test.why)),
                                 (test.base, test.why), str(test))

    def test_how_they_fail(self) -> None:
        """The reason is one: not that a word is missing, or that a name is wrong."""
        for test in tables.tests(self.text):
            if test.base == "fails":
                self.assertGreater(len(test.why), 5, str(test))
                self.assertNotRegex(test.why, "ImportError|AttributeError|NameError",
                                    str(test))


class Judge(unittest.TestCase):
    """What run-base makes of an outcome."""

    def setUp(self) -> None:
        self.judge = load_run_base().judge
        self.fails = tables.Test("test_x", "test_y", "fails", "1 != 2")
        self.passes = tables.Test("test_x", "test_y", "passes")

    def test_as_said(self) -> None:
        self.assertEqual(self.judge(self.passes, [], []), "")
        self.assertEqual(self.judge(self.fails, ["AssertionError: 1 != 2"], []), "")
        self.assertEqual(self.judge(self.fails, ["a", "AssertionError: 1 !=\n 2"], []), "")

    def test_otherwise(self) -> None:
        for test, wrong, skips, word in (
                (self.passes, ["AssertionError: 1 != 2"], [], "fails"),
                (self.fails, [], [], "passes"),
                (self.fails, ["AssertionError: 1 != 3"], [], "otherwise"),
                (self.fails, ["AssertionError: 1 != 2"], ["no gdb"], "skipped"),
                (self.passes, [], ["no gdb"], "skipped")):
            with self.subTest(test=test, wrong=wrong, skips=skips):
                self.assertIn(word, self.judge(test, wrong, skips))

    def test_read(self) -> None:
        """The three forms of a test in a row, over several lines."""
        text = ("     - | ``test_a: test_b`` fails:\n         ``no\n         word``\n"
                "       | ``test_a: test_c`` passes\n       | ``test_a: test_d``\n")
        self.assertEqual(tables.tests(text), [
            tables.Test("test_a", "test_b", "fails", "no word"),
            tables.Test("test_a", "test_c", "passes"),
            tables.Test("test_a", "test_d")])


if __name__ == "__main__":
    unittest.main()
