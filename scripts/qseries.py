# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scripts that lay, refresh and mail the series have in common.

The series directory (series/10.0) holds patches in git-format-patch form and a
file `series`, one commit a line: the patch's name, then the files of this tree
that the commit brings.  Here are its reader and writer, the calls of git, and
the function that turns it into commits (`compose`).

`compose` works on a private index and never looks at a working tree, so it can
be stopped at any moment, and the same input always gives the same commit
hashes.  Only `move_tree` writes to the working tree of build/qemu.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BASE_VERSION = "10.0"
COMMITTER = ("QEMU series", "series@localhost")
BASE_DATE = "2025-01-01T00:00:00+0000"
UNFINISHED = ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD")
NO_SPACE = "No space left on device"
DISK_FULL = "the disk is full; make room for the folder build and run this again."


class Failure(Exception):
    """One sentence for the user."""


def fail(sentence: str) -> None:
    """Ends the program with a sentence for the user."""
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)


def run_main(work: Callable[[], None]) -> None:
    """Runs a program's work; what stops it is said in one sentence."""
    try:
        work()
    except Failure as failure:
        fail(str(failure))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            fail(DISK_FULL)
        fail(f"{error.filename}: {error.strerror}.")


@dataclass
class Commit:
    """One line of the series file."""

    patch: str
    overlay: list[str] = field(default_factory=list)


class Git:
    """git on one repository, deaf to the user's configuration."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        env.update(
            LC_ALL="C.UTF-8",
            GIT_CONFIG_NOSYSTEM="1",
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_LITERAL_PATHSPECS="1",
            # A folder without a .git must not be taken for a part of ours.
            GIT_CEILING_DIRECTORIES=str(self.tree.parent),
            GIT_COMMITTER_NAME=COMMITTER[0],
            GIT_COMMITTER_EMAIL=COMMITTER[1],
        )
        return env

    def run(self, *args: str, stdin: bytes | None = None,
            env: dict[str, str] | None = None,
            check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Runs git; a failure that nobody expected is a Failure."""
        done = subprocess.run(
            ["git", "-C", str(self.tree), *args], input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            env={**self.environment(), **(env or {})})
        if check and done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            if NO_SPACE in said:
                raise Failure(DISK_FULL)
            raise Failure(f"git {args[0]} failed in {self.tree}: "
                          f"{' '.join(said.split())}")
        return done

    def out(self, *args: str, stdin: bytes | None = None,
            env: dict[str, str] | None = None) -> str:
        done = self.run(*args, stdin=stdin, env=env)
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def ref(self, name: str) -> str | None:
        """The commit a name stands for, None where there is none."""
        done = self.run("rev-parse", "-q", "--verify", name + "^{commit}",
                        check=False)
        return done.stdout.decode().strip() or None

    def entries(self, tree: str) -> dict[str, tuple[str, str]]:
        """path -> (mode, blob) of a whole tree."""
        result = {}
        for line in self.out("ls-tree", "-r", "-z", tree).split("\0"):
            if line:
                info, path = line.split("\t", 1)
                mode, _, blob = info.split(" ")
                result[path] = (mode, blob)
        return result

    def changes(self, old: str, new: str) -> dict[str, tuple[str, str]]:
        """path -> (status letter, new mode) between two trees."""
        words = self.out("diff-tree", "-r", "-z", "--raw", "--no-renames",
                         old, new).split("\0")
        result = {}
        for info, path in zip(words[0::2], words[1::2]):
            fields = info.split(" ")
            result[path] = (fields[4], fields[1])
        return result


def read_series(directory: Path) -> list[Commit]:
    """The commits that the file `series` lists, in order."""
    listing = directory / "series"
    if not listing.exists():
        raise Failure(f"{shown(listing)} is missing; restore it with git.")
    commits: list[Commit] = []
    seen: set[str] = set()
    for line in listing.read_text(encoding="utf-8").splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if not (directory / words[0]).is_file():
            raise Failure(f"{shown(listing)} names {words[0]}, which is not in "
                          f"{shown(directory)}.")
        for name in words:
            if name in seen:
                raise Failure(f"{shown(listing)} names {name} twice.")
            seen.add(name)
        commits.append(Commit(words[0], words[1:]))
    return commits


def format_series(commits: list[Commit]) -> str:
    """The text of the file `series`."""
    lines = ["# SPDX-License-Identifier: GPL-2.0-or-later",
             "# One commit a line: its patch, then the files of this tree that "
             "it brings.",
             "# Written by \"make refresh\"; a new file may be added to a line "
             "by hand."]
    lines += [" ".join([c.patch, *sorted(c.overlay)]) for c in commits]
    return "\n".join(lines) + "\n"


def series_hash(directory: Path, base: str) -> str:
    """Names what laying depends on: the series, its overlay, the base."""
    digest = hashlib.sha256(base.encode())
    for commit in read_series(directory):
        digest.update(repr(commit).encode())
        digest.update((directory / commit.patch).read_bytes())
    return digest.hexdigest()


def shown(path: Path) -> str:
    """A path as the user would type it."""
    try:
        return str(path.relative_to(TOP))
    except ValueError:
        return str(path)


def link_target(tree: Path, path: str, top: Path) -> str:
    """Where the link to an overlay file points, seen from inside the tree."""
    return os.path.relpath(top / path, (tree / path).parent)


def split_patch(git: Git, patch: Path) -> tuple[dict[str, str], str, bytes]:
    """Author environment, message and diff of a patch, as `git am` has them."""
    with tempfile.TemporaryDirectory() as scratch:
        body, diff = Path(scratch, "body"), Path(scratch, "diff")
        info = git.out("mailinfo", "-b", "--encoding=UTF-8", str(body),
                       str(diff), stdin=patch.read_bytes())
        fields = dict(line.split(": ", 1) for line in info.splitlines()
                      if ": " in line)
        text = body.read_text(encoding="utf-8").strip("\n")
        diff_bytes = diff.read_bytes()
    for name in ("Author", "Email", "Subject", "Date"):
        if not fields.get(name):
            raise Failure(f"{shown(patch)} has no {name.lower()} in its head; "
                          "it must be in the form of git format-patch.")
    message = fields["Subject"] + "\n" + ("\n" + text + "\n" if text else "")
    start = re.search(rb"^diff --git ", diff_bytes, re.M)
    author = {"GIT_AUTHOR_NAME": fields["Author"],
              "GIT_AUTHOR_EMAIL": fields["Email"],
              "GIT_AUTHOR_DATE": fields["Date"],
              "GIT_COMMITTER_DATE": fields["Date"]}
    return author, message, diff_bytes[start.start():] if start else b""


class Composer:
    """Builds commits on a private index."""

    def __init__(self, git: Git, scratch: Path) -> None:
        self.git = git
        self.env = {"GIT_INDEX_FILE": str(scratch / "index")}

    def start(self, commit: str) -> None:
        self.git.run("read-tree", commit, env=self.env)

    def apply(self, diff: bytes, name: str) -> None:
        """Applies a diff to the index."""
        if not diff:
            return
        done = self.git.run("apply", "--cached", "--whitespace=nowarn", "-",
                            stdin=diff, env=self.env, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").splitlines()
            where = next((s for s in said if "patch failed" in s), said[0])
            where = where.removeprefix("error: ").removeprefix("patch failed: ")
            raise Failure(f"{name} does not apply to this base ({where}).")

    def put(self, files: dict[str, tuple[str, str]]) -> None:
        """Sets paths to (mode, blob)."""
        lines = "".join(f"{mode} {blob}\t{path}\0"
                        for path, (mode, blob) in files.items())
        self.git.run("update-index", "-z", "--index-info",
                     stdin=lines.encode("utf-8", "surrogateescape"),
                     env=self.env)

    def commit(self, parent: str | None, message: str,
               author: dict[str, str]) -> str:
        tree = self.git.out("write-tree", env=self.env)
        parents = ["-p", parent] if parent else []
        return self.git.out("commit-tree", tree, *parents, "-F", "-",
                            stdin=message.encode("utf-8", "surrogateescape"),
                            env=author)


def overlay_links(git: Git, base: dict[str, tuple[str, str]], commit: Commit,
                  top: Path, coming: set[str]) -> dict[str, tuple[str, str]]:
    """The links that stand for a commit's overlay files."""
    result = {}
    for path in commit.overlay:
        if path not in coming and not (top / path).is_file():
            raise Failure(f"{path}, which {commit.patch} brings, is missing; "
                          "restore it or take it out of the file series.")
        if path in base:
            raise Failure(f"{path} is one of QEMU's own files: a change of it "
                          f"belongs into a patch, not beside {commit.patch}.")
        target = link_target(git.tree, path, top)
        blob = git.out("hash-object", "-w", "--stdin",
                       stdin=target.encode("utf-8"))
        result[path] = ("120000", blob)
    return result


def overlay_files(git: Git, commit: Commit,
                  top: Path) -> dict[str, tuple[str, str]]:
    """The overlay files themselves, as the mailed series has them."""
    result = {}
    for path in commit.overlay:
        blob = git.out("hash-object", "-w", "--no-filters", str(top / path))
        executable = os.access(top / path, os.X_OK)
        result[path] = ("100755" if executable else "100644", blob)
    return result


def compose(git: Git, base: str, directory: Path, links: bool = True,
            top: Path = TOP, coming: set[str] | None = None) -> str:
    """Turns the series into commits on top of base; the last one's hash.

    Overlay files become links to this tree (links) or plain files; those that
    are `coming` need not be in this tree yet.
    """
    base_entries = git.entries(base)
    tip = base
    with tempfile.TemporaryDirectory() as scratch:
        composer = Composer(git, Path(scratch))
        composer.start(base)
        for commit in read_series(directory):
            patch = directory / commit.patch
            author, message, diff = split_patch(git, patch)
            composer.apply(diff, shown(patch))
            files = overlay_links(git, base_entries, commit, top, coming or set())
            composer.put(files if links else overlay_files(git, commit, top))
            tip = composer.commit(tip, message, author)
    return tip


def write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def refuse_uncommitted(git: Git) -> None:
    """Uncommitted changes, or an operation of git that is not finished."""
    for name in UNFINISHED:
        if (git.tree / ".git" / name).exists():
            raise Failure(f"{shown(git.tree)} is in the middle of a rebase "
                            "or merge; finish or abort it first.")
    dirty = git.out("status", "--porcelain", "-uno").splitlines()
    if dirty:
        raise Failure(f"{shown(git.tree)} has uncommitted changes "
                        f"({dirty[0][3:]}); commit them, or stash them, first.")


def refuse_unrefreshed(git: Git) -> None:
    """Commits that are in build/qemu only."""
    refuse_uncommitted(git)
    head, laid = git.ref("HEAD"), git.ref("refs/tags/laid")
    if head and laid and head != laid:
        where = shown(git.tree)
        raise Failure(f"{where} has commits that are not in the series; run "
                        "\"make refresh\", or \"make rebase\" if the series has "
                        "changed too.")


def settle_rebase(git: Git) -> None:
    """A rebase onto a changed series that had to wait for the user: is it
    done, or was it given up?"""
    marker = git.tree / ".git/rebasing"
    if not marker.exists() or (git.tree / ".git/rebase-merge").exists():
        return
    new = marker.read_text()
    done = git.run("merge-base", "--is-ancestor", new, "HEAD", check=False)
    if done.returncode == 0:
        git.run("update-ref", "refs/tags/laid", new)
    marker.unlink()


def move_tree(git: Git, new: str) -> None:
    """Takes HEAD, index and working tree to a commit, touching what differs."""
    old = git.ref("HEAD")
    marker = git.tree / ".git/laying"
    write(marker, f"{old or 'none'} {new}")
    done = git.run("read-tree", "-m", "-u", *([old] if old else []), new,
                   check=False)
    if done.returncode:
        marker.unlink()
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failure(f"a file in {shown(git.tree)} is in the way: "
                        f"{' '.join(said[:2])}")
    git.run("update-ref", "-m", "lay", "HEAD", new)
    git.run("update-ref", "refs/tags/laid", new)
    marker.unlink()
