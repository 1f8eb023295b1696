"""A small process of root's beside a server of one process that has given root up.

Where root alone may write to a directory, the server itself could neither begin a new log after rotation nor remove its
socket and pid file at the end. The keeper does these two things and nothing else: it opens the logs that it was told of
before the server became another user, and removes the files that were made by then, if they are still the same.

    server ── number of a log ──→ keeper        keeper ── descriptor ──→ server
    server ends, however it does ──→ the keeper removes the files and ends

A supervisor stays root's and needs no keeper.
"""

import errno
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from wiverno.core import forks
from wiverno.core.log_files import helped_by, open_log

PATIENCE: Final = 2.0  # seconds that the keeper gets to answer
MOST_LOGS: Final = 255  # a log's number is one byte
MOST_DESCRIPTORS: Final = 65536  # where the system has no limit
FAILED: Final = b"\0"
OPENED: Final = b"\1"

_IGNORED: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGTTIN", "SIGTTOU")


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that this server made, by its name and its identity: device and inode."""

    path: str
    identity: tuple[int, int]

    def remove(self) -> None:
        """Remove it, unless another file has its name by now."""
        with suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self.identity:
                Path(self.path).unlink()


def made_file(path: str) -> MadeFile | None:
    """Return a file as it is now, None if it is not there."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return MadeFile(path, (found.st_dev, found.st_ino))


@contextmanager
def kept(files: Sequence[MadeFile], logs: Sequence[str]) -> Iterator[None]:
    """Have a keeper look after files and logs until the block ends; to be entered as root.

    Raises:
        OSError: there is no room for another process.
    """
    logs = list(dict.fromkeys(logs))[:MOST_LOGS]
    ours, its = socket.socketpair()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with forks.own_fork():
            pid = os.fork()
        if not pid:
            _keep(its.detach(), files, logs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    its.close()
    ours.settimeout(PATIENCE)
    _held.append(ours)
    try:
        with helped_by(lambda path: _ask(ours, logs, path)):
            yield
    finally:
        _held.clear()
        with suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
            ours.recv(1)  # its end, when the files are gone
        ours.close()
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)


# The server's end of the pair; a child of the application's that held a copy would keep the keeper alive.
_held: list[socket.socket] = []


def _close_in_child() -> None:
    for one in _held:
        one.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _ask(ours: socket.socket, logs: Sequence[str], path: str) -> int:
    """Return the descriptor of a log that the keeper has opened."""
    if path not in logs:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    ours.sendall(bytes([logs.index(path)]))
    answer, found, _, _ = socket.recv_fds(ours, 64, 1)
    if answer[:1] != OPENED or not found:
        number = int(answer[1:] or errno.EACCES)
        raise OSError(number, os.strerror(number))
    os.set_inheritable(found[0], False)
    return found[0]


def _keep(number: int, files: Sequence[MadeFile], logs: Sequence[str]) -> NoReturn:
    """Be the keeper."""
    try:
        for name in _IGNORED:
            if hasattr(signal, name):
                signal.signal(signal.Signals[name], signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.closerange(3, number)
        os.closerange(number + 1, max(os.sysconf("SC_OPEN_MAX"), MOST_DESCRIPTORS))
        with socket.socket(fileno=number) as its:
            while order := its.recv(1):
                _open_one(its, logs[order[0]])
            for file in files:
                file.remove()
    finally:
        os._exit(0)


def _open_one(its: socket.socket, path: str) -> None:
    try:
        fd = open_log(path)
    except OSError as error:
        its.sendall(FAILED + str(error.errno or errno.EACCES).encode())
        return
    try:
        socket.send_fds(its, [OPENED], [fd])
    finally:
        os.close(fd)
