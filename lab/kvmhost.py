# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with LoongArch KVM, for lab/host, lab/run and the functional tests.

    with open_host(smp=2) as host:
        print(host.run("uname -a").stdout)

On x86-64 it is the lab: Debian's LoongArch kernel under the TCG QEMU with LVZ
(LabHost).  On a LoongArch machine with /dev/kvm it is the machine itself
(LocalHost).  Callers see one interface (KvmHost).

Whatever was started ends with the object, and also when this process is
killed.  One rule follows from how that is done: a LabHost must be opened in a
thread that lives as long as the host is wanted, the main one in practice.
"""

from __future__ import annotations

import abc
import contextlib
import fcntl
import os
import platform
import re
import secrets
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from agentlink import AGENT_PORT, TOKEN_LEN, HostError, Link, RemoteCommand
from qmp import Qmp, QmpError, QmpGone, QmpTimeout

LAB = Path(__file__).resolve().parent
TOP = LAB.parent
BUILD = TOP / "build"
IMAGES = BUILD / "lab"
KVM_QEMU = BUILD / "kvm/qemu-system-loongarch64"
ADDRESS = "10.0.2.15"
BOOT_TIMEOUT = 180.0
LOOPBACK = "127.0.0.1"

__all__ = ["HostError", "KvmHost", "LabHost", "LocalHost", "open_host"]

Argv = str | Sequence[str]


def as_argv(command: Argv) -> list[str]:
    """A string is for the shell; a list is a program and its arguments."""
    return ["sh", "-c", command] if isinstance(command, str) else list(command)


class KvmHost(abc.ABC):
    """What callers can do with a machine that has LoongArch KVM."""

    # Paths on that machine: the QEMU with KVM, and a guest for it.
    qemu: str
    kernel: str
    initrd: str
    # The log of the machine's console on this one; None if it has none.
    console_log: Path | None = None
    # Where a guest's gdbstub has to listen to be reached by forwarded().
    stub_address = ""
    # Where a guest's QEMU reaches what listens on this machine's loopback.
    gateway = "10.0.2.2"

    def guest_argv(self, *options: str, append: str = "", smp: int = 1,
                   memory: str = "512M") -> list[str]:
        """The command of a guest under KVM with its serial console on stdin and stdout."""
        return [self.qemu, "-accel", "kvm", "-M", "virt", "-cpu", "max", "-smp", str(smp),
                "-m", memory, "-nodefaults", "-no-user-config", "-no-reboot",
                "-display", "none", "-serial", "stdio",
                "-kernel", self.kernel, "-initrd", self.initrd,
                # The probe of i8042 oopses on a machine without firmware.
                "-append", f"console=ttyS0 panic=-1 initcall_blacklist=i8042_init {append}".strip(),
                *options]

    @abc.abstractmethod
    def popen(self, command: Argv, merge: bool = False) -> RemoteCommand | LocalCommand:
        """Start a command; see RemoteCommand for what comes back."""

    @abc.abstractmethod
    def forwarded(self, port: int) -> tuple[str, int]:
        """Where on this machine a TCP port of the host's loopback can be reached."""

    @abc.abstractmethod
    def put(self, path: Path | str, mode: int = 0o755) -> str:
        """Bring a file of this machine there and give its path there."""

    @abc.abstractmethod
    def close(self) -> None:
        """Take everything down."""

    def run(self, command: Argv, *, data: bytes | str = b"", timeout: float | None = 120,
            merge: bool = False, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and give its output as text."""
        raw = self.run_bytes(command, data=data.encode() if isinstance(data, str) else data,
                             timeout=timeout, merge=merge)
        done = subprocess.CompletedProcess(
            raw.args, raw.returncode, raw.stdout.decode(errors="replace"),
            raw.stderr.decode(errors="replace"))
        if check:
            done.check_returncode()
        return done

    def run_bytes(self, command: Argv, *, data: bytes = b"", timeout: float | None = 120,
                  merge: bool = False) -> subprocess.CompletedProcess[bytes]:
        """The same with the output as it is."""
        with self.popen(command, merge=merge) as process:
            out, err = process.communicate(data, timeout)
            return subprocess.CompletedProcess(process.args, process.wait(), out, err or b"")

    def __enter__(self) -> KvmHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalCommand(subprocess.Popen[bytes]):
    """subprocess.Popen that ends its whole process group, and counts as a shell does."""

    def __init__(self, argv: list[str], merge: bool) -> None:
        super().__init__(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                         start_new_session=True)

    def wait(self, timeout: float | None = None) -> int:
        status = super().wait(timeout)
        return status if status >= 0 else 128 - status

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, 9)

    def close(self) -> None:
        """Kill it if it still runs, and free what it holds."""
        if self.poll() is None:
            self.kill()
            super().wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalHost(KvmHost):
    """This very machine, when it is LoongArch with KVM."""

    qemu = str(KVM_QEMU)
    kernel = str(IMAGES / "vmlinux.bin")
    initrd = str(IMAGES / "guest.cpio")
    stub_address = LOOPBACK
    gateway = LOOPBACK

    def __init__(self) -> None:
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise HostError("/dev/kvm cannot be opened; load KVM, and be in the group kvm.")
        self._commands: list[LocalCommand] = []

    def popen(self, command: Argv, merge: bool = False) -> LocalCommand:
        process = LocalCommand(as_argv(command), merge)
        self._commands.append(process)
        return process

    def forwarded(self, port: int) -> tuple[str, int]:
        return LOOPBACK, port

    def put(self, path: Path | str, mode: int = 0o755) -> str:
        return str(path)

    def close(self) -> None:
        for process in self._commands:
            process.close()


class LabHost(KvmHost):
    """The KVM host (L1) under the TCG QEMU."""

    qemu = "/usr/bin/qemu-system-loongarch64"
    kernel = "/lab/vmlinux.bin"
    initrd = "/lab/guest.cpio"

    def __init__(self, *, smp: int = 2, memory: str = "2G", cpu: str = "max,lvz=on",
                 kernel: Path | str | None = None, append: str = "",
                 share: Path | str | None = None, forward: Sequence[tuple[int, int]] = (),
                 firmware: bool = False, qemu: Path | str | None = None,
                 options: Sequence[str] = (), boot_timeout: float = BOOT_TIMEOUT) -> None:
        """Boot; forward has pairs (port here, port there); firmware brings /lab/QEMU_EFI.fd;
        options are QEMU's own."""
        self._qmp: Qmp | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._forwards: dict[int, int] = {}
        self._share = share is not None
        self._share_folder = share
        self._binary = Path(qemu or BUILD / "tcg/qemu-system-loongarch64").resolve()
        self._images = self._find_images(kernel, firmware)
        self._token = secrets.token_hex(TOKEN_LEN // 2).encode()
        self._stderr = tempfile.TemporaryFile()
        self._log_file, self.console_log = _claim_log("host-console")
        try:
            self._args = [*self._arguments(smp, memory, cpu, append, share), *options]
            self._start(self._args)
            for here, there in forward:
                self._forward(here, there)
            self._await_agent(boot_timeout)
        except BaseException:
            self.close()
            raise

    def _find_images(self, kernel: Path | str | None, firmware: bool) -> dict[str, Path]:
        images = {
            "qemu": self._binary,
            "bios": IMAGES / "QEMU_EFI.fd",
            "kernel": Path(kernel).resolve() if kernel else IMAGES / "vmlinux.bin",
            "initrd": IMAGES / ("host-firmware.cpio" if firmware else "host.cpio"),
        }
        for path in images.values():
            if not path.is_file():
                raise HostError(f"{path} is not there"
                                + ("." if kernel and path == images["kernel"]
                                   else "; run make first."))
        if is_older(images["initrd"], KVM_QEMU):
            raise HostError(f"{images['initrd']} has an older QEMU in it than {KVM_QEMU}; "
                            "run lab/image.")
        return images

    def _arguments(self, smp: int, memory: str, cpu: str, append: str,
                   share: Path | str | None) -> list[str]:
        """QEMU's command line but for the descriptors."""
        line = "console=ttyS0 panic=-1 rdinit=/init"
        args = [
            str(self._binary), "-nodefaults", "-no-user-config", "-no-reboot",
            "-M", "virt", "-accel", "tcg,thread=multi", "-cpu", cpu,
            "-smp", str(smp), "-m", memory, "-display", "none",
            "-bios", str(self._images["bios"]), "-kernel", str(self._images["kernel"]),
            "-initrd", str(self._images["initrd"]),
            "-chardev", f"file,id=console,path={_escaped(self.console_log)}",
            "-serial", "chardev:console",
            "-netdev", "user,id=net,ipv6=off",
            "-device", "virtio-net-pci,netdev=net,romfile=",
            # Entropy: without it programs wait for the kernel's to gather.
            "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=token,id=agent,name=agent",
        ]
        if share is not None:
            if not Path(share).is_dir():
                raise HostError(f"{share} is not a folder that could be shared.")
            args += ["-virtfs", f"local,path={_escaped(Path(share).resolve())},"
                                "mount_tag=share,security_model=none,multidevs=remap"]
            line += " lab_share=1"
        return [*args, "-append", f"{line} {append}".strip()]

    def _start(self, args: list[str]) -> None:
        """Start QEMU in the build root with its monitor and the token on socket pairs."""
        share = self._share_folder
        monitor, monitor_there = socket.socketpair()
        token, token_there = socket.socketpair()
        self._qmp = Qmp(monitor)
        self._token_socket = token
        binds: list[str] = []
        for path in self._images.values():
            if not path.is_relative_to(TOP):
                binds += ["--ro-bind", str(path)]
        if share is not None and not Path(share).resolve().is_relative_to(TOP):
            binds += ["--bind", str(Path(share).resolve())]
        with monitor_there, token_there:
            self._process = subprocess.Popen(
                [LAB / "enter", *binds, "--", *args,
                 "-chardev", f"socket,id=monitor,fd={monitor_there.fileno()}",
                 "-mon", "chardev=monitor,mode=control",
                 "-chardev", f"socket,id=token,fd={token_there.fileno()}"],
                stdin=subprocess.DEVNULL, stdout=self._stderr, stderr=self._stderr,
                pass_fds=(monitor_there.fileno(), token_there.fileno()),
                # Ctrl-C on our terminal is for us; we take QEMU down.
                start_new_session=True)
        token.sendall(self._token)
        try:
            self._qmp.negotiate(time.monotonic() + 30)
        except (QmpGone, QmpTimeout):
            raise HostError(f"the emulator did not start: {self._complaint()}") from None

    def _await_agent(self, timeout: float) -> None:
        """Wait for the agent inside to open its port, which is an event of QEMU's."""
        assert self._qmp
        deadline = time.monotonic() + timeout
        try:
            self._qmp.wait_event(
                lambda e: e["event"] == "VSERPORT_CHANGE" and e["data"]["open"], deadline)
            row = self._forward(0, AGENT_PORT)
        except QmpGone:
            raise HostError("the KVM host stopped while it booted.\n" + self._tail()) from None
        except QmpTimeout:
            raise HostError(f"the KVM host did not come up within {timeout:.0f} s.\n"
                            + self._tail()) from None
        self._agent = (LOOPBACK, row)

    def _complaint(self) -> str:
        """What QEMU (or bubblewrap) said before it ended."""
        assert self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        if not lines:
            return "no reason given."
        return re.sub(r"^\S*qemu-system-loongarch64: ", "", lines[-1])

    def _tail(self) -> str:
        """The console's last lines."""
        assert self.console_log
        text = self.console_log.read_text(errors="replace") if self.console_log.exists() else ""
        lines = text.replace("\r", "").strip().splitlines()[-12:]
        return "\n".join(["Its console's last lines:", *(f"  {line}" for line in lines),
                          f"All of it is in {self.console_log}."])

    def _forward(self, here: int, there: int) -> int:
        """Forward a loopback port (0: any free one) and give its number."""
        assert self._qmp
        complaint = self._qmp.monitor(
            f"hostfwd_add net tcp:{LOOPBACK}:{here}-{ADDRESS}:{there}")
        if complaint:
            raise HostError(f"port {here} cannot be listened on: it is in use, or not "
                            "allowed to you; choose another.")
        if here:
            return here
        for line in self._qmp.monitor("info usernet").splitlines():
            words = line.split()
            if len(words) > 5 and "HOST_FORWARD" in words[0] and words[5] == str(there) \
                    and int(words[3]) not in self._forwards.values():
                self._forwards[there] = int(words[3])
                return int(words[3])
        raise HostError(f"no port could be forwarded to the KVM host's port {there}.")

    def monitor(self, line: str) -> str:
        """Run a command of the emulator's own human monitor."""
        assert self._qmp
        return self._qmp.monitor(line)

    def popen(self, command: Argv, merge: bool = False) -> RemoteCommand:
        return RemoteCommand(self._agent, self._token, as_argv(command), merge)

    def link(self, command: Argv, terminal: bool) -> Link:
        """Start a command and give the bare connection, for an interactive caller."""
        return Link(self._agent, self._token, "t" if terminal else "-", as_argv(command))

    def forwarded(self, port: int) -> tuple[str, int]:
        try:
            return LOOPBACK, self._forwards.get(port) or self._forward(0, port)
        except (QmpGone, QmpTimeout, QmpError):
            raise HostError("the KVM host is gone.\n" + self._tail()) from None

    def monitor(self, line: str) -> str:
        """Run a command of the emulator's human monitor."""
        assert self._qmp
        return self._qmp.monitor(line)

    def put(self, path: Path | str, mode: int = 0o755) -> str:
        there = f"/tmp/{Path(path).name}"
        quoted = shlex.quote(there)
        done = self.run(f"cat >{quoted} && chmod {mode:o} {quoted}",
                        data=Path(path).read_bytes())
        if done.returncode:
            raise HostError(f"{path} could not be brought to the KVM host: {done.stderr.strip()}")
        return there

    def close(self) -> None:
        if self._qmp is not None and self._process is not None:
            with contextlib.suppress(QmpGone, QmpTimeout, QmpError):
                if self._share and self._process.poll() is None and hasattr(self, "_agent"):
                    with contextlib.suppress(HostError, subprocess.TimeoutExpired):
                        self.run("sync", timeout=10)
                self._qmp.command("quit", timeout=5)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._qmp.close()
            self._token_socket.close()
            self._process = None
        self._stderr.close()
        self._log_file.close()


def is_older(path: Path, made_from: Path) -> bool:
    """Whether a file has been made before what went into it was, as far as that is there."""
    return made_from.exists() and path.stat().st_mtime < made_from.stat().st_mtime


def _escaped(path: Path | str) -> str:
    """A path inside a QEMU option."""
    return str(path).replace(",", ",,")


def _claim_log(name: str) -> tuple[IO[str], Path]:
    """A log file of our own: the first number that no other running instance holds."""
    folder = BUILD / "log"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        path = folder / (f"{name}.log" if number == 1 else f"{name}-{number}.log")
        file = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            return file, path
        except BlockingIOError:
            file.close()
    raise HostError(f"there are too many instances at once; see {folder}.")


def is_local() -> bool:
    """Whether the machine itself stands in for the lab."""
    return platform.machine() == "loongarch64"


def open_host(**options: Any) -> KvmHost:
    """The machine with LoongArch KVM that there is here; options as LabHost has them."""
    return LocalHost() if is_local() else LabHost(**options)
