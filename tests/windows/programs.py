"""Programs of Windows as children of a test, and curl from Linux against them."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import ROOT, Child
from tests.support.programs import program
from tests.windows.environment import command, on_z, variables

SITE = "tests.windows.site:application"
STARTED = 60.0
"""Seconds in which a program of Windows starts on a busy machine."""


def start(*arguments: str, cwd: Path | str = ROOT, env: Mapping[str, str | None] | None = None) -> Child:
    """Start Windows' Python; Wine wants a pipe for standard input, too."""
    return Child(command(*arguments), cwd=cwd, env=variables(env), stdin=subprocess.PIPE)


def serve(*options: str, cwd: Path | str = ROOT, env: Mapping[str, str | None] | None = None) -> Child:
    """Start `wiverno run` with the site, on a port that the system chooses."""
    return start("-m", "wiverno", "run", SITE, "--listen", "127.0.0.1:0", *options, cwd=cwd, env=env)


def run(*arguments: str, cwd: Path | str = ROOT, env: Mapping[str, str | None] | None = None) -> tuple[int, str]:
    """Run Windows' Python to its end, and return status and output."""
    with start(*arguments, cwd=cwd, env=env) as child:
        return child.wait(STARTED), child.output


def url(child: Child, path: str = "/", scheme: str = "http") -> str:
    """Return the address of a page, when the server has said where it listens."""
    child.wait_for(r"Serving on|server started on", STARTED)
    host, port = child.address()
    return f"{scheme}://{host}:{port}{path}"


def curl(*arguments: str) -> bytes:
    """Run curl and return the body; a failure of the transfer, or a status from 400, fails the test."""
    done = subprocess.run(
        [program("curl"), "--silent", "--show-error", "--fail", "--max-time", "60", *arguments],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


__all__ = ["ROOT", "SITE", "STARTED", "Child", "curl", "on_z", "run", "serve", "start", "url"]
