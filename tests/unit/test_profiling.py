"""A statement under the profiler."""

import threading

import pytest

from wiverno import profiling, tables
from wiverno.profiling import profile


@pytest.fixture(params=[True, False] if tables.has_gil() else [False], ids=str, autouse=True)
def has_gil(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each kind of build has another profiler; with the GIL both of them work."""
    found: bool = request.param
    monkeypatch.setattr(profiling, "has_gil", lambda: found)
    return found


@pytest.mark.parametrize(
    ("callers", "order", "words"),
    [
        (False, None, "Ordered by: cumulative time, call count, internal time"),
        (False, ("time",), "Ordered by: internal time"),
        (True, None, "was called by..."),
    ],
)
def test_profile(capsys: pytest.CaptureFixture[str], callers: bool, order: tuple[str, ...] | None, words: str) -> None:
    """profile runs a command with the given names and prints times or callers in the given order."""
    found: list[int] = []
    profile("found.append(sum(numbers))", {"numbers": [1, 2]}, {"found": found}, order, callers)
    assert found == [3]
    assert words in capsys.readouterr().out


def test_profile_assigns(capsys: pytest.CaptureFixture[str]) -> None:
    """What the command assigns is in the given locals afterwards."""
    names: dict[str, object] = {}
    profile("answer = 6 * 7", {}, names)
    assert names["answer"] == 42
    assert "function calls" in capsys.readouterr().out


def test_profile_after_exit(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that exits is profiled all the same; other exceptions pass through."""
    profile("raise SystemExit(3)", {}, {})
    assert "function calls" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError):
        profile("1 / 0", {}, {})


def test_other_threads_do_not_disturb(capsys: pytest.CaptureFixture[str], has_gil: bool) -> None:
    """Without the GIL what other threads call is not in the profile; its end used to hang after that."""

    def elsewhere() -> None:
        for number in range(100):
            str(number)

    threads = [threading.Thread(target=elsewhere) for _ in range(3)]
    names = {"threads": threads}
    profile("for thread in threads: thread.start()\nfor thread in threads: thread.join()", names, {}, ("calls",))
    printed = capsys.readouterr().out
    assert "function calls" in printed
    assert has_gil or "elsewhere" not in printed
