"""A stop whose exception Python loses comes again; what else Python can't raise is reported as before."""

import os
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import pytest

from tests.support.waiting import PATIENCE
from wiverno.workers.load_stop import LoadStopped, repeated_if_lost


class Held:
    """What weak references can refer to."""


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise LoadStopped(0)


@pytest.fixture(autouse=True)
def _stopping() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


def interrupt(_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def call_back(callback: object) -> None:
    """Have Python call a function in a place where it can't raise exceptions."""
    held = Held()
    reference = weakref.ref(held, callback)  # type: ignore[arg-type]
    del held
    assert reference() is None


def test_a_stop_that_is_lost_comes_again(capfd: pytest.CaptureFixture[str]) -> None:
    lost = []

    def interrupt_and_note(_: object) -> None:
        try:
            interrupt(_)
        finally:
            lost.append(True)

    with repeated_if_lost():
        call_back(interrupt_and_note)
        assert lost == [True]
        with pytest.raises(LoadStopped):
            time.sleep(PATIENCE)  # until it is interrupted
    assert "Traceback" not in capfd.readouterr().err


def test_other_exceptions_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda given: found.append(given.exc_type))
    before = sys.unraisablehook

    def fail(_: object) -> None:
        raise ZeroDivisionError

    with repeated_if_lost():
        call_back(fail)
    assert found == [ZeroDivisionError]
    assert sys.unraisablehook is before


def test_a_hook_of_the_application_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def hook(given: object) -> None:
        pass

    with repeated_if_lost():
        sys.unraisablehook = hook
    assert sys.unraisablehook is hook
