# SPDX-License-Identifier: GPL-2.0-or-later
"""How scripts/check counts, and that every shell and Python file is sound."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
FOLDERS = ("scripts", "lab", "tests", ".ci")


class Count(unittest.TestCase):
    def check(self, *suites: str, asked: str = "") -> subprocess.CompletedProcess[str]:
        """Runs suites that are given as shell commands."""
        with tempfile.TemporaryDirectory() as scratch:
            top = Path(scratch)
            (top / "scripts").mkdir()
            (top / "tests").mkdir()
            shutil.copy2(TOP / "scripts/check", top / "scripts")
            lines = []
            for number, text in enumerate(suites):
                command = top / f"suite{number}"
                command.write_text("#!/bin/sh\n" + text)
                command.chmod(0o755)
                when = "asked" if f"s{number}" == asked else "always"
                lines.append(f"s{number} {when} nothing 2 ./suite{number}\n")
            (top / "tests/suites").write_text("# a comment\n" + "".join(lines))
            return subprocess.run([top / "scripts/check"], text=True,
                                  capture_output=True, check=False)

    def last(self, *suites: str, asked: str = "") -> tuple[str, int]:
        done = self.check(*suites, asked=asked)
        return done.stdout.splitlines()[-1], done.returncode

    def test_sum(self) -> None:
        self.assertEqual(
            self.last("echo 1..3; echo ok 1 - a; echo 'ok 2 - b # SKIP no';"
                      "echo ok 3 - c",
                      "echo ok 1; echo 1..1"),
            ("3 passed, 0 failed, 1 skipped", 0))

    def test_failure(self) -> None:
        done = self.check("echo not ok 1 - the name; echo 1..1; exit 1")
        self.assertIn("failed: s0: the name", done.stdout)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.endswith("0 passed, 1 failed, 0 skipped\n"))

    def test_whole_suite_skipped(self) -> None:
        self.assertEqual(self.last("echo '1..0 # SKIP no machine'"),
                         ("0 passed, 0 failed, 1 skipped", 0))

    def test_nothing_is_taken_for_passed(self) -> None:
        for text in ("exit 0", "echo ok 1", "echo 1..2; echo ok 1",
                     "echo ok 1; echo 1..1; exit 3", "sleep 9", "exec nonesuch",
                     "echo 1..1; echo ok 1; kill -9 $$"):
            with self.subTest(text):
                line, status = self.last(text)
                self.assertIn(" 1 failed,", line)
                self.assertEqual(status, 1)

    def test_asked_only(self) -> None:
        self.assertEqual(self.last("echo 1..1; echo ok 1", "exit 1", asked="s1"),
                         ("1 passed, 0 failed, 0 skipped", 0))


class Files(unittest.TestCase):
    def sources(self, *shebangs: bytes) -> list[Path]:
        found = [TOP / "configure"]
        for folder in FOLDERS:
            found += (TOP / folder).rglob("*")
        result = []
        for file in found:
            if file.is_file() and "__pycache__" not in file.parts:
                first = file.read_bytes().split(b"\n", 1)[0]
                if first.startswith(b"#!") and any(s in first for s in shebangs):
                    result.append(file)
        return result

    def test_shellcheck(self) -> None:
        if not shutil.which("shellcheck"):
            self.skipTest("the package shellcheck is not installed")
        files = [f for f in self.sources(b"bash", b"/sh")]
        done = subprocess.run(["shellcheck", "--external-sources", *files], cwd=TOP,
                              text=True, check=False, capture_output=True)
        self.assertEqual(done.stdout, "")

    def test_python_has_type_hints(self) -> None:
        bare = []
        for folder in FOLDERS:
            files = [*(TOP / folder).rglob("*.py")]
            for file in files + self.sources(b"python"):
                for node in ast.walk(ast.parse(file.read_text())):
                    if isinstance(node, ast.FunctionDef) and not node.returns:
                        if node.name != "__init__":
                            bare.append(f"{file.name}:{node.lineno}")
        self.assertEqual(bare, [])

    def test_licence_line(self) -> None:
        for file in self.sources(b"sh", b"python"):
            with self.subTest(file.name):
                self.assertIn("SPDX-License-Identifier: GPL-2.0-or-later",
                              "\n".join(file.read_text().splitlines()[1:9]))


if __name__ == "__main__":
    unittest.main()
