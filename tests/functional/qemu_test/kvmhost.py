# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with LoongArch KVM for functional tests, and guests on it.

On a LoongArch machine with /dev/kvm it is that machine; elsewhere it is the
lab, which boots one under emulation.  Either way a test sees the same: host is
the lab's KvmHost, and self.guest() starts the QEMU under test there with
-accel kvm.  The machine is shared by the tests of a class; guests, and gdbs,
end with their test.

The lab is a folder with kvmhost.py, found in QEMU_TEST_KVM_LAB or above the
tests.  Without one the tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

from .gdbmi import Gdb, find_gdb
from .testcase import QemuBaseTest

READY = r"guest: ready"
BOOT_TIMEOUT = 120
KERN_WARNING = 4
# Of a guest that tests of a class share, beside one of their own.
LENT_PORT = 1235
# What a kernel says when something is wrong. QEMU's own remarks ("warning:
# Number of SMP cpus requested") are no part of it.
KERNEL_TROUBLE = re.compile(
    r"WARNING:|BUG:|\bOops\b|Call Trace|suspicious|Kernel panic|Kernel bug|"
    r"Unable to handle kernel|Internal error|refcount_t:|lockup|"
    r"rcu: .*(stall|detected)|blocked for more than|"
    r"irq \d+: nobody cared|scheduling while atomic|bad page|"
    r"System is deadlocked|Reserved instruction|unsupported csr", re.IGNORECASE)
QEMU_REMARK = re.compile(r"^\S*qemu-system-\S+: ")


def find_lab() -> Path | None:
    """The folder of the lab."""
    named = os.environ.get("QEMU_TEST_KVM_LAB")
    if named:
        return Path(named)
    for place in (Path(__file__), Path(__file__).resolve()):
        for above in place.parents:
            if (above / "lab/kvmhost.py").is_file():
                return above / "lab"
    return None


def lab_module(name: str) -> Any:
    """One of the lab's modules; the test is skipped where there is no lab."""
    lab = find_lab()
    if lab is None:
        raise SkipTest("there is no lab and so no LoongArch KVM here; "
                       "set QEMU_TEST_KVM_LAB")
    if str(lab) not in sys.path:
        sys.path.insert(0, str(lab))
    return __import__(name)


def kernel_trouble(log: str) -> list[str]:
    """The lines of a kernel's log that must not be there."""
    return [line.strip() for line in log.splitlines()
            if KERNEL_TROUBLE.search(line) and not QEMU_REMARK.search(line)]


def kernel_warnings(raw: Sequence[str]) -> list[str]:
    """The lines of a raw kernel log ("dmesg -r") of level warning or worse."""
    return [line for line in raw if (level := re.match(r"<(\d+)>", line))
            and int(level[1]) & 7 <= KERN_WARNING]


class Console:
    """A guest's serial console: everything it says, and what is typed there."""

    def __init__(self, process: Any, log: Path | str) -> None:
        self._process = process
        self._text = ""
        self._seen = 0
        self._ended = False
        self._changed = threading.Condition()
        self._log = open(log, "wb")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fd = self._process.stdout.fileno()
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            with self._changed:
                self._text += data.decode(errors="replace").replace("\r", "")
                self._ended = not data
                self._changed.notify_all()
            if not data:
                return
            self._log.write(data)
            self._log.flush()

    @property
    def text(self) -> str:
        """All of it so far."""
        with self._changed:
            return self._text

    def wait(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """Wait for a pattern after the one waited for last."""
        wanted = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (found := wanted.search(self._text, self._seen)):
                left = deadline - time.monotonic()
                if self._ended or left <= 0 or not self._changed.wait(left):
                    if wanted.search(self._text, self._seen):
                        continue
                    why = ("the guest ended" if self._ended
                           else f"not within {timeout:.0f} s")
                    raise AssertionError(
                        f"{pattern!r} did not come: {why}; the console's end:\n"
                        f"{self._text[-1500:]}")
            self._seen = found.end()
            return found

    def type(self, line: str) -> None:
        """Type a line."""
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def command(self, line: str, timeout: float = 60) -> str:
        """Run a command in the guest's shell, which must succeed; give its output."""
        # Split, so that the echo of what is typed is not taken for the answer.
        self.type(f"echo be''gun; {line}; echo fin''ished $?")
        found = self.wait(r"^begun\n([\s\S]*?)finished (\d+)$", timeout)
        if found[2] != "0":
            raise AssertionError(f"{line!r} in the guest: status {found[2]}\n{found[1]}")
        return found[1].strip()

    def close(self) -> None:
        """After the process has ended."""
        self._thread.join(10)
        self._log.close()


class Guest:
    """A guest under KVM: its console, its monitor, its gdb stub."""

    def __init__(self, host: Any, log: Path | str, *, smp: int = 1, memory: str = "256M",
                 append: str = "", run: str = "", stay: bool = True,
                 initrd: str | None = None, stub: bool = False, port: int = 1234,
                 monitor: bool = False, paused: bool = False, options: Sequence[str] = (),
                 under: Sequence[str] = ()) -> None:
        """Start it.

        run is a command for before its shell, or without stay before it powers
        off; paused waits for gdb; the stub is at that port there; monitor is for
        qmp() alone, which comes with the stub too; options are QEMU's, under is a command
        that executes QEMU.
        """
        self._host = host
        self._qmp: Any = None
        local = lab_module("kvmhost").is_local()
        if run:
            append = f'{append} {"and_stay=1 " if stay else ""}run="{run}"'
        args = host.guest_argv("-initrd", initrd or host.initrd, append=append,
                               smp=smp, memory=memory)
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(socket.create_server(("127.0.0.1", 0)))
            if stub:
                self._port = _free_port() if local else port
                args += ["-gdb", f"tcp:{host.stub_address}:{self._port}"]
            if stub or monitor:
                # It calls us, so that the start is an event: no port to try.
                there = "127.0.0.1" if local else "10.0.2.2"
                args += ["-chardev",
                         f"socket,id=qmp,host={there},port={listener.getsockname()[1]}",
                         "-mon", "chardev=qmp,mode=control"]
            if paused:
                args.append("-S")
            self.process = host.popen([*under, *args, *options], merge=True)
            self.console = Console(self.process, log)
            if stub or monitor:
                try:
                    self._meet(listener)
                except BaseException:
                    self.close()
                    raise

    def _meet(self, listener: socket.socket) -> None:
        listener.settimeout(30)
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            raise AssertionError("QEMU did not start:\n" + self.console.text) from None
        self._qmp = lab_module("qmp").Qmp(connection)
        # The answer comes from the main loop, after the stub was set up.
        self._qmp.negotiate(time.monotonic() + 30)

    @property
    def stub(self) -> str:
        """What gdb's "target remote" wants."""
        address, port = self._host.forwarded(self._port)
        return f"{address}:{port}"

    def listen(self) -> None:
        """Let its stub listen, which it was not to from the start."""
        self._port = _free_port() if lab_module("kvmhost").is_local() else 1234
        self.qmp("human-monitor-command",
                 command_line=f"gdbserver tcp:{self._host.stub_address}:{self._port}")

    def qmp(self, command: str, /, **arguments: Any) -> Any:
        """A command of the monitor."""
        return self._qmp.command(command, **arguments)

    def wait_event(self, wanted: Callable[[dict[str, Any]], bool],
                   timeout: float = 60) -> dict[str, Any]:
        """Wait for an event of the monitor; those before it are dropped."""
        event: dict[str, Any] = self._qmp.wait_event(wanted, time.monotonic() + timeout)
        return event

    def add_vcpu(self) -> None:
        """Plug the one vCPU that there can be besides those that are, as device "new"."""
        new, = (cpu for cpu in self.qmp("query-hotpluggable-cpus")
                if "qom-path" not in cpu)
        self.qmp("device_add", driver=new["type"], id="new", **new["props"])

    def job(self, command: str, timeout: float = 60, **arguments: Any) -> None:
        """A job of the monitor, to its end."""
        self.qmp(command, job_id="job", **arguments)
        self.wait_event(lambda e: e["event"] == "JOB_STATUS_CHANGE"
                        and e["data"]["status"] == "concluded", timeout)
        (job,) = self.qmp("query-jobs")
        self.qmp("job-dismiss", id="job")
        if "error" in job:
            raise AssertionError(f"{command}: {job['error']}")

    @contextlib.contextmanager
    def snapshots(self) -> Iterator[dict[str, Any]]:
        """A disk image that no device uses; give what a snapshot job wants to know."""
        path = "/tmp/snapshots"
        self._host.run(f">{path}", check=True)
        self.qmp("blockdev-add", driver="file", node_name="file", filename=path)
        self.job("blockdev-create",
                 options={"driver": "qcow2", "file": "file", "size": 1 << 20})
        self.qmp("blockdev-add", driver="qcow2", node_name="disk", file="file")
        try:
            yield {"tag": "it", "vmstate": "disk", "devices": ["disk"]}
        finally:
            self.qmp("blockdev-del", node_name="disk")
            self.qmp("blockdev-del", node_name="file")
            self._host.run(f"rm -f {path}")

    def wait_running(self) -> None:
        """Wait until the VM runs, which a client has asked for."""
        while not self.qmp("query-status")["running"]:
            pass

    def memory_hash(self, first: int, size: int) -> str:
        """The SHA-256 of guest physical memory."""
        name = f"/tmp/memory-{os.getpid()}"
        self.qmp("pmemsave", val=first, size=size, filename=name)
        done = self._host.run(f"sha256sum {name}; rm -f {name}", check=True)
        return done.stdout.split()[0]

    def wait_ready(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until its init says that it is there."""
        self.console.wait(READY, timeout)

    def power_off(self, timeout: float = 60) -> int:
        """Let it power off by itself; give QEMU's status."""
        self.console.type("poweroff -f")
        return int(self.process.wait(timeout))

    def close(self) -> None:
        """End it, whatever it does."""
        if self._qmp:
            self._qmp.close()
        self.process.close()
        self.console.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _compile(source: Path | str, path: Path | str, *options: str) -> None:
    """Compile C for LoongArch; the test is skipped without a compiler."""
    compiler = shutil.which("cc" if os.uname().machine == "loongarch64" else
                            "loongarch64-linux-gnu-gcc")
    if not compiler:
        raise SkipTest("there is no compiler for LoongArch here")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", path, source, *options],
                   check=True)


def compile_program(source: Path | str, path: Path | str, *options: str) -> None:
    """Compile a C program for LoongArch, static; the test is skipped without one."""
    _compile(source, path, "-static", *options)


def compile_library(source: Path | str, path: Path | str) -> None:
    """The same for a library that a program on the host preloads."""
    _compile(source, path, "-shared", "-fPIC")


def put_initrd(host: Any, scratch: Path | str, *programs: Path | str) -> str:
    """Make a guest's initramfs with more programs in /bin; give its path on the host.

    Two archives one after the other are one; scratch is where the second is made.
    """
    archive = lab_module("cpio").Cpio()
    for program in programs:
        archive.file(f"bin/{Path(program).name}", Path(program).read_bytes(), 0o755)
    Path(scratch).write_bytes(archive.bytes())
    there = host.put(scratch)
    whole = f"/tmp/guest-{os.getpid()}.cpio"
    host.run(f"cat {host.initrd} {there} >{whole}", check=True)
    return whole


class KvmHostTest(QemuBaseTest):
    """A test on a machine with LoongArch KVM, booted once for a class."""

    host_smp = 2
    # More of what the lab's open_host() takes.
    host_options: dict[str, Any] = {}
    # For what differs from the same test only in how the lab is started.
    lab_only = False
    host: Any = None
    _log_before = 0
    _symbols: bytes | None = None
    _lent: Guest | None = None
    _spare: Guest | None = None

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        lab = lab_module("kvmhost")
        if lab.is_local() and cls.lab_only:
            raise SkipTest("this is for the lab")
        if lab.is_local() and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise SkipTest("/dev/kvm cannot be opened here")
        cls.host = lab.open_host(smp=cls.host_smp, **cls.host_options)
        cls.addClassCleanup(cls.host.close)
        # Another QEMU for the guests, as the unpatched base: what fails there?
        if other := os.environ.get("QEMU_TEST_KVM_QEMU"):
            cls.host.qemu = cls.host.put(other)
        cls._symbols = None
        cls._lent = cls._spare = None
        cls._log_before = len(cls.host_log())

    @classmethod
    def host_log(cls) -> list[str]:
        """The log of the host's kernel, each line with its level."""
        return cls.host.run("dmesg -r", check=True).stdout.splitlines()

    def host_warnings(self) -> list[str]:
        """What the host's kernel has logged since we came, from warnings upwards."""
        return kernel_warnings(self.host_log()[self._log_before:])

    def setUp(self) -> None:
        os.environ.setdefault("QEMU_TEST_QEMU_BINARY", "qemu-system-loongarch64")
        super().setUp()

    def guest(self, **options: Any) -> Guest:
        """Start a guest; see Guest."""
        number = len(list(Path(self.outputdir).glob("guest-*.log")))
        guest = Guest(self.host, self.log_file(f"guest-{number}.log"), **options)
        self.addCleanup(guest.close)
        return guest

    def borrow(self) -> Guest:
        """A guest with a stub, at its shell: the one that was given back, or another."""
        cls = type(self)
        guest, cls._spare = cls._spare, None
        if guest is None:
            if cls._lent:
                cls._lent.close()
            guest = cls._lent = Guest(self.host, self.log_file("guest-lent.log"),
                                      stub=True, port=LENT_PORT)
            cls.addClassCleanup(guest.close)
            guest.wait_ready()
            guest.console.command("true")
        return guest

    def give_back(self, guest: Guest) -> None:
        """To be done with a guest that is as it was; no other is lent again."""
        type(self)._spare = guest

    def gdb(self, symbols: Path | str | None = None) -> Gdb:
        """Start gdb."""
        program = find_gdb()
        if not program:
            self.skipTest("there is no gdb here")
        number = len(list(Path(self.outputdir).glob("gdb-*.log")))
        gdb = Gdb(program, self.log_file(f"gdb-{number}.log"), symbols)
        self.addCleanup(gdb.close)
        return gdb

    def symbols(self) -> str:
        """A file with the kernel's symbols, for gdb."""
        if type(self)._symbols is None:
            kallsyms = self.host.run("cat /proc/kallsyms", check=True).stdout
            image = lab_module("kvmhost").IMAGES / "vmlinux.bin"
            type(self)._symbols = lab_module("symbols").symbol_file(
                image.read_bytes(), kallsyms)
        path = Path(self.scratch_file("kernel-symbols.elf"))
        path.write_bytes(type(self)._symbols)
        return str(path)

    def compile(self, source: str, *options: str) -> str:
        """Compile a C program of ours for LoongArch, static; give its path."""
        path = self.scratch_file(Path(source).stem)
        compile_program(self.data_file(source), path, *options)
        return path

    def initrd_with(self, *programs: str) -> str:
        """The guest's initramfs with some programs more in /bin; its path on the host."""
        whole = put_initrd(self.host, self.scratch_file("extra.cpio"), *programs)
        self.addCleanup(self.host.run, f"rm -f {whole}")
        return whole
