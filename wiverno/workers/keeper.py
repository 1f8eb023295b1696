"""A small process that keeps root's rights beside a single-process server that has dropped them.

In a directory that only root may write to, the server itself could neither create a new log file after rotation nor
remove its socket and pid file at the end. The keeper does these two things and nothing else: it opens the log files
that were named before the server changed its user, and removes the files that existed then, if they are the same.

    server ── number of a log ──→ keeper        keeper ── descriptor ──→ server
    server ends, however it does ──→ the keeper removes the files and ends

A supervisor stays root and needs no keeper.
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

ANSWER_TIMEOUT: Final = 2.0  # seconds that the keeper gets to answer
MAX_LOGS: Final = 255  # a log's number is one byte
MAX_DESCRIPTORS: Final = 65536  # where the system has no limit
FAILED: Final = b"\0"
OPENED: Final = b"\1"

_IGNORED: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGTTIN", "SIGTTOU")


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that this server has created: its name and its identity, device and inode."""

    path: str
    identity: tuple[int, int]

    def remove(self) -> None:
        """Remove it, unless another file has its name now."""
        with suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self.identity:
                Path(self.path).unlink()


def identify(path: str) -> MadeFile | None:
    """Return a file with its present identity, None if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return MadeFile(path, (found.st_dev, found.st_ino))


@contextmanager
def run_keeper(files: Sequence[MadeFile], logs: Sequence[str]) -> Iterator[None]:
    """Run a keeper until the block ends; enter it as root.

    Raises:
        OSError: there is no room for another process.
    """
    logs = list(dict.fromkeys(logs))[:MAX_LOGS]
    ours, its = socket.socketpair()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with forks.own_fork():
            pid = os.fork()
        if not pid:
            _run(its.detach(), files, logs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    its.close()
    ours.settimeout(ANSWER_TIMEOUT)
    _held.append(ours)
    try:
        with helped_by(lambda path: _ask(ours, logs, path)):
            yield
    finally:
        _held.clear()
        with suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
            ours.recv(1)  # the keeper ends when it has removed the files
        ours.close()
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)


# The server's end of the pair. A child process of the application must not hold a copy: the keeper would not end.
_held: list[socket.socket] = []


def _close_in_child() -> None:
    for one in _held:
        one.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _ask(ours: socket.socket, logs: Sequence[str], path: str) -> int:
    """Have the keeper open a log file; return the descriptor."""
    if path not in logs:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    ours.sendall(bytes([logs.index(path)]))
    answer, found, _, _ = socket.recv_fds(ours, 64, 1)
    if answer[:1] != OPENED or not found:
        number = int(answer[1:] or errno.EACCES)
        raise OSError(number, os.strerror(number))
    os.set_inheritable(found[0], False)
    return found[0]


def _run(number: int, files: Sequence[MadeFile], logs: Sequence[str]) -> NoReturn:
    """Be the keeper process."""
    try:
        for name in _IGNORED:
            if hasattr(signal, name):
                signal.signal(signal.Signals[name], signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.closerange(3, number)
        os.closerange(number + 1, max(os.sysconf("SC_OPEN_MAX"), MAX_DESCRIPTORS))
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
