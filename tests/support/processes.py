"""Child processes with captured output and a certain end.

The output is read by a thread into a list, so a child never blocks on a full pipe and a test can wait for a line.
"""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
"""The top of the working tree."""

SERVING = re.compile(r"(?:Serving on|server started on) https?://(?:\[(?P<v6>[^]]+)]|(?P<host>[^:\s/]+)):(?P<port>\d+)")


def script(name: str) -> str:
    """Return the path of a console script of the environment that runs the tests."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def environment(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return this process's variables without wiverno's, pytest's and make's, and with `extra` (None removes)."""
    without = ("WIVERNO_", "COV_", "PYTEST_")
    # What `make test PYTHON=...` was told is not meant for a make that a test runs.
    make = {"PYTHON", "ARGS", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"}
    variables = {name: text for name, text in os.environ.items() if name not in make and not name.startswith(without)}
    variables["PYTHONUNBUFFERED"] = "1"
    for name, text in (extra or {}).items():
        if text is None:
            variables.pop(name, None)
        else:
            variables[name] = text
    return variables


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return a command as it is run: what starts with an option or a .py file is for this Python."""
    is_for_python = arguments[0].startswith("-") or arguments[0].endswith(".py")
    return [sys.executable, *arguments] if is_for_python else list(arguments)


class Child:
    """A running program; leaving the block ends it, by force if need be.

    Args:
        arguments: the program and its arguments, see `command_line`.
        cwd: its working directory.
        env: variables to add, or with None to remove.
        stdin: its standard input, for subprocess.Popen.
    """

    def __init__(
        self, arguments: Sequence[str], *, cwd: Path | str | None = None, env: Mapping[str, str | None] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:  # fmt: skip
        command = command_line(arguments)
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environment(env), stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        """Everything that it wrote until now, standard output and error together."""
        return "".join(self.lines)

    def wait_for(self, pattern: str | re.Pattern[str], deadline: float = PATIENCE * 2) -> re.Match[str]:
        """Wait until the output matches `pattern`.

        Raises:
            AssertionError: it did not in time, or the program ended before; the output is in the message.
        """
        expression = re.compile(pattern)

        def found() -> re.Match[str] | bool | None:
            match = expression.search(self.output)
            if match is None and self.process.poll() is not None:
                self._reader.join(PATIENCE)
                return expression.search(self.output) or True
            return match

        try:
            match = wait_until(found, deadline, what=f"{expression.pattern!r} in the output")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None
        if not isinstance(match, re.Match):
            message = f"ended with {self.process.returncode} before {expression.pattern!r}:\n{self.output}"
            raise AssertionError(message)
        return match

    def address(self) -> tuple[str, int]:
        """Wait for the line that says where it listens, and return (host, port) to connect to."""
        match = self.wait_for(SERVING)
        host = match["v6"] or match["host"]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(match["port"])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, not to its children."""
        self.process.send_signal(number)

    def wait(self, deadline: float = PATIENCE * 2) -> int:
        """Wait for the end and return the exit status.

        Raises:
            AssertionError: it is still running at the deadline; the output is in the message.
        """
        try:
            status = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            message = f"still running after {deadline:g} s:\n{self.output}"
            raise AssertionError(message) from None
        self._reader.join(PATIENCE)
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, deadline: float = PATIENCE * 2) -> int:
        """Signal it, wait for the end and return the exit status."""
        if self.process.poll() is None:
            self.send(number)
        return self.wait(deadline)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            if hasattr(os, "killpg"):  # its own session: grandchildren go too
                try:
                    os.killpg(self.process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            else:
                self.process.kill()
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def run(
    arguments: Sequence[str], *, cwd: Path | str | None = None, env: Mapping[str, str | None] | None = None,
    deadline: float = PATIENCE * 3, text: str | None = None,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a program to its end and return its status and both outputs; `text` is its standard input."""
    return subprocess.run(
        command_line(arguments), cwd=cwd, env=environment(env), input=text or "", capture_output=True, text=True,
        encoding="utf-8", timeout=deadline, check=False,
    )  # fmt: skip
