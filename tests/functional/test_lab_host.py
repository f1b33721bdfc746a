#!/usr/bin/env python3
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""lab/host as its user meets it: output, status, sharing, ports, accidents.

It is about the command; what the KVM host inside is good for, other tests show.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import uuid
from pathlib import Path
from unittest import SkipTest

from qemu_test import QemuBaseTest
from qemu_test.kvmhost import find_lab, lab_module

OWN_FAILURE = 255
LOOPBACK = "0100007F"
LISTEN = "0A"
INSIDE = """
cat /mnt/share/from-here
echo from there >/mnt/share/from-there
echo complaint >&2
nc -l -p 1234 -e cat
cat
exit 7
"""


class LabHost(QemuBaseTest):
    """Runs lab/host."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if lab_module("kvmhost").is_local():
            raise SkipTest("there is no lab on a LoongArch machine")

    def setUp(self) -> None:
        super().setUp()
        # In the command line of all that belongs to this test.
        self.marker = f"lab_test={uuid.uuid4().hex}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it with all three streams on pipes."""
        lab = find_lab()
        assert lab
        process = subprocess.Popen(
            [lab / "host", "--smp", "1", "--append", self.marker, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)

    def emulators(self) -> list[int]:
        """The processes of QEMU that belong to this test."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"qemu-system-loongarch64") and \
                    any(self.marker.encode() in word for word in words):
                found.append(int(folder.name))
        return found

    def await_gone(self, pids: list[int]) -> None:
        """Wait for the end of processes that are not our children."""
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            with os.fdopen(fd):
                self.assertTrue(select.select([fd], [], [], 20)[0],
                                f"process {pid} was left behind")
        self.assertEqual(self.emulators(), [])

    def listening(self, pid: int) -> set[str]:
        """The addresses on which a process listens for TCP."""
        inodes = set()
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(fd).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
        rows = [line.split() for table in ("tcp", "tcp6")
                for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        return {row[1].rpartition(":")[0] for row in rows
                if row[3] == LISTEN and row[9] in inodes}

    def test_command(self) -> None:
        """Its output, its status, the shared folder and a forwarded port."""
        share = Path(self.scratch_file("shared"))
        share.mkdir()
        (share / "from-here").write_text("from here\n")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = self.start("--share", str(share), "--forward", f"{port}:1234", "--", INSIDE)
        assert process.stdout and process.stderr and process.stdin
        # The port is listened on there after this line, but nothing says when.
        self.assertEqual(process.stdout.readline(), "from here\n")
        self.assertEqual(process.stderr.readline(), "complaint\n")
        (pid,) = self.emulators()
        self.assertEqual(self.listening(pid), {LOOPBACK})
        self.echo(port)
        out, err = process.communicate("for cat\n", timeout=60)
        self.assertEqual((out, err, process.returncode), ("for cat\n", "", 7))
        self.assertEqual((share / "from-there").read_text(), "from there\n")
        self.await_gone([pid])

    def echo(self, port: int) -> None:
        """Get an answer through the forwarded port."""
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
                try:
                    link.sendall(b"hello")
                    if link.recv(5) == b"hello":
                        return
                except ConnectionError:
                    # Refused there, until nc listens.
                    continue
        self.fail("no answer through the forwarded port")

    def check_refusal(self, pattern: str, *arguments: str) -> None:
        """It must end with one sentence, a status and nothing left."""
        process = self.start(*arguments, "--", "true")
        out, err = process.communicate("", timeout=120)
        self.assertEqual((out, process.returncode), ("", OWN_FAILURE), err)
        self.assertRegex(err, rf"\Alab/host: .*{pattern}.*\n\Z")
        self.assertEqual(self.emulators(), [])

    def test_port_in_use(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.check_refusal(f"port {port} .*in use", "--forward", f"{port}:1234")

    def test_missing_files(self) -> None:
        self.check_refusal("/nonexistent", "--share", "/nonexistent")
        self.check_refusal("/nonexistent", "--kernel", "/nonexistent")

    def test_unknown_cpu(self) -> None:
        self.check_refusal("no-such-cpu", "--cpu", "no-such-cpu")

    def test_panic(self) -> None:
        """A KVM host that does not come up is told of, with its last words."""
        process = self.start("--append", f"{self.marker} rdinit=/nothing init=/nothing",
                             "--", "true")
        out, err = process.communicate("", timeout=120)
        self.assertEqual((out, process.returncode), ("", OWN_FAILURE), err)
        self.assertIn("lab/host: the KVM host stopped while it booted", err)
        self.assertIn("panic", err)
        self.assertEqual(self.emulators(), [])

    def test_killed(self) -> None:
        """However it is ended, nothing is left."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number.name):
                process = self.start("--", "echo up; sleep 1000")
                assert process.stdout
                self.assertEqual(process.stdout.readline(), "up\n")
                pids = self.emulators()
                self.assertEqual(len(pids), 1)
                process.send_signal(number)
                process.communicate(timeout=60)
                self.assertNotEqual(process.returncode, 0)
                self.await_gone(pids)


if __name__ == '__main__':
    LabHost.main()
