"""What a forked child does with the server of its parent, without a fork: the hooks are called in this process."""

import signal
from collections.abc import Iterator

import pytest

from wiverno.core import forks
from wiverno.core.loop import signals
from wiverno.wsgi import forked


class Owner:
    """Owns descriptors; says when it abandons them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.abandoned = 0
        self.error = error

    def abandon(self) -> None:
        self.abandoned += 1
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def _a_parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is registered; at the end signals and the mark of a copy are as before."""
    monkeypatch.setattr(forks, "_registered", [])
    monkeypatch.setattr(forked, "is_copy", False)
    monkeypatch.setattr(signals, "_taken", {})
    monkeypatch.setattr(signals, "_wake_up", [])
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_child_abandons_every_owner() -> None:
    """One that fails does not keep the others; the child then knows that it is a copy of a server."""
    owners = [Owner(OSError("closed already")), Owner(), Owner()]
    for owner in owners:
        forks.register(owner)
    for _ in range(2):
        forks.unregister(owners[2])
    forks._before_fork()
    forks._after_fork_in_child()
    assert [owner.abandoned for owner in owners] == [1, 1, 0]
    assert forked.is_copy
    forks._after_fork_in_child()
    assert owners[0].abandoned == 1


def test_a_fork_without_a_server_changes_nothing() -> None:
    """Signals are not blocked, and the child is no copy."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    forks._before_fork()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    forks._after_fork_in_child()
    assert not forked.is_copy


@pytest.mark.parametrize("in_child", [True, False])
def test_signals_wait_until_the_child_has_its_own_handlers(in_child: bool) -> None:
    """All are blocked during the fork; afterwards either process has the mask of before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    forks.register(Owner())
    forks._before_fork()
    assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    (forks._after_fork_in_child if in_child else forks._after_fork)()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_a_worker_abandons_nothing_by_itself() -> None:
    """The supervisor's own fork: the worker closes what it does not need, and only the wake-up is undone."""
    owner = Owner()
    forks.register(owner)
    with forks.own_fork():
        forks._before_fork()
        forks._after_fork_in_child()
    assert owner.abandoned == 0
    assert not forked.is_copy
    forks.register(owner)
    forks._after_fork_in_child()
    assert owner.abandoned == 1


def test_handlers_go_back_to_what_they_were_before_the_server() -> None:
    """A handler that the program has set meanwhile stays."""
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    theirs = lambda number, frame: None  # noqa: E731
    try:
        for number in before:
            signals.take_signal(number, lambda number, frame: None)
        signal.signal(signal.SIGUSR2, theirs)
        forks.register(Owner())
        forks._after_fork_in_child()
        assert signal.getsignal(signal.SIGUSR1) is before[signal.SIGUSR1]
        assert signal.getsignal(signal.SIGUSR2) is theirs
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
