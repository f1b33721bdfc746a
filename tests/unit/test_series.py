# SPDX-License-Identifier: GPL-2.0-or-later
"""Laying a series over a base and getting it back, on a toy QEMU.

Not tested here: that the real series applies to the real base, which laying it
shows at every build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
NOTE = "core.txt"
LINES = [f"line {n}\n" for n in range(40)]

EDIT = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Zoë Writer <zoe@example.org>
Date: Sat, 1 Mar 2025 10:00:00 +0800
Subject: [PATCH] core: say two

Why: one is not enough.

Signed-off-by: Zoë Writer <zoe@example.org>
---

diff --git a/core.txt b/core.txt
--- a/core.txt
+++ b/core.txt
@@ -2,6 +2,7 @@ line 0
 line 1
 line 2
 line 3
+two
 line 4
 line 5
 line 6
"""

BRING = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Zoë Writer <zoe@example.org>
Date: Sat, 1 Mar 2025 11:00:00 +0800
Subject: [PATCH] part: a new file

---

"""


class Toy(unittest.TestCase):
    """A copy of the scripts beside a series of two patches."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.top = Path(scratch.name).resolve() / "top"
        self.tree = self.top / "build/qemu"
        self.series = self.top / "series/10.0"
        self.series.mkdir(parents=True)
        scripts = self.top / "scripts"
        scripts.mkdir()
        for name in ("lay", "refresh", "qseries.py", "mail-series"):
            if (TOP / "scripts" / name).exists():
                shutil.copy2(TOP / "scripts" / name, scripts / name)
        self.tarball = self.make_tarball("10.0.13")
        (self.series / "0001-core-say-two.patch").write_text(EDIT)
        (self.series / "0002-part-a-new-file.patch").write_text(BRING)
        (self.series / "series").write_text(
            "# SPDX-License-Identifier: GPL-2.0-or-later\n"
            "0001-core-say-two.patch\n"
            "0002-part-a-new-file.patch sub/part.c\n")
        (self.top / "sub").mkdir()
        (self.top / "sub/part.c").write_text("int part;\n")

    def make_tarball(self, version: str) -> Path:
        source = self.top.parent / f"qemu-{version}"
        (source / "sub").mkdir(parents=True, exist_ok=True)
        (source / "subprojects/keycodemapdb").mkdir(parents=True, exist_ok=True)
        (source / "subprojects/keycodemapdb/meson.build").write_text("")
        (source / "VERSION").write_text(version + "\n")
        (source / NOTE).write_text("".join(LINES))
        (source / "sub/old.c").write_text("int old;\r\n")
        (source / ".gitignore").write_text("*.patch\n")
        (source / "kept.patch").write_text("ignored by git, part of QEMU\n")
        tarball = self.top.parent / f"qemu_{version}.orig.tar.xz"
        with tarfile.open(tarball, "w:xz") as archive:
            archive.add(source, source.name)
        return tarball

    def script(self, name: str, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.top / "scripts" / name, *args], check=False,
                              text=True, capture_output=True)

    def lay(self, *args: str) -> None:
        done = self.script("lay", "--tarball", str(self.tarball), *args)
        self.assertEqual(done.returncode, 0, done.stderr)

    def refresh(self, *args: str) -> str:
        done = self.script("refresh", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, name: str, *args: str) -> str:
        """The one sentence with which a script refuses."""
        if name == "lay" and not args:
            args = ("--tarball", str(self.tarball))
        done = self.script(name, *args)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, r"^error: .*\.$")
        return done.stderr

    def git(self, *args: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
               "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}
        done = subprocess.run(["git", "-C", self.tree, *args], check=True,
                              text=True, env=env, capture_output=True)
        return done.stdout.rstrip("\n")

    def state(self) -> dict[str, bytes]:
        """All that is in the series directory and the overlay."""
        files = [*self.series.iterdir(), *(self.top / "sub").iterdir()]
        return {str(f): f.read_bytes() for f in files}


class Lay(Toy):
    def test_commits(self) -> None:
        self.lay()
        self.assertEqual(self.git("log", "--format=%an %s%d").splitlines(),
                         ["Zoë Writer part: a new file (HEAD -> series, tag: "
                          "laid)", "Zoë Writer core: say two",
                          "QEMU series QEMU 10.0.13 (tag: base)"])
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertIn("two\n", (self.tree / NOTE).read_text())
        self.assertEqual((self.tree / "sub/old.c").read_bytes(), b"int old;\r\n")
        self.assertTrue((self.tree / "kept.patch").exists())

    def test_overlay_is_linked(self) -> None:
        self.lay()
        self.assertTrue((self.tree / "sub/part.c").is_symlink())
        (self.tree / "sub/part.c").write_text("int edited;\n")
        self.assertEqual((self.top / "sub/part.c").read_text(), "int edited;\n")
        self.assertEqual(self.git("status", "--porcelain"), "")

    def test_same_hashes_anywhere(self) -> None:
        self.lay()
        first = self.git("rev-parse", "HEAD")
        shutil.rmtree(self.top / "build")
        self.lay()
        self.assertEqual(self.git("rev-parse", "HEAD"), first)

    def test_again_touches_only_what_changed(self) -> None:
        self.lay()
        old = os.stat(self.tree / "sub/old.c").st_mtime_ns
        inode = os.stat(self.tree / "sub/old.c").st_ino
        patch = self.series / "0001-core-say-two.patch"
        patch.write_text(EDIT.replace("+two", "+three"))
        self.lay()
        self.assertIn("three\n", (self.tree / NOTE).read_text())
        after = os.stat(self.tree / "sub/old.c")
        self.assertEqual((after.st_mtime_ns, after.st_ino), (old, inode))

    def test_patch_that_does_not_apply(self) -> None:
        self.lay()
        before = self.git("rev-parse", "HEAD")
        patch = self.series / "0001-core-say-two.patch"
        patch.write_text(EDIT.replace(" line 3", " line x"))
        self.assertIn("series/10.0/0001-core-say-two.patch does not apply",
                      self.refused("lay"))
        self.assertEqual(self.git("rev-parse", "HEAD"), before)

    def test_wrong_version(self) -> None:
        self.tarball = self.make_tarball("10.1.0")
        self.assertIn("is QEMU 10.1.0, but", self.refused("lay"))
        self.tarball = self.make_tarball("10.0.14")
        self.lay()

    def test_own_tree_is_left_alone(self) -> None:
        source = self.top.parent / "qemu-10.0.13"
        before = sorted(str(p) for p in source.rglob("*"))
        done = self.script("lay", "--qemu", str(source))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(str(p) for p in source.rglob("*")), before)
        self.assertIn("two\n", (self.tree / NOTE).read_text())
        (source / "sub/old.c").write_text("int newer;\n")
        done = self.script("lay", "--qemu", str(source))
        self.assertEqual((self.tree / "sub/old.c").read_text(), "int newer;\n")

    def test_not_a_tree(self) -> None:
        self.assertIn("no file VERSION",
                      self.refused("lay", "--qemu", str(self.series)))

    def test_keeps_uncommitted_work(self) -> None:
        self.lay()
        (self.tree / NOTE).write_text("mine\n")
        (self.series / "0001-core-say-two.patch").write_text(
            EDIT.replace("+two", "+three"))
        self.assertIn("uncommitted changes (core.txt)", self.refused("lay"))
        self.assertEqual((self.tree / NOTE).read_text(), "mine\n")

    def test_keeps_unrefreshed_work(self) -> None:
        self.lay()
        (self.tree / "sub/old.c").write_text("int mine;\n")
        self.git("commit", "-qam", "mine")
        (self.series / "0001-core-say-two.patch").write_text(
            EDIT.replace("+two", "+three"))
        self.assertIn("make refresh", self.refused("lay"))
        self.assertIn("make refresh", self.refused("lay", "--unrefreshed"))
        self.assertIn("make rebase", self.refused("refresh"))
        self.lay("--rebase")
        self.refresh()
        self.assertIn("three\n", (self.tree / NOTE).read_text())
        self.assertEqual((self.tree / "sub/old.c").read_text(), "int mine;\n")
        self.assertTrue((self.series / "0003-mine.patch").exists())

    def conflict(self) -> None:
        """A rebase that stops: both sides change the same line."""
        self.lay()
        text = (self.tree / NOTE).read_text().replace("two", "mine")
        (self.tree / NOTE).write_text(text)
        self.git("commit", "-qam", "mine")
        (self.series / "0001-core-say-two.patch").write_text(
            EDIT.replace("+two", "+three"))
        done = self.script("lay", "--tarball", str(self.tarball), "--rebase")
        self.assertIn("git rebase --continue", done.stderr)

    def test_rebase_with_a_conflict(self) -> None:
        self.conflict()
        self.assertIn("in the middle", self.refused("refresh"))
        (self.tree / NOTE).write_text("".join(LINES) + "mine and three\n")
        self.git("add", NOTE)
        self.git("-c", "core.editor=true", "rebase", "--continue")
        self.refresh()
        self.assertIn("+three",
                      (self.series / "0001-core-say-two.patch").read_text())
        self.assertIn("+mine and three",
                      (self.series / "0003-mine.patch").read_text())

    def test_rebase_given_up(self) -> None:
        self.conflict()
        self.git("rebase", "--abort")
        self.assertIn("make rebase", self.refused("refresh"))
        self.assertIn("mine\n", (self.tree / NOTE).read_text())

    def test_missing_overlay_file(self) -> None:
        (self.top / "sub/part.c").unlink()
        self.assertIn("sub/part.c", self.refused("lay"))

    def test_killed_while_writing(self) -> None:
        self.lay()
        old = self.git("rev-parse", "HEAD")
        (self.series / "0001-core-say-two.patch").write_text(
            EDIT.replace("+two", "+three"))
        self.lay()
        new = self.git("rev-parse", "HEAD")
        self.git("reset", "-q", "--hard", old)
        self.git("tag", "-f", "laid", old)
        (self.tree / ".git/laying").write_text(f"{old} {new}")
        (self.tree / ".git/series-hash").unlink()
        (self.tree / ".git/index.lock").touch()
        (self.tree / NOTE).write_text("half of it")
        self.lay()
        self.assertEqual(self.git("rev-parse", "HEAD"), new)
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertIn("three\n", (self.tree / NOTE).read_text())


class Refresh(Toy):
    def test_round_trip(self) -> None:
        self.lay()
        before = self.state()
        head = self.git("rev-parse", "HEAD")
        self.refresh()
        self.assertEqual(self.git("rev-parse", "HEAD"), head)
        listing = str(self.series / "series")
        after = self.state()
        self.assertEqual(
            [s for s in after.pop(listing).splitlines() if s[:1] != b"#"],
            [s for s in before.pop(listing).splitlines() if s[:1] != b"#"])
        self.assertEqual(after, before)
        before = self.state()
        self.refresh()
        self.assertEqual(self.state(), before)

    def test_new_plain_file_moves_here(self) -> None:
        self.lay()
        (self.tree / "sub/new.c").write_text("int first;\n")
        (self.tree / "tool").write_text("#!/bin/sh\n")
        (self.tree / "tool").chmod(0o755)
        (self.tree / NOTE).write_text("".join(LINES[:30]))
        self.git("add", "-A")
        self.git("commit", "-qm", "new: a file\n\nWhy it is here.")
        (self.tree / "sub/new.c").write_text("int second;\n")
        (self.tree / "sub/old.c").write_text("int changed;\n")
        self.git("commit", "-qam", "old: change it")
        self.refresh()
        self.assertEqual((self.top / "sub/new.c").read_text(), "int second;\n")
        self.assertTrue(os.access(self.top / "tool", os.X_OK))
        self.assertTrue((self.tree / "sub/new.c").is_symlink())
        self.assertIn("0003-new-a-file.patch sub/new.c tool\n",
                      (self.series / "series").read_text())
        patch = (self.series / "0004-old-change-it.patch").read_text()
        self.assertIn("int changed;", patch)
        self.assertNotIn("new.c", patch)
        self.assertEqual(self.git("status", "--porcelain"), "")
        before = self.state()
        shutil.rmtree(self.top / "build")
        self.lay()
        self.refresh()
        self.assertEqual(self.state(), before)

    def test_fixup_of_an_early_commit(self) -> None:
        self.lay()
        text = (self.tree / NOTE).read_text().replace("two", "2")
        (self.tree / NOTE).write_text(text)
        self.git("commit", "-qa", "--fixup=HEAD~1")
        self.git("-c", "sequence.editor=:", "rebase", "-q", "-i",
                 "--autosquash", "base")
        self.refresh()
        self.assertIn("+2\n",
                      (self.series / "0001-core-say-two.patch").read_text())
        self.assertEqual(len(list(self.series.glob("*.patch"))), 2)

    def test_does_not_replace_other_contents(self) -> None:
        self.lay()
        (self.top / "sub/new.c").write_text("int here;\n")
        (self.tree / "sub/new.c").write_text("int there;\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "new: a file")
        self.assertIn("TAKE=1", self.refused("refresh"))
        self.assertEqual((self.top / "sub/new.c").read_text(), "int here;\n")
        self.refresh("--take")
        self.assertEqual((self.top / "sub/new.c").read_text(), "int there;\n")

    def test_message_that_a_patch_cannot_hold(self) -> None:
        self.lay()
        (self.tree / "sub/old.c").write_text("int changed;\n")
        self.git("commit", "-qam", "old: change it\n\none\n---\ntwo")
        before = self.state()
        self.assertIn("would not survive", self.refused("refresh"))
        self.assertEqual(self.state(), before)

    def test_uncommitted_work_is_refused(self) -> None:
        self.lay()
        (self.tree / NOTE).write_text("mine\n")
        self.assertIn("uncommitted", self.refused("refresh"))


if __name__ == "__main__":
    unittest.main()
