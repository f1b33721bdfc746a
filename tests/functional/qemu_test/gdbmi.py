# SPDX-License-Identifier: GPL-2.0-or-later
"""A real gdb, driven through its machine interface (GDB/MI).

Commands are the ones that a user types; what gdb prints for them comes back as
text, and every word of both sides is in a transcript, so that a test can say
"and gdb never warned".  Stops are events that are waited for.  It knows one
target, which stops and goes as a whole, as gdb has it by default.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("gdb-multiarch", "gdb")
COMPLAINT = re.compile(r"\bwarning\b|\berror\b|truncated|rejected|unknown|cannot|"
                       r"could not|couldn't|ignoring|failed", re.IGNORECASE)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "e": "\033"}


class GdbError(Exception):
    """gdb's own words on why a command failed."""


class GdbTimeout(Exception):
    """gdb did not answer, or the target did not stop, in time."""


def find_gdb() -> str | None:
    """A gdb that knows LoongArch, by preference."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class _Parser:
    """The values of an MI record: strings, {tuples} and [lists]."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _peek(self) -> str:
        return self._text[self._at:self._at + 1]

    def string(self) -> str:
        """A C string."""
        self._at += 1
        out = bytearray()
        while (char := self._peek()) not in ('"', ""):
            self._at += 1
            if char != "\\":
                out += char.encode()
            elif octal := re.compile("[0-7]{3}").match(self._text, self._at):
                out.append(int(octal[0], 8))
                self._at += 3
            else:
                out += _ESCAPES.get(self._peek(), self._peek()).encode()
                self._at += 1
        self._at += 1
        return out.decode(errors="replace")

    def value(self) -> Any:
        if self._peek() == '"':
            return self.string()
        end = {"{": "}", "[": "]"}[self._peek()]
        self._at += 1
        pairs = self.pairs(end)
        if end == "}":
            return dict(pairs)
        return [value for _, value in pairs]

    def pairs(self, end: str = "") -> list[tuple[str, Any]]:
        """name=value, or bare values, separated by commas."""
        found = []
        while self._peek() != end:
            name = re.compile(r"([\w-]+)=").match(self._text, self._at)
            if name:
                self._at = name.end()
            found.append((name[1] if name else "", self.value()))
            if self._peek() == ",":
                self._at += 1
        self._at += 1
        return found


class Gdb:
    """One gdb process."""

    def __init__(self, program: str, transcript: Path | str,
                 symbols: Path | str | None = None) -> None:
        """Start it, with no init file and, where given, a file of symbols."""
        self._log = open(transcript, "w", encoding="utf-8", errors="replace")
        self._log_lock = threading.Lock()
        self._records: queue.Queue[str] = queue.Queue()
        self._stops: list[dict[str, Any]] = []
        self._said: list[str] = []
        args = [program, "-nx", "-q", "--interpreter=mi3"]
        if symbols:
            args.append(str(symbols))
        self._process = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
            # It dies with us by the end of its stdin; a Ctrl-C is ours alone.
            start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()
        for setting in ("confirm off", "pagination off", "width 0", "height 0",
                        "remotetimeout 60"):
            self.run(f"set {setting}")

    def _note(self, text: str) -> None:
        with self._log_lock:
            if not self._log.closed:
                self._log.write(f"{time.strftime('%H:%M:%S')} {text}\n")
                self._log.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._note("< " + line.rstrip("\n"))
            self._records.put(line.rstrip("\n"))
        self._records.put("")

    def _next(self, deadline: float, what: str) -> str:
        try:
            line = self._records.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            raise GdbTimeout(f"{what}: nothing came in time") from None
        if not line:
            raise GdbError(f"{what}: gdb has ended")
        return line

    def _take(self, line: str) -> tuple[str, dict[str, Any]] | None:
        """Sort one line; the result of a command is given back."""
        if line[0] in "~&@":
            text = _Parser(line[1:]).string()
            # A command's own echo is no output.
            if line[0] != "&" or not text.endswith("\n") or text.strip() != self._typed:
                self._said.append(text)
        elif line.startswith("*stopped"):
            self._stops.append(dict(_Parser(line.partition(",")[2]).pairs()))
        elif line[0] == "^":
            kind, _, rest = line[1:].partition(",")
            return kind, dict(_Parser(rest).pairs())
        return None

    _typed = ""

    def run(self, command: str, timeout: float = 60) -> str:
        """Run a command that does not resume the target; give what gdb printed."""
        return self._command(command, timeout)

    def _command(self, command: str, timeout: float) -> str:
        assert self._process.stdin
        deadline = time.monotonic() + timeout
        self._typed, start = command, len(self._said)
        self._note("> " + command)
        quoted = command.replace("\\", "\\\\").replace('"', '\\"')
        try:
            self._process.stdin.write(f'-interpreter-exec console "{quoted}"\n')
            self._process.stdin.flush()
        except OSError:
            raise GdbError(f"{command}: gdb has ended") from None
        while True:
            result = self._take(self._next(deadline, command))
            if result and result[0] == "error":
                raise GdbError(f"{command}: {result[1].get('msg')}")
            if result:
                return "".join(self._said[start:])

    def resume(self, command: str = "continue", timeout: float = 60) -> None:
        """Run a command after which the target runs."""
        self._stops.clear()
        self._command(command, timeout)

    def wait_stop(self, timeout: float = 60) -> dict[str, Any]:
        """Wait until the target has stopped; give gdb's record of it."""
        deadline = time.monotonic() + timeout
        while not self._stops:
            self._take(self._next(deadline, "waiting for a stop"))
        return self._stops.pop(0)

    def go(self, command: str = "continue", timeout: float = 60) -> dict[str, Any]:
        """Resume, and wait for the stop."""
        self.resume(command, timeout)
        return self.wait_stop(timeout)

    def interrupt(self, timeout: float = 60) -> dict[str, Any]:
        """What Ctrl-C does."""
        self._note("> (interrupt)")
        self._process.send_signal(signal.SIGINT)
        return self.wait_stop(timeout)

    def evaluate(self, expression: str) -> int:
        """The value of an integer expression, not negative."""
        text = self.run(f"output/x {expression}")
        try:
            return int(text.strip(), 16)
        except ValueError:
            raise GdbError(f"{expression} is no number: {text.strip()}") from None

    def python(self, code: str, timeout: float = 60) -> str:
        """Run Python inside gdb."""
        return self.run(f"python exec({code!r})", timeout)

    def complaints(self) -> list[str]:
        """What gdb has printed so far that a user would worry about."""
        said = "".join(self._said).splitlines()
        return [line for line in said if COMPLAINT.search(line)]

    def close(self) -> None:
        """End gdb; the target is left as gdb leaves it."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        with self._log_lock:
            self._log.close()

    def __enter__(self) -> Gdb:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
