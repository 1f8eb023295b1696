"""A small process that keeps root's rights beside a single-process server that has dropped them.

In a directory that only root may write to, the server itself could neither create a new log file after rotation nor
remove its socket and pid file at the end; and a renewed key belongs to root alone. The keeper does these three things
and nothing else: it opens the log files and certificate files that were named before the server changed its user, and
removes the files that existed then, if they are the same.

    server ── number of a log ──→ keeper        keeper ── descriptor ──→ server
    server ── certificates? ──→ keeper          keeper ── descriptors ──→ server     on a socket pair of their own
    server ends, however it does ──→ the keeper removes the files and ends

A supervisor stays root and needs no keeper.
"""

import errno
import os
import select
import signal
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from wiverno.core import forks
from wiverno.core.log_files import helped_by, mode_of, open_log

ANSWER_TIMEOUT: Final = 2.0  # seconds that the keeper gets to answer
MAX_LOGS: Final = 255  # a log's number is one byte
MAX_DESCRIPTORS: Final = 65536  # where the system has no limit
MAX_ANSWER: Final = 4096  # bytes
LARGEST: Final = 16 << 20  # bytes of a certificate file, as in core/net/certificates.py
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
def run_keeper(
    files: Sequence[MadeFile], logs: Sequence[str], certificates: Sequence[str] = ()
) -> Iterator[Callable[[], list[bytes]]]:
    """Run a keeper until the block ends; enter it as root.

    Args:
        files: to remove at the end.
        logs: to open on demand.
        certificates: to read on demand; the block is given the function that returns their contents.

    Raises:
        OSError: there is no room for another process.
    """
    logs = list(dict.fromkeys(logs))[:MAX_LOGS]
    ours, its = socket.socketpair()
    asking, answering = socket.socketpair()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with forks.own_fork():
            pid = os.fork()
        if not pid:
            _run(its.detach(), answering.detach(), files, logs, certificates)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    its.close()
    answering.close()
    ours.settimeout(ANSWER_TIMEOUT)
    _held.extend((ours, asking))
    try:
        with helped_by(lambda path: _ask(ours, logs, path)):
            yield lambda: _ask_for_contents(asking, certificates)
    finally:
        _held.clear()
        with suppress(OSError):
            asking.shutdown(socket.SHUT_RDWR)  # a thread may wait there
        with suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
            ours.recv(1)  # the keeper ends when it has removed the files
        ours.close()
        asking.close()
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)


# The server's ends of the pairs. A child process of the application must not hold a copy: the keeper would not end.
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


def _ask_for_contents(asking: socket.socket, names: Sequence[str]) -> list[bytes]:
    """Have the keeper open the certificate files; return their contents. It waits as long as the disk does.

    Raises:
        OSError: one of them can't be opened, or is too large or no file.
    """
    asking.sendall(OPENED)
    answer, found, _, _ = socket.recv_fds(asking, MAX_ANSWER, len(names))
    files = [os.fdopen(fd, "rb") for fd in found]
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
            os.set_inheritable(file.fileno(), False)
        if answer != OPENED or len(files) != len(names):
            raise OSError(errno.EACCES, answer[1:].decode("utf-8", "replace") or "the keeper has ended")
        for name, file in zip(names, files, strict=True):
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                raise OSError(errno.EINVAL, f"{name} is no file of a sensible size")
        return [file.read(LARGEST) for file in files]


def _run(
    number: int, answering: int, files: Sequence[MadeFile], logs: Sequence[str], certificates: Sequence[str]
) -> NoReturn:
    """Be the keeper process."""
    try:
        for name in _IGNORED:
            if hasattr(signal, name):
                signal.signal(signal.Signals[name], signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        modes = [mode_of(path) for path in logs]  # asks handlers' descriptors
        first, last = sorted((number, answering))
        os.closerange(3, first)
        os.closerange(first + 1, last)
        os.closerange(last + 1, max(os.sysconf("SC_OPEN_MAX"), MAX_DESCRIPTORS))
        with socket.socket(fileno=number) as its, socket.socket(fileno=answering) as other:
            asked: list[socket.socket] = [its, other]
            while its in asked:
                for one in select.select(asked, (), ())[0]:
                    order = one.recv(1)
                    if not order:
                        asked.remove(one)
                    elif one is its:
                        _open_one(its, logs[order[0]], modes[order[0]])
                    else:
                        _open_certificates(other, certificates)
            for file in files:
                file.remove()
    finally:
        os._exit(0)


def _open_one(its: socket.socket, path: str, mode: int) -> None:
    try:
        fd = open_log(path, mode)
    except OSError as error:
        its.sendall(FAILED + str(error.errno or errno.EACCES).encode())
        return
    try:
        socket.send_fds(its, [OPENED], [fd])
    finally:
        os.close(fd)


def _open_certificates(other: socket.socket, names: Sequence[str]) -> None:
    found: list[int] = []
    try:
        for name in names:
            try:
                found.append(os.open(name, os.O_RDONLY | os.O_NONBLOCK))  # without waiting for a FIFO's writer
            except OSError as error:
                other.sendall(FAILED + f"{name}: {error.strerror}".encode()[: MAX_ANSWER - 1])
                return
        socket.send_fds(other, [OPENED], found)
    finally:
        for fd in found:
            os.close(fd)
