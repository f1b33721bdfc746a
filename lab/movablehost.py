# SPDX-License-Identifier: GPL-2.0-or-later
"""A KVM host of the lab (L1) that is saved, loaded and migrated while it runs.

    with MovableHost(smp=2, state=Path("state.qcow2")) as host:
        host.save("here")
        host.load("here")       # in the same emulator
        host.restart("here")    # in a new one
        host.move()             # live into a new one

What the machine does goes on; but a TCP connection into it ends with the
emulator that it was made through, and so does a command of host.run() or
host.popen().  What is to go on must be started detached from it.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentlink import AGENT_PORT
from kvmhost import LOOPBACK, HostError, LabHost
from qmp import Qmp, QmpError, QmpGone, QmpTimeout

# Faster than the loopback, so that a loaded guest is moved in one go.
BANDWIDTH = 16 << 30
STATE_SIZE = 16 << 30
IN_GUEST = re.compile(r"LVZ: guest runs")


class MovableHost(LabHost):
    """LabHost and what can be done to its emulator."""

    def __init__(self, *, state: Path | None = None, extra: Sequence[str] = (),
                 start_timeout: float = 240, **options: Any) -> None:
        """state: a qcow2 file to make for snapshots; extra: more arguments for QEMU."""
        self._extra = list(extra)
        self._state = state
        self._timeout = start_timeout
        super().__init__(boot_timeout=start_timeout, **options)

    def _arguments(self, *given: Any) -> list[str]:
        return super()._arguments(*given) + self._extra

    def _attach_state(self) -> None:
        """Attach the file; make it first, with the emulator itself: there may be no qemu-img."""
        assert self._state
        names = [node["node-name"] for node in self.qmp("query-named-block-nodes")]
        if "state" in names:
            return
        new = not self._state.exists()
        if new:
            self._job("blockdev-create", options={"driver": "file", "filename": str(self._state),
                                                  "size": 0})
        self.qmp("blockdev-add", driver="file", filename=str(self._state), node_name="state-file")
        if new:
            self._job("blockdev-create", options={"driver": "qcow2", "file": "state-file",
                                                  "size": STATE_SIZE})
        self.qmp("blockdev-add", driver="qcow2", file="state-file", node_name="state")

    def _job(self, command: str, **arguments: Any) -> None:
        assert self._qmp
        self.qmp(command, job_id="job", **arguments)
        self._qmp.wait_event(lambda e: e["event"] == "JOB_STATUS_CHANGE"
                             and e["data"]["status"] == "concluded", time.monotonic() + 30)
        self.qmp("job-dismiss", id="job")

    def qmp(self, command: str, **arguments: Any) -> Any:
        """A command of the emulator's monitor."""
        assert self._qmp
        return self._qmp.command(command, timeout=self._timeout, **arguments)

    def monitor(self, line: str) -> str:
        """A line for its human monitor, and what it answers."""
        text: str = self.qmp("human-monitor-command", command_line=line)
        return text.strip()

    def _silent(self, line: str) -> None:
        if complaint := self.monitor(line):
            raise HostError(f"{line}: {complaint}")

    def guests(self) -> int:
        """How many vCPUs are in guest mode, of a machine that stands still."""
        return len(IN_GUEST.findall(self.monitor("info registers -a")))

    def stop_in_guest(self, tries: int = 100) -> int:
        """Stop the machine when a vCPU is in guest mode; tell how many are."""
        for _ in range(tries):
            self.qmp("stop")
            if found := self.guests():
                return found
            self.qmp("cont")
        raise HostError(f"no vCPU was in guest mode when the machine was stopped {tries} times.")

    def save(self, tag: str) -> None:
        """Save a snapshot; a machine that ran runs on."""
        self._attach_state()
        self._silent(f"savevm {tag}")

    def load(self, tag: str) -> None:
        """Go back to a snapshot in this emulator, and run."""
        self._attach_state()
        self._silent(f"loadvm {tag}")
        self.qmp("cont")

    def restart(self, tag: str) -> None:
        """End the emulator and go on from a snapshot in a new one."""
        self._end(*self._take())
        self._start([*self._args, "-S"])
        self.load(tag)
        self._reach_agent()

    def move(self, binary: Path | None = None) -> int:
        """Migrate live into a new emulator; tell how many vCPUs were sent in guest mode.

        binary: the QEMU to go on in, if not the one that was given at the start.
        """
        assert self._qmp
        source = self._take()
        if binary:
            self._images["qemu"] = binary.resolve()
            self._args[0] = str(self._images["qemu"])
        try:
            self._start([*self._args, "-incoming", "defer"])
            capability = [{"capability": "events", "state": True}]
            self.qmp("migrate-set-capabilities", capabilities=capability)
            self.qmp("migrate-incoming", uri=f"tcp:{LOOPBACK}:0")
            port = self.qmp("query-migrate")["socket-address"][0]["port"]
            source[0].command("migrate-set-capabilities", capabilities=capability)
            source[0].command("migrate-set-parameters", max_bandwidth=BANDWIDTH)
            source[0].command("migrate", uri=f"tcp:{LOOPBACK}:{port}")
            self._await_migration(source[0])
            self._await_migration(self._qmp)
            sent = source[0].monitor("info registers -a")
        finally:
            self._end(*source)
        self._reach_agent()
        return len(IN_GUEST.findall(sent))

    def _await_migration(self, qmp: Qmp) -> None:
        try:
            event = qmp.wait_event(
                lambda e: e["event"] == "MIGRATION"
                and e["data"]["status"] in ("completed", "failed"),
                time.monotonic() + self._timeout)
        except QmpGone:
            raise HostError(f"the emulator ended while it loaded: {self._complaint()}") from None
        except QmpTimeout:
            raise HostError("the migration came to no end.") from None
        if event["data"]["status"] == "failed":
            raise HostError(f"the migration failed: {qmp.command('query-migrate')}")

    def _take(self) -> tuple[Qmp, subprocess.Popen[bytes], Any]:
        """The emulator that runs, for someone else to end."""
        assert self._qmp and self._process
        return self._qmp, self._process, self._token_socket

    def _end(self, qmp: Qmp, process: subprocess.Popen[bytes], token: Any) -> None:
        with contextlib.suppress(QmpGone, QmpTimeout, QmpError):
            qmp.command("quit")
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        qmp.close()
        token.close()

    def _reach_agent(self) -> None:
        self._forwards.clear()
        self._agent = (LOOPBACK, self._forward(0, AGENT_PORT))
