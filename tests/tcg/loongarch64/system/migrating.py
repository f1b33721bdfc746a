# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a machine that is saved and loaded at random moments, again and again.

In turn it is migrated to a new QEMU through a file, a snapshot is made, and it
goes back to the snapshot in the same QEMU.  What the machine says on its serial
port is collected over all of that.  For run-tests: a bare-metal program must
come to the same results as without.
"""

from __future__ import annotations

from collections.abc import Callable
import itertools
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


def migrated(message: dict[str, Any]) -> bool:
    """Whether this says that a migration has come to its end, here or to here."""
    if message.get("event") != "MIGRATION":
        return False
    if message["data"]["status"] == "failed":
        raise RuntimeError(f"migration failed: {message['data']}")
    return bool(message["data"]["status"] == "completed")


class Ended(Exception):
    """QEMU has ended, or is about to."""


class Process:
    """One QEMU, its monitor on a socket pair."""

    def __init__(self, cmd: list[str], running: set[int], deadline: float) -> None:
        self._running = running
        self._deadline = deadline
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        self._monitor, there = socket.socketpair()
        with there:
            # A session of its own, so that the time limit reaches QEMU itself
            self.process = subprocess.Popen(
                [*cmd, "-chardev", f"socket,id=monitor,fd={there.fileno()}",
                 "-mon", "chardev=monitor,mode=control"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
                pass_fds=[there.fileno()], start_new_session=True)
        running.add(self.process.pid)
        try:
            self._message()
            self.command("qmp_capabilities")
        except Ended:
            raise RuntimeError(f"QEMU did not start: {self.close()[1].strip()}") from None

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
        # What it still answers from here on is about a machine that is torn down.
        if message.get("event") == "SHUTDOWN":
            raise Ended
        return message

    def command(self, name: str, **arguments: Any) -> Any:
        """Run a command of the monitor; what happened before it is forgotten."""
        self._events.clear()
        try:
            self._monitor.sendall(
                json.dumps({"execute": name, "arguments": arguments}).encode())
        except ConnectionError:
            raise Ended from None
        while True:
            message = self._message()
            if "error" in message:
                raise RuntimeError(f"{name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self._events.append(message)

    def monitor(self, line: str) -> str:
        """A line for the human monitor, and its answer."""
        text: str = self.command("human-monitor-command", **{"command-line": line})
        return text

    def silent(self, line: str) -> None:
        """A line for the human monitor that answers only when something is wrong."""
        if complaint := self.monitor(line).strip():
            raise RuntimeError(f"{line}: {complaint}")

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Wait for what the last command makes happen."""
        while not wanted(self._events.pop(0) if self._events else self._message()):
            pass

    def close(self, kill: bool = False) -> tuple[int, str]:
        """Wait for the end; give QEMU's status and what it said.  Once is enough."""
        if self._monitor.fileno() < 0:
            return self.process.returncode, ""
        if kill:
            os.killpg(self.process.pid, signal.SIGKILL)
        said, _ = self.process.communicate()
        self._running.discard(self.process.pid)
        self._monitor.close()
        return self.process.returncode, said


class Machine:
    """A machine that goes from one QEMU to the next."""

    def __init__(self, cmd: list[str], folder: Path, running: set[int],
                 deadline: float) -> None:
        self._serial = folder / "serial"
        self._state = folder / "state"
        self._snapshot = folder / "snapshot.qcow2"
        self._cmd = [*cmd, "-chardev", f"file,id=serial,path={self._serial},append=on",
                     "-serial", "chardev:serial"]
        self._running = running
        self._deadline = deadline
        self._attached = False
        self._said = 0
        self.moves = self.returns = self.in_guest = 0
        self.qemu = self._start("-S")

    def _start(self, *more: str) -> Process:
        qemu = Process([*self._cmd, *more], self._running, self._deadline)
        qemu.command("migrate-set-capabilities",
                     capabilities=[{"capability": "events", "state": True}])
        return qemu

    def output(self) -> str:
        """What the machine has said on its serial port."""
        return self._serial.read_text(errors="replace") if self._serial.exists() else ""

    def stop(self) -> None:
        """Stop the machine where it happens to be."""
        self.qemu.command("stop")
        self.in_guest += IN_GUEST in self.qemu.monitor("info registers -a")

    def move(self) -> None:
        """Go on in another process."""
        self.stop()
        self.qemu.command("migrate", uri=f"file:{self._state}")
        self.qemu.wait(migrated)
        self.qemu.close(kill=True)
        self._attached = False
        self.qemu = self._start("-incoming", "defer", "-S")
        self.qemu.command("migrate-incoming", uri=f"file:{self._state}")
        self.qemu.wait(migrated)
        self.moves += 1
        self.qemu.command("cont")

    def save(self) -> None:
        """Make a snapshot to go back to."""
        if not self._attached:
            self._attach()
        self.stop()
        self.qemu.silent("savevm here")
        self._said = self._serial.stat().st_size
        self.qemu.command("cont")

    def go_back(self) -> None:
        """Go back to the snapshot, in the same process: what was said since is unsaid."""
        self.stop()
        self.qemu.silent("loadvm here")
        os.truncate(self._serial, self._said)
        self.returns += 1
        self.qemu.command("cont")

    def _attach(self) -> None:
        """Attach the file of snapshots, made by QEMU itself: there may be no qemu-img."""
        command = self.qemu.command
        new = not self._snapshot.exists()
        if new:
            self._snapshot.touch()
        command("blockdev-add", driver="file", filename=str(self._snapshot),
                **{"node-name": "file"})
        if new:
            command("blockdev-create", **{"job-id": "create"},
                    options={"driver": "qcow2", "file": "file", "size": 1 << 30})
            self.qemu.wait(lambda e: e.get("event") == "JOB_STATUS_CHANGE"
                           and e["data"]["status"] == "concluded")
            command("job-dismiss", id="create")
        command("blockdev-add", driver="qcow2", file="file", **{"node-name": "snapshots"})
        self._attached = True


def run(cmd: list[str], interval: float, timeout: float,
        running: set[int]) -> tuple[str, str]:
    """Run a machine, saved and loaded about every interval seconds.

    cmd is QEMU's command line but for the serial port and the monitor; running
    holds the process groups that are to be killed when this one is.  Gives the
    serial port's output and what went wrong, if anything.
    """
    trouble = ""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parents[4] / "build",
                                     prefix="migrating-") as folder:
        machine = Machine(cmd, Path(folder), running, time.monotonic() + timeout)
        steps = [machine.move, machine.save, machine.go_back]
        try:
            machine.qemu.command("cont")
            for number in itertools.count():
                # The random moment is what this is for.
                time.sleep(random.uniform(0, 2 * interval))
                steps[number % len(steps)]()
        except Ended:
            status, said = machine.qemu.close()
            if status:
                trouble = f"QEMU's exit status is {status}: {said.strip()}"
        except TimeoutError:
            machine.qemu.close(kill=True)
            trouble = f"no end within {timeout:g} seconds"
        except RuntimeError as err:
            machine.qemu.close(kill=True)
            trouble = str(err)
        except BaseException:
            machine.qemu.close(kill=True)
            raise
        return (f"{machine.output()}# migrated {machine.moves} times, gone back "
                f"{machine.returns} times, {machine.in_guest} stops in a guest\n",
                trouble)
