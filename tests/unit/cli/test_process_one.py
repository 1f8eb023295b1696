"""Process 1 of a container: what it does with signals and children, on a kernel that the test makes up."""

import os
import signal
from collections.abc import Iterable
from typing import Any, NoReturn

import pytest

from wiverno.cli import process_one

CHILD = 7


class ExitError(Exception):
    """What `os._exit` is here; it has the status."""


class Kernel:
    """The calls of `os` and `signal` that process 1 makes.

    Args:
        signals: what `sigwait` returns, in turn.
        ended: what `waitpid` returns for each SIGCHLD: pairs of process and status, until none is left.
    """

    WNOHANG = os.WNOHANG
    WIFEXITED, waitstatus_to_exitcode = staticmethod(os.WIFEXITED), staticmethod(os.waitstatus_to_exitcode)
    SIG_BLOCK, SIG_SETMASK, SIGCHLD, SIGTTOU = signal.SIG_BLOCK, signal.SIG_SETMASK, signal.SIGCHLD, signal.SIGTTOU
    Signals, valid_signals = signal.Signals, staticmethod(signal.valid_signals)

    def __init__(self, signals: Iterable[int] = (), ended: Iterable[tuple[int, int]] = (), fork: int = CHILD) -> None:
        self.signals = list(signals)
        self.ended = list(ended)
        self.forked = fork
        self.sent: list[tuple[int, int]] = []
        self.groups: list[tuple[int, int]] = []
        self.masks: list[tuple[int, set[int]]] = []
        self.foreground: list[int] = []
        self.terminal = True

    def fork(self) -> int:
        return self.forked

    def getpid(self) -> int:
        return 99

    def isatty(self, descriptor: int) -> bool:
        return self.terminal

    def tcsetpgrp(self, descriptor: int, group: int) -> None:
        self.foreground.append(group)

    def setpgid(self, pid: int, group: int) -> None:
        self.groups.append((pid, group))
        raise PermissionError

    def pthread_sigmask(self, how: int, mask: Any) -> set[int]:
        self.masks.append((how, set(mask)))
        return {signal.SIGUSR2}

    def sigwait(self, waited: set[int]) -> int:
        return self.signals.pop(0)

    def kill(self, pid: int, number: int) -> None:
        self.sent.append((pid, number))
        if number == signal.SIGHUP:
            raise ProcessLookupError

    def waitpid(self, pid: int, options: int) -> tuple[int, int]:
        assert (pid, options) == (-1, os.WNOHANG)
        if not self.ended:
            raise ChildProcessError
        return self.ended.pop(0)

    def _exit(self, status: int) -> NoReturn:
        raise ExitError(status)


def on(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setattr(process_one, "os", kernel)
    monkeypatch.setattr(process_one, "signal", kernel)
    return kernel


@pytest.mark.parametrize(
    ("status", "expected"), [(0, 0), (3 << 8, 3), (signal.SIGTERM, 128 + 15), (signal.SIGKILL, 128 + 9)]
)
def test_it_ends_as_the_server_does(status: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its exit status, or as shells tell of a signal."""
    on(Kernel([signal.SIGCHLD], [(CHILD, status)]), monkeypatch)
    with pytest.raises(ExitError) as caught:
        process_one.fork_server()
    assert caught.value.args == (expected,)


def test_signals_are_handed_on_and_orphans_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes when the server has just ended is dropped; orphans do not end process 1."""
    kernel = on(
        Kernel(
            [signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGCHLD],
            [(8, 0), (9, 0), (0, 0), (10, 0), (CHILD, 0), (0, 0)],
        ),
        monkeypatch,
    )
    with pytest.raises(ExitError):
        process_one.fork_server()
    assert kernel.sent == [(CHILD, signal.SIGTERM), (CHILD, signal.SIGHUP)]
    assert kernel.groups == [(CHILD, CHILD)]
    assert not kernel.ended


def test_no_signal_of_a_fault_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of process 1 itself ends it, and real-time signals are handed on."""
    kernel = on(Kernel([signal.SIGCHLD], [(CHILD, 0)]), monkeypatch)
    with pytest.raises(ExitError):
        process_one.fork_server()
    ((how, blocked),) = kernel.masks
    assert how == signal.SIG_BLOCK
    assert not blocked & {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS}
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGRTMIN + 1} <= blocked


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_server_has_a_process_group_and_the_terminal(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child returns with the signals that were blocked before, in the terminal's foreground if there is one."""
    kernel = on(Kernel(fork=0), monkeypatch)
    kernel.terminal = is_terminal
    kernel.setpgid = lambda pid, group: kernel.groups.append((pid, group))  # type: ignore[method-assign]
    process_one.fork_server()
    assert kernel.groups == [(0, 0)]
    assert kernel.foreground == ([99] if is_terminal else [])
    assert kernel.masks[-1] == (signal.SIG_SETMASK, {signal.SIGUSR2})
