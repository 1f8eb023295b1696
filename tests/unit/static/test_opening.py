"""A file below a directory, and nothing else: links, races, devices."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE
from wiverno.static.opening import open_below, open_checked, status_of

Open = Callable[[str, list[str]], tuple[int, os.stat_result]]
OPENERS: dict[str, Open] = {"openat": open_below, "compared": open_checked}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with links of every kind, and a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "public"
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "site.css").write_text("body{}")
    (folder / "..data").mkdir()
    (folder / "..data" / "map.txt").write_text("from a ConfigMap")
    for name, target in {
        "inside": "css", "alias.css": "css/site.css", "absolute": str(folder / "css"), "outside": "..",
        "stolen.txt": "../secret.txt", "system": "/etc", "loop": "loop", "dangling": "nowhere",
        "map.txt": "..data/map.txt", "css/up.txt": "../../secret.txt", "there-and-back": "../public/css/site.css",
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    return folder


def read(opened: tuple[int, os.stat_result]) -> str:
    fd, status = opened
    with os.fdopen(fd) as file:
        assert os.path.samestat(os.fstat(fd), status)
        return file.read()


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    "path", ["css/site.css", "inside/site.css", "alias.css", "absolute/site.css", "map.txt", "there-and-back"]
)
def test_what_is_opened(root: Path, path: str, opener: str) -> None:
    """Regular files, and links that stay inside."""
    content = read(OPENERS[opener](str(root), path.split("/")))
    assert content == (root / path).read_text()


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    "path",
    ["outside/secret.txt", "stolen.txt", "system/passwd", "loop", "loop/x", "dangling", "css/up.txt", "pipe", "missing",
     "css/site.css/x", "x" * 300],
)  # fmt: skip
def test_what_is_not(root: Path, path: str, opener: str) -> None:
    """Everything else is no file, whatever the reason."""
    with pytest.raises(OSError) as caught:
        OPENERS[opener](str(root), path.split("/"))
    assert status_of(caught.value) == 404


@pytest.mark.parametrize("opener", OPENERS)
def test_directories(root: Path, opener: str) -> None:
    """They are told apart, for their index."""
    for path in ("css", "inside"):
        with pytest.raises(IsADirectoryError):
            OPENERS[opener](str(root), [path])


def test_devices() -> None:
    """A device is not even opened: that may do anything."""
    for name in ("null", "tty", "zero"):
        with pytest.raises(OSError) as caught:
            open_below("/dev", [name])
        assert status_of(caught.value) == 404


def test_links_that_may_lead_out(root: Path) -> None:
    """With follow_symlinks they do, but not to a pipe."""
    assert read(open_below(str(root), ["stolen.txt"], follow_symlinks=True)) == "secret"
    with pytest.raises(FileNotFoundError):
        open_below(str(root), ["pipe"], follow_symlinks=True)


def test_a_directory_that_is_a_link(root: Path, tmp_path: Path) -> None:
    """A deployment points `current` to a release; the links inside still work."""
    (tmp_path / "current").symlink_to(root)
    for names in (["css", "site.css"], ["inside", "site.css"]):
        assert read(open_below(str(tmp_path / "current"), names)) == "body{}"
    with pytest.raises(FileNotFoundError):
        open_below(str(tmp_path / "current"), ["stolen.txt"])


@pytest.mark.parametrize("swapped", ["inner", "inner/file"])
def test_a_name_that_becomes_a_link_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """Between the look at a name and its opening an attacker puts a link in its place: the link is not followed."""
    folder = tmp_path / "public"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("mine")
    (tmp_path / "file").write_text("secret")
    real_open = os.open

    def swap_then_open(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == swapped.rpartition("/")[2] and not (folder / swapped).is_symlink():
            (folder / swapped).rename(tmp_path / "away")
            (folder / swapped).symlink_to(tmp_path if swapped == "inner" else tmp_path / "file")
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swap_then_open)
    with pytest.raises(OSError) as caught:
        open_below(str(folder), ["inner", "file"])
    assert (folder / swapped).is_symlink()
    assert status_of(caught.value) == 404


def test_a_file_that_becomes_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread does not wait for the pipe's other end."""
    (tmp_path / "x").write_text("mine")
    real_open = os.open

    def swap_then_open(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "x" and stat.S_ISREG((tmp_path / "x").stat().st_mode):
            (tmp_path / "x").unlink()
            os.mkfifo(tmp_path / "x")
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swap_then_open)
    with pytest.raises(FileNotFoundError):
        open_below(str(tmp_path), ["x"])


LEASE = """
import fcntl, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
print("leased", flush=True)
signal.sigwait([signal.SIGIO])
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="leases are Linux's")
def test_a_file_that_another_process_has_a_lease_on(tmp_path: Path) -> None:
    """Samba takes leases: the file is opened when its holder has given it back."""
    (tmp_path / "x").write_text("mine")
    holder = subprocess.Popen([sys.executable, "-c", LEASE, str(tmp_path / "x")], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "leased\n"
        assert read(open_below(str(tmp_path), ["x"])) == "mine"
        assert holder.wait(PATIENCE) == 0
    assert signal.SIGIO  # the signal that the kernel asks the holder with


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOENT, 404), (errno.ENOTDIR, 404), (errno.ELOOP, 404), (errno.ENAMETOOLONG, 404), (errno.ENXIO, 404),
        (errno.EACCES, 403), (errno.EPERM, 403), (errno.EMFILE, 503), (errno.EIO, 503), (errno.ESTALE, 503),
    ],
)  # fmt: skip
def test_statuses(number: int, status: int) -> None:
    """What is not there, what may not be read, and what only the server can correct."""
    assert status_of(OSError(number, "")) == status
