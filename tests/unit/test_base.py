# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/base-qemu with an apt-get that only pretends: what it says when the
archive is not what it should be, and that a broken download is never used."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
APT_GET = """#!/bin/sh
for arg; do case $arg in
    indextargets) echo "Debian/Debian http://archive.example/debian"; exit ;;
    update) exit $UPDATE ;;
    source) [ "$SOURCE" = 0 ] && echo tar > qemu_10.0.13+ds.orig.tar.xz; exit $SOURCE ;;
esac; done
"""
APT_CACHE = "#!/bin/sh\n[ -z \"$VERSION\" ] || echo Version: $VERSION\n"


class Base(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.top = Path(scratch.name)
        self.cache = self.top / "cache/loongarch-kvm-debug"
        for folder in ("scripts", "bin"):
            (self.top / folder).mkdir()
        for name in ("base-qemu", "archive.bash"):
            shutil.copy2(TOP / "scripts" / name, self.top / "scripts")
        for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
            (self.top / "bin" / name).write_text(text)
            (self.top / "bin" / name).chmod(0o755)

    def run_it(self, update: int = 0, source: int = 0,
               version: str = "1:10.0.13+ds-0+deb13u1"
               ) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "UPDATE": str(update), "SOURCE": str(source),
               "VERSION": version, "XDG_CACHE_HOME": str(self.top / "cache"),
               "PATH": f"{self.top / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run([self.top / "scripts/base-qemu"], env=env,
                              text=True, capture_output=True, check=False)

    def refused(self, **how: object) -> str:
        done = self.run_it(**how)  # type: ignore[arg-type]
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Aerror: .*\.\n\Z")
        return done.stderr

    def test_cached_once_it_is_there(self) -> None:
        first = self.run_it()
        self.assertEqual(first.returncode, 0, first.stderr)
        tarball = Path(first.stdout.strip())
        self.assertEqual(tarball.parent, self.cache)
        again = self.run_it(update=100)
        self.assertEqual(again.stdout, first.stdout)

    def test_changed_in_the_cache(self) -> None:
        tarball = Path(self.run_it().stdout.strip())
        tarball.write_text("something else")
        self.assertEqual(self.run_it().returncode, 0)
        self.assertEqual(tarball.read_text(), "tar\n")

    def test_half_written_to_the_cache(self) -> None:
        self.cache.mkdir(parents=True)
        (self.cache / "qemu_10.0.13+ds.orig.tar.xz").write_text("half")
        done = self.run_it()
        self.assertEqual(Path(done.stdout.strip()).read_text(), "tar\n")

    def test_no_network(self) -> None:
        self.assertIn("check the network", self.refused(update=100))

    def test_package_gone(self) -> None:
        self.assertIn("no source package qemu", self.refused(version=""))

    def test_other_version(self) -> None:
        self.assertIn("--qemu=DIR", self.refused(version="1:10.2.0+ds-1"))

    def test_download_fails(self) -> None:
        self.assertIn("run this again", self.refused(source=100))


if __name__ == "__main__":
    unittest.main()
