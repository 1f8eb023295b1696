"""What `make coverage` prints and refuses; the measuring is coverage.py's."""

import re

import pytest

from tests.support.coverage_report import LISTED, Count, judge, read_reasons, table
from tests.support.layout import Layout

COUNTS = {"a/x": Count(9, 10), "a/y": Count(1, 10), "b": Count(80, 80)}


@pytest.mark.parametrize(
    ("reasons", "fail_under", "wrong"),
    [
        ({"a/y": "needs a process"}, 90, []),
        ({"a/y": "needs a process"}, 90.1, ["90.0 % is below the floor of 90.1 %"]),
        ({}, 80, ["a/y: 10 %; test it, or name it"]),
        ({"a/y": "why", "b": "why"}, 80, ["b: 100 %; remove it"]),
        ({"a/x": "why", "a/y": "why"}, 80, ["a/x: 90 %; remove it"]),
    ],
)
def test_judgement(reasons: dict[str, str], fail_under: float, wrong: list[str]) -> None:
    """The floor holds for all rooms together; a module far below needs a reason, and a reason needs such a module."""
    found = judge(COUNTS, reasons, fail_under)
    assert len(found) == len(wrong)
    assert all(text in line for text, line in zip(wrong, found, strict=True))


def test_table() -> None:
    """Each room has one line, lower floors first, with its least covered module."""
    lines = table({**COUNTS, "c": Count()}, Layout({"a": 2, "b": 1, "c": 3}))
    assert [re.sub(" +", " ", line).strip() for line in lines[1:]] == [
        "1 b 100.0 % b 100 %",
        "2 a 50.0 % a/y 10 %",
        "all 90.0 %",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [("core/engine", "write the reason"), ("core/engine #", "write the reason"), ("core/x # why", "no such module")],
)
def test_lines_that_cannot_be_used(line: str, message: str) -> None:
    """A line without a reason, or for a module that does not exist, is an error with its number."""
    assert read_reasons("# comment\n\ncore/engine # forks # twice\n") == {"core/engine": "forks # twice"}
    with pytest.raises(ValueError, match=f"tests/coverage.txt:2: .*{message}"):
        read_reasons(f"\n{line}\n")


def test_the_list_can_be_used() -> None:
    """Each line of tests/coverage.txt names a module and a reason."""
    assert read_reasons(LISTED.read_text(encoding="utf-8"))
