# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/devel/loongarch-lvz-tests.rst names every requirement and real tests.

That a test passes is for its own suite to say; here it is enough that there is
one of that name.
"""

from __future__ import annotations

import re
import string
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TABLE = TOP / "docs/devel/loongarch-lvz-tests.rst"
SYSTEM = TOP / "tests/tcg/loongarch64/system"
FUNCTIONAL = TOP / "tests/functional"

IDS = ([f"R{n}" for n in range(1, 54)] + [f"T{n}" for n in range(1, 12)] +
       list(string.ascii_lowercase[:string.ascii_lowercase.index("v") + 1]))
ROW = re.compile(r"^   \* - ((?:[RT]\d+)|[a-z])$", re.M)
TEST = re.compile(r"``([^`: ]+): ([^`]+)``")
# A C string literal, and those that the compiler joins to it
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
CONVERSION = re.compile(r"%0?\d*l?([sdxc])")


def literals(text: str) -> set[str]:
    """All strings of a C source."""
    found = set()
    for match in LITERAL.finditer(text):
        found.add("".join(part[1:-1] for part in
                          re.findall(r'"(?:[^"\\\n]|\\.)*"', match.group())))
    return found


def as_pattern(literal: str) -> re.Pattern[str] | None:
    """What a format can print; None if that is nearly anything."""
    plain = CONVERSION.sub("", literal)
    if plain == literal or len(re.findall(r"\w", plain)) < 5:
        return None
    parts, at = [], 0
    for match in CONVERSION.finditer(literal):
        parts += [re.escape(literal[at:match.start()]),
                  r".+" if match[1] in "sc" else r"-?[0-9a-f]+"]
        at = match.end()
    return re.compile("".join(parts) + re.escape(literal[at:]))


def reports(program: str, result: str) -> bool:
    """Does a source have a test of that name?"""
    if program.startswith("test_"):
        path = FUNCTIONAL / f"{program}.py"
        return path.exists() and bool(
            re.search(rf"^    def {re.escape(result)}\(", path.read_text(), re.M))
    path = SYSTEM / f"{program}.c"
    if not path.exists():
        return False
    strings = literals(path.read_text())
    return result in strings or any(
        pattern.fullmatch(result) for pattern in map(as_pattern, strings) if pattern)


class Table(unittest.TestCase):
    def setUp(self) -> None:
        self.text = TABLE.read_text(encoding="utf-8")

    def test_every_requirement(self) -> None:
        """Each has one row, in order, with at least one test."""
        self.assertEqual(ROW.findall(self.text), IDS)
        for row in re.split(r"^   \* - ", self.text, flags=re.M)[1:]:
            if not row.startswith(("Id\n", "What\n")):
                self.assertRegex(row, TEST, "a row without a test")

    def test_every_test_exists(self) -> None:
        """No name is made up or has been changed since."""
        named = TEST.findall(self.text)
        self.assertGreater(len(named), len(IDS))
        missing = [f"{program}: {result}" for program, result in named
                   if not reports(program, result)]
        self.assertEqual(missing, [])

    def test_every_program_is_named(self) -> None:
        """None of the bare-metal programs is there for nothing."""
        named = {program for program, _ in TEST.findall(self.text)}
        there = {path.stem for kind in ("lvz", "base")
                 for path in SYSTEM.glob(f"{kind}-*.c")} - {"lvz-lib"}
        self.assertEqual(there - named, set())

    def test_the_check_itself(self) -> None:
        """A wrong name is found."""
        self.assertTrue(reports("lvz-gcsr", "CRMD reads back"))
        self.assertFalse(reports("lvz-gcsr", "CRMD reads backwards"))
        self.assertFalse(reports("lvz-nothing", "CRMD reads back"))
        self.assertFalse(reports("test_loongarch64_lvz", "test_nothing"))


if __name__ == "__main__":
    unittest.main()
