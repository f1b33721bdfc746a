# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds of the patches of the series as they are: each is signed off by its
author, and together they have QEMU run every test that they bring."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SERIES = TOP / "series/10.0"
# Not whoever a machine's git takes for granted.
AUTHOR = "LoongArch KVM debug project <loongarch-kvm-debug@example.org>"


def patches() -> list[tuple[str, str]]:
    """Name and text of each, in their order."""
    lines = (SERIES / "series").read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line and not line.startswith("#")]
    return [(name, (SERIES / name).read_text(encoding="utf-8")) for name in names]


class Patches(unittest.TestCase):
    def test_signed_off(self) -> None:
        for name, text in patches():
            message = text.partition("\n---\n")[0]
            author = re.search(r"(?m)^From: (.*)$", message)
            with self.subTest(name):
                assert author
                self.assertIn(author[1], re.findall(r"(?m)^Signed-off-by: (.*)$", message))
                self.assertEqual(author[1], AUTHOR)

    def named(self, pattern: str) -> set[str]:
        """What is there after all of them: a later one can take out what another put in."""
        there: set[str] = set()
        for _name, text in patches():
            for sign, name in re.findall(rf"(?m)^([-+]) +{pattern}", text):
                (there.add if sign == "+" else there.discard)(name)
        return there

    def test_unit_tests_are_built(self) -> None:
        self.assertEqual(self.named(r"'(test-loongarch-[\w-]+)': "),
                         {path.stem for path in
                          (TOP / "tests/unit").glob("test-loongarch-*.c")})

    def test_functional_tests_are_run(self) -> None:
        self.assertEqual(self.named(r"'(loongarch64_\w+)',$"),
                         {path.stem.removeprefix("test_") for path in
                          (TOP / "tests/functional").glob("test_loongarch64_*.py")})


if __name__ == "__main__":
    unittest.main()
