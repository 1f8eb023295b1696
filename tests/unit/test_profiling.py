"""A statement under the profiler."""

import pytest

from wiverno.profiling import profile


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
