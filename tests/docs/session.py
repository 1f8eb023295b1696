"""One page as a reader works through it: files are saved, commands typed, servers left running until the page ends.

Ports that a page names are replaced by free ones, the same for the whole page. A server runs until a later block
starts another, or until the page ends; several in one block run side by side. What a command prints must contain the
page's lines in their order; `...` stands for anything, and so does a time of day or a process's number.
"""

import contextlib
import http.client
import os
import re
import signal
import socket
import sys
import sysconfig
from pathlib import Path

from tests.docs.blocks import Block, Command, commands
from tests.support.processes import Child, run
from tests.support.sockets import LOOPBACK, free_port
from tests.support.waiting import wait_until

PORTS = re.compile(r"(?<![\d.])(80[0-9]{2}|90[0-9]{2}|6543)(?![\d.])")
PROSE = {"text", "mermaid"}
"""Languages of blocks that are not executed: drawings and excerpts."""

ELSEWHERE: dict[str, str] = {
    r"pip install ": "tests/long/test_packages.py installs the wheel and the sdist into empty environments",
}
"""Commands that are not executed here, and why not."""

SERVERS = re.compile(
    r"^(\w+=\S+ )*(wiverno (run|serve)|pserve|make run|gunicorn|python -m wiverno (run|serve))\b(?!.*--(check|help))"
)
SERVING = re.compile(
    r"^\s*(\w+\.)?(serve|RunServer|create_server|DevServer)\(.*\)(\.(start|run|serve)\(.*\))?$", re.MULTILINE
)


SERVING_ON = re.compile(r"http://[\w.\-\[\]]+:(\d+)")


class Session:
    """A reader at a page.

    Args:
        folder: where the reader works.
        root: the checkout, for commands that start there (make run).
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.root = root
        self.ports: dict[str, int] = {}
        self.servers: list[tuple[Child, str]] = []
        self.variables: dict[str, str | None] = {
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "COLUMNS": "100",
        }
        self.executed = 0

    def adapted(self, text: str) -> str:
        """Put free ports in place of the page's."""
        return PORTS.sub(lambda match: str(self.ports.setdefault(match[1], free_port())), text)

    def do(self, block: Block) -> None:
        """Do what the reader does with a block.

        Raises:
            AssertionError: it does not do what the page says.
        """
        text = self.adapted(block.text)
        if block.language in PROSE or block.language.startswith("{"):
            return
        self.executed += 1
        if block.language == "console":
            typed = commands(text)
            if any(self._is_server(command) for command in typed):
                self.close()
            for command in typed:
                self.type(command)
        elif block.language not in ("python", "toml", "ini", "html", "pycon"):
            message = f"line {block.line}: nothing is known about executing {block.language!r}"
            raise AssertionError(message)
        elif block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif block.language == "python":
            self.run_python(text)
        elif block.language == "pycon":
            self.run_doctest(text)
        else:
            self.check_configuration(block, text)

    def run_python(self, text: str) -> None:
        """Run a script: to its end, or if it serves until it does, then Ctrl-C."""
        path = self.folder / "snippet.py"
        path.write_text(text, encoding="utf-8")
        if not SERVING.search(text):
            done = run([sys.executable, str(path)], cwd=self.folder, env=self.variables)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            return
        used = [port for port in self.ports.values() if str(port) in text]
        with Child([sys.executable, str(path)], cwd=self.folder, env=self.variables) as child:
            wait_until(lambda: child.process.poll() is not None or all(map(answers, used)), 20, what=f"{used}: {text}")
            assert child.process.poll() is None, child.output
            assert child.stop(signal.SIGINT) == 0, child.output

    def run_doctest(self, text: str) -> None:
        """Run an interactive session and compare what it shows."""
        (self.folder / "shown.txt").write_text(text, encoding="utf-8")
        code = "import doctest, sys; sys.exit(doctest.testfile('shown.txt', False, optionflags=doctest.ELLIPSIS)[0])"
        done = run([sys.executable, "-c", code], cwd=self.folder, env=self.variables)
        assert done.returncode == 0, done.stdout + done.stderr

    def check_configuration(self, block: Block, text: str) -> None:
        """Let wiverno judge a fragment of a configuration file; a TOML file of something else is only parsed."""
        path = self.folder / f"fragment.{block.language}"
        path.write_text(text, encoding="utf-8")
        variables = {**self.variables, **block.variables}
        done = run(["-m", "wiverno", "config", "check", str(path)], cwd=self.folder, env=variables)
        assert done.returncode == 0, f"line {block.line}:\n{text}\n{done.stdout}{done.stderr}"

    def type(self, command: Command) -> None:
        """Run one command and compare what it prints."""
        if any(re.match(pattern, command.text) for pattern in ELSEWHERE):
            return
        text, folder, variables = command.text, self.folder, dict(self.variables)
        if text == "make run" or "configs/" in text:
            folder, variables["WIVERNO_PORT"] = self.root, str(self.ports.setdefault("8000", free_port()))
        if re.match(r"wiverno run (dev|prod)\b(?!.*--port)", text):  # their port is 8000 by default
            variables["WIVERNO_PORT"] = str(self.ports.setdefault("8000", free_port()))
        if text == "make run":  # what it installs first is there, in the environment of the tests
            make = ["make", "--no-print-directory", "-n", "run", "ARGS=", f"VENV={sys.prefix}"]
            text = run(make, cwd=self.root).stdout.splitlines()[-1]
        expected = [line for line in command.expected if line != "^C"]
        with contextlib.ExitStack() as stack:
            child = stack.enter_context(Child(["bash", "-c", text], cwd=folder, env=variables))
            if not self._is_server(command):
                status = child.wait(60)
                self._compare(expected, child, text)
                should_fail = any(re.match(r"error\b|\d+ errors?;", line, re.IGNORECASE) for line in expected)
                assert (status != 0) == should_fail, f"$ {text}\nended with {status}\n{child.output}"
                return
            for line in expected:
                child.wait_for(as_pattern(line))
            child.wait_for("(Serving on|server started on|Listening at|Serving .* on)")
            if "^C" in command.expected:
                assert stopped(child, signal.SIGINT) == 0, child.output
                return
            if found := SERVING_ON.search(child.output):
                wait_until(lambda: has_answered(int(found[1])), 20, what=f"an answer\n{child.output}")
            stack.pop_all()
            self.servers.append((child, text))

    def _is_server(self, command: Command) -> bool:
        fails = any(line.startswith("error") for line in command.expected)
        return not fails and (bool(SERVERS.match(command.text)) or self._serves(command.text))

    def _serves(self, text: str) -> bool:
        """Whether it is `python FILE` with a script that serves."""
        found = re.match(r"python (\S+\.py)$", text)
        return bool(found and SERVING.search((self.folder / found[1]).read_text()))

    def _compare(self, expected: list[str], child: Child, command: str) -> None:
        position = 0
        for line in expected:
            found = re.compile(as_pattern(line)).search(child.output, position)
            assert found, f"$ {command}\nshould print {line!r}, printed\n{child.output}"
            position = found.end()

    def close(self) -> None:
        """End the servers; each must end well."""
        while self.servers:
            child, command = self.servers.pop()
            with child:
                assert stopped(child, signal.SIGTERM) == 0, f"$ {command}\n{child.output}"

    def abandon(self) -> None:
        """End the servers after a failure."""
        for child, _ in self.servers:
            child.__exit__()


def stopped(child: Child, number: signal.Signals) -> int:
    """Signal a server in its shell, or the shell it replaced, and return its exit status."""
    os.killpg(child.process.pid, number)
    return child.wait()


def as_pattern(line: str) -> str:
    """Return an expression for a line of output as pages show it."""
    pattern = re.escape(line.strip())
    pattern = re.sub(r"\d{4}\\-\d\d\\-\d\d", r"\\d{4}-\\d\\d-\\d\\d", pattern)
    pattern = re.sub(r"\d\d:\d\d:\d\d(,\d+)?", r"\\d\\d:\\d\\d:\\d\\d(,\\d+)?", pattern)
    return pattern.replace(r"\.\.\.", ".*?").replace("\\ ", r"\s+")


def has_answered(port: int) -> bool:
    """Whether an HTTP request is answered, with whatever status; a reader's first request is."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/favicon.ico")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def answers(port: int) -> bool:
    """Return whether a server listens."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
        return True
    return False
