"""What keeps a server from starting, in one line."""

import errno
import os

import pytest

from wiverno.config.settings import Adjustments
from wiverno.start_errors import explain_bind_error


def failure(number: int, place: str) -> OSError:
    return OSError(number, f"{os.strerror(number)}: {place}")


@pytest.mark.parametrize(
    ("number", "settings", "advice"),
    [
        (errno.EADDRINUSE, {"port": 8000}, "(lsof -i :8000 shows it), or choose another port"),
        (errno.EADDRINUSE, {"unix_socket": "/run/a"}, "stop that server, or choose another path"),
        (errno.EACCES, {"port": 80}, "ports below 1024 need privileges"),
        (errno.EADDRNOTAVAIL, {"host": "192.0.2.1"}, "no interface of this machine has that address"),
        (errno.EEXIST, {"unix_socket": "/run/a"}, "choose another path, or remove it"),
        (errno.ENOENT, {"unix_socket": "/run/a"}, "the socket's directory must exist and be writable"),
        (errno.EACCES, {"unix_socket": "/run/a"}, "the socket's directory must exist and be writable"),
        (errno.EMFILE, {"port": 8000}, "Too many open files"),
    ],
)
def test_explained_bind_errors(number: int, settings: dict[str, object], advice: str) -> None:
    """A bind failure is one line: the operating system's words, the place, and what to do."""
    line = explain_bind_error(failure(number, "there"), Adjustments(**settings))
    assert line.startswith(f"cannot listen: {os.strerror(number)}: there")
    assert advice in line
    assert "\n" not in line
