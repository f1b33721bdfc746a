# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/devel/*-tests.rst say is tested, and by what.

A row of a table begins with its id.  A test in it is ``program: result``;
behind it can stand what it does on the unpatched base, "passes" or
"fails: ``why``".  Whether it is so is for others to try.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
SYSTEM = TOP / "tests/tcg/loongarch64/system"
FUNCTIONAL = TOP / "tests/functional"
UNIT = TOP / "tests/unit"

ROW = re.compile(r"^   \* - ([A-Z]\d+|[a-z])$", re.M)
TEST = re.compile(r"``([^`: ]+): ([^`]+)``(?:\s+(passes)\b|\s+(fails):\s+``([^`]+)``)?")
# A C string literal, and those that the compiler joins to it
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
CONVERSION = re.compile(r"%0?\d*l?([sdxc])")


@dataclass(frozen=True)
class Test:
    """A test that a row names."""

    program: str
    result: str
    # On the base: "passes", "fails" or "" where that is not said.
    base: str = ""
    # A part of what it says when it fails there.
    why: str = ""

    def __str__(self) -> str:
        return f"{self.program}: {self.result}"


def rows(text: str) -> list[tuple[str, str]]:
    """The id and the text of each row, in order."""
    pieces = ROW.split(text)[1:]
    return list(zip(pieces[::2], pieces[1::2]))


def tests(text: str) -> list[Test]:
    """The tests named in a text, in order."""
    plain = re.sub(r"\s+", " ", re.sub(r"^\s*\|", "", text, flags=re.M))
    return [Test(program, result, passes or fails, why)
            for program, result, passes, fails, why in TEST.findall(plain)]


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
        return any(path.exists() and
                   re.search(rf"^    def {re.escape(result)}\(", path.read_text(), re.M)
                   for path in (folder / f"{program}.py" for folder in (FUNCTIONAL, UNIT)))
    path = next((path for path in (folder / f"{program}.c" for folder in (SYSTEM, UNIT))
                 if path.exists()), None)
    if not path:
        return False
    strings = literals(path.read_text())
    return result in strings or any(
        pattern.fullmatch(result) for pattern in map(as_pattern, strings) if pattern)
