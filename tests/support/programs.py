"""Programs of the operating system that a test needs: where they are, and what their absence means."""

import os
import shutil

import pytest

OTHER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
"""Debian has some where users without rights do not look."""


def program(*names: str, package: str = "") -> str:
    """Return the path of a program, under whichever of its names it is installed.

    Without it a test is left out, which the summary says with its reason. Where the variable CI is set, as .ci/run and
    every CI service set it, everything must be installed: there the test fails.

    Args:
        package: what Debian calls it, where that is not its name.
    """
    for name in names:
        if found := shutil.which(name) or shutil.which(name, path=os.pathsep.join(OTHER_FOLDERS)):
            return found
    message = f"{names[0]} is not installed; on Debian: apt-get install {package or names[0]} (bash .ci/run does it)"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require_root() -> None:
    """Leave a test out that starts a server as another user, where that is not allowed; where CI is set it fails."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return
    message = "only root can start a server as another user (sudo make test ARGS='-k started_by_root')"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
