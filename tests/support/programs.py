"""What a test needs from the machine, programs above all: where it is, and what its absence means."""

import os
import shutil
from typing import NoReturn

import pytest

OTHER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
"""Debian has some where users without rights do not look."""


def leave_out(message: str) -> NoReturn:
    """Leave the running test out, which the summary says with the reason.

    Where the variable CI is set, as .ci/run and every CI service set it, everything must be installed: there it fails.
    """
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def program(*names: str, package: str = "") -> str:
    """Return the path of a program, under whichever of its names it is installed.

    Without it a test is left out, see `leave_out`.

    Args:
        package: what Debian calls it, where that is not its name.
    """
    for name in names:
        if found := shutil.which(name) or shutil.which(name, path=os.pathsep.join(OTHER_FOLDERS)):
            return found
    leave_out(f"{names[0]} is not installed; on Debian: apt-get install {package or names[0]} (bash .ci/run does it)")


def require_root() -> None:
    """Leave a test out that starts a server as another user, where that is not allowed, see `leave_out`."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        leave_out("only root can start a server as another user (sudo make test ARGS='-k started_by_root')")
