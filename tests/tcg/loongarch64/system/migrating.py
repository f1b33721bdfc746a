# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a machine that is migrated at random moments, again and again.

Each time the machine is stopped, its state is written to a file, QEMU is
ended, and a new QEMU goes on from the file.  What the machine says on its
serial port is collected over all of them.  For run-tests: a bare-metal program
must come to the same results as without.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import random
import signal
import socket
import subprocess
import tempfile
import time
from typing import Any

IN_GUEST = "LVZ: guest runs"


class Ended(Exception):
    """QEMU has ended."""


class Process:
    """One QEMU, its monitor on a socket pair."""

    def __init__(self, cmd: list[str], running: set[int], deadline: float) -> None:
        self._running = running
        self._deadline = deadline
        self._rest = b""
        self._monitor, there = socket.socketpair()
        with there:
            # A session of its own, so that the time limit reaches QEMU itself
            self.process = subprocess.Popen(
                [*cmd, "-chardev", f"socket,id=monitor,fd={there.fileno()}",
                 "-mon", "chardev=monitor,mode=control"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", pass_fds=[there.fileno()], start_new_session=True)
        running.add(self.process.pid)
        self._message()
        self.command("qmp_capabilities")

    def _message(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            self._monitor.settimeout(max(self._deadline - time.monotonic(), 0.01))
            try:
                got = self._monitor.recv(65536)
            except ConnectionError:
                got = b""
            if not got:
                raise Ended
            self._rest += got
        line, self._rest = self._rest.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def command(self, name: str, **arguments: Any) -> Any:
        """Run a command of the monitor."""
        try:
            self._monitor.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        except ConnectionError:
            raise Ended from None
        while True:
            message = self._message()
            if "error" in message:
                raise RuntimeError(f"{name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def migrated(self) -> None:
        """Wait until a migration has come to its end, here or to here."""
        while (message := self._message()).get("event") != "MIGRATION" or \
                message["data"]["status"] not in ("completed", "failed"):
            pass
        if message["data"]["status"] == "failed":
            raise RuntimeError(f"migration: {self.command('query-migrate')}")

    def close(self, kill: bool = False) -> tuple[int, str]:
        """Wait for the end; give QEMU's status and what it said."""
        if kill:
            os.killpg(self.process.pid, signal.SIGKILL)
        said, _ = self.process.communicate()
        self._running.discard(self.process.pid)
        self._monitor.close()
        return self.process.returncode, said


def run(cmd: list[str], interval: float, timeout: float,
        running: set[int]) -> tuple[str, str]:
    """Run a machine, migrated about every interval seconds.

    cmd is QEMU's command line but for the serial port and the monitor; running
    holds the process groups that are to be killed when this one is.  Gives the
    serial port's output and what went wrong, if anything.
    """
    deadline = time.monotonic() + timeout
    events = [{"capability": "events", "state": True}]
    moves = in_guest = 0
    trouble = ""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parents[4] / "build",
                                     prefix="migrating-") as folder:
        serial, state = Path(folder) / "serial", Path(folder) / "state"
        cmd = [*cmd, "-chardev", f"file,id=serial,path={serial},append=on",
               "-serial", "chardev:serial"]
        qemu = Process(cmd, running, deadline)
        try:
            while True:
                # The random moment is what this is for.
                time.sleep(random.uniform(0, 2 * interval))
                qemu.command("stop")
                in_guest += IN_GUEST in qemu.command(
                    "human-monitor-command", **{"command-line": "info registers -a"})
                qemu.command("migrate-set-capabilities", capabilities=events)
                qemu.command("migrate", uri=f"file:{state}")
                qemu.migrated()
                qemu.close(kill=True)
                qemu = Process([*cmd, "-incoming", "defer", "-S"], running, deadline)
                qemu.command("migrate-set-capabilities", capabilities=events)
                qemu.command("migrate-incoming", uri=f"file:{state}")
                qemu.migrated()
                moves += 1
                qemu.command("cont")
        except Ended:
            status, said = qemu.close()
            if status:
                trouble = f"QEMU's exit status is {status}: {said.strip()}"
        except TimeoutError:
            qemu.close(kill=True)
            trouble = f"no end within {timeout:g} seconds"
        except BaseException as err:
            qemu.close(kill=True)
            if not isinstance(err, RuntimeError):
                raise
            trouble = str(err)
        output = serial.read_text(errors="replace") if serial.exists() else ""
    return f"{output}# migrated {moves} times, {in_guest} of them in a guest\n", trouble
