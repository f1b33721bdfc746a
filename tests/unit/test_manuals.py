# SPDX-License-Identifier: GPL-2.0-or-later
"""The options, commands, targets and files that README.md and the manuals name
are there.  What they do is for the functional tests."""

from __future__ import annotations

import re
import subprocess
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
QEMU = TOP / "build/qemu"
README = TOP / "README.md"
# Of the monitor; gdb's have the same form.
MONITOR = ("info registers", "info tlb", "gva2gpa", "gdbserver", "trace-event", "logfile",
           "cont")
MANUALS = [README, *sorted((TOP / "docs/system/loongarch").glob("*.rst"))]


def command_lines(text: str, program: str) -> list[str]:
    """What follows a program's name, over continued lines, without quoted strings."""
    text = re.sub(r"\\\n", " ", text)
    return [re.sub(r"'[^']*'|\"[^\"]*\"", "", line)
            for line in re.findall(rf"(?m)^ .*?{program}(.*)", text)]


def options(lines: list[str], dash: str) -> set[str]:
    """The options in them."""
    return {name for line in lines
            for name in re.findall(rf"(?:^|\s){dash}([a-zA-Z][\w-]*)", line)}


class Manuals(unittest.TestCase):
    def test_qemu_options(self) -> None:
        known = set(re.findall(r'(?m)^DEF\("([^"]+)"',
                               (QEMU / "qemu-options.hx").read_text(encoding="utf-8")))
        for manual in MANUALS:
            text = manual.read_text(encoding="utf-8")
            named = options(command_lines(text, r"(?:qemu-system-loongarch64|\|qemu_system\|)"),
                            "-")
            with self.subTest(manual.name):
                self.assertIn("cpu" if manual.name == "lvz.rst" else "accel", named)
                self.assertEqual(named - known, set())

    def test_monitor_commands(self) -> None:
        known = set()
        for name, prefix in (("hmp-commands.hx", ""), ("hmp-commands-info.hx", "info ")):
            text = (QEMU / name).read_text(encoding="utf-8")
            for names in re.findall(r'\.name += "([^"]+)"', text):
                known.update(prefix + each for each in names.split("|"))
        text = "".join(manual.read_text(encoding="utf-8") for manual in MANUALS)
        for command in MONITOR:
            self.assertRegex(text, rf"`{command}\b")
            self.assertIn(command, known)

    def test_trace_events(self) -> None:
        known = set(re.findall(r"(?m)^(lvz_\w+)\(", (
            QEMU / "target/loongarch/trace-events").read_text(encoding="utf-8")))
        text = (TOP / "docs/system/loongarch/lvz.rst").read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r"(?m)^``(lvz_\w+)``", text)), known)

    def test_stub_packets(self) -> None:
        stub = (QEMU / "gdbstub/gdbstub.c").read_text(encoding="utf-8")
        text = (TOP / "docs/system/loongarch/kvm-debug.rst").read_text(encoding="utf-8")
        packets = re.findall(r"\b[qQ](qemu\.\w+:?)", text)
        self.assertTrue(packets)
        for packet in packets:
            self.assertIn(f'.cmd = "{packet}"', stub)

    def test_make_targets(self) -> None:
        text = README.read_text(encoding="utf-8")
        makefile = (TOP / "Makefile").read_text(encoding="utf-8")
        targets = set(" ".join(re.findall(r"(?m)^(?:TARGETS =)?([a-z -]+)(?=:|$)",
                                          makefile)).split())
        suites = {line.split()[0] for line in
                  (TOP / "tests/suites").read_text(encoding="utf-8").splitlines()
                  if line and not line.startswith("#")}
        named = set(re.findall(r"`make ([a-z][\w-]*)|^    make ([a-z][\w-]*)", text, re.M))
        for target in {one or other for one, other in named}:
            self.assertTrue(target in targets or target.removeprefix("check-") in suites, target)
        self.assertGreater(len(named), 5)

    def test_lab_options(self) -> None:
        done = subprocess.run([TOP / "lab/host", "--help"], capture_output=True, text=True,
                              check=True)
        known = set(re.findall(r"(?m)^\s+--([\w-]+)", done.stdout)) | {"help"}
        named = options(command_lines(README.read_text(encoding="utf-8"), "lab/host"), "--")
        self.assertLessEqual({"smp", "share", "forward"}, named)
        self.assertEqual(named - known, set())

    def test_files(self) -> None:
        text = README.read_text(encoding="utf-8")
        named = set(re.findall(r"(?<![\w/])(?:docs|lab|scripts|series|tests)/[\w./-]*\w", text))
        self.assertGreater(len(named), 3)
        self.assertEqual([name for name in named if not (TOP / name).exists()], [])


if __name__ == "__main__":
    unittest.main()
