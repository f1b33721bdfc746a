# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/kvm-selftests/run with a machine that only pretends: what makes a
result ok, not ok or a skip, and when the machine is given up."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import sys
import unittest
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]


def load() -> Any:
    """The runner as a module; its name has no ending."""
    loader = importlib.machinery.SourceFileLoader(
        "kvm_selftests", str(TOP / "tests/kvm-selftests/run"))
    spec = importlib.util.spec_from_loader("kvm_selftests", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Pretended:
    """A machine on which a program ends as it is told."""

    def __init__(self, status: int | None, warnings: list[str], gone: bool = False) -> None:
        self.status, self.log, self.gone, self.closed = status, warnings, gone, False

    def host(self) -> None:
        if self.gone:
            raise sys.modules["kvmhost"].HostError("it is gone.")

    def mark(self, text: str) -> None:
        self.text = text

    def run(self, _name: str) -> tuple[int | None, str]:
        return self.status, "ok 1 - said by the program\n1..7\n"

    def warnings(self, mark: str) -> list[str]:
        assert mark == self.text
        return self.log

    def close(self) -> None:
        self.closed = True


class KvmSelftests(unittest.TestCase):
    def setUp(self) -> None:
        sys.path.insert(0, str(TOP / "lab"))
        self.addCleanup(sys.path.remove, str(TOP / "lab"))
        self.run_module = load()

    def judge(self, name: str, status: int | None, *warnings: str,
              gone: bool = False) -> tuple[str, bool]:
        """The line of TAP, and whether the machine was given up."""
        machine = Pretended(status, list(warnings), gone)
        report = self.run_module.Report()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.run_module.run_one(machine, report, name)
        lines = [line for line in out.getvalue().splitlines() if not line.startswith("#")]
        self.assertEqual(len(lines), 1, "what a program says is no result")
        self.assertEqual(report.failed, lines[0].startswith("not ok"))
        return lines[0], machine.closed

    def test_passed(self) -> None:
        self.assertEqual(self.judge("steal_time", 0), ("ok 1 - steal_time", False))

    def test_failed(self) -> None:
        self.assertEqual(self.judge("steal_time", 254), ("not ok 1 - steal_time", True))

    def test_not_in_time(self) -> None:
        self.assertEqual(self.judge("steal_time", None), ("not ok 1 - steal_time", True))

    def test_host_kernel_warns(self) -> None:
        self.assertEqual(self.judge("steal_time", 0, "<4>[ 1.0] WARNING: at virt"),
                         ("not ok 1 - steal_time", True))

    def test_host_is_gone(self) -> None:
        self.assertEqual(self.judge("steal_time", 0, gone=True),
                         ("not ok 1 - steal_time", True))

    def test_skipped_for_want_of_hardware(self) -> None:
        line, closed = self.judge("loongarch/pmu_test", 4)
        self.assertRegex(line, r"^ok 1 - loongarch/pmu_test # SKIP .*counters$")
        self.assertFalse(closed)

    def test_skipped_for_nothing(self) -> None:
        self.assertEqual(self.judge("steal_time", 4), ("not ok 1 - steal_time", True))
