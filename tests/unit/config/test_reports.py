"""The reports a person reads: every message, word for word, beside the file it is about (tests/data/config/reports)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiverno.config.check import check
from wiverno.config.errors import BadValue, ConfigError, Origin, Problem, render
from wiverno.config.loader import load

DATA = Path(__file__).parents[2] / "data" / "config"
CASES = sorted(path.name for path in (DATA / "reports").iterdir() if path.suffix != ".txt")


@pytest.mark.parametrize("name", CASES)
def test_report(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config check` prints exactly this; rewrite the .txt file when a message is to change."""
    monkeypatch.chdir(DATA / "reports")
    findings = check(name, environ={})
    expected = (DATA / "reports" / f"{name}.txt").read_text(encoding="utf-8")
    assert render(findings.problems, findings.warnings) + "\n" == expected
    assert findings.loaded is None


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("addresses.toml", "proxy.toml")])
def test_a_file_with_mistakes_does_not_load(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start refuses it as well (two of the files are wrong in servers' sections that a start does not read)."""
    monkeypatch.chdir(DATA / "reports")
    with pytest.raises(ConfigError):
        load(name, environ={})


@pytest.mark.parametrize("name", CASES)
def test_no_report_shows_a_secret(name: str) -> None:
    assert "hunter" not in (DATA / "reports" / f"{name}.txt").read_text(encoding="utf-8")


def test_bad_toml_has_seven_located_errors() -> None:
    problems = check(DATA / "bad.toml", environ={}).problems
    assert len(problems) == 7
    assert [problem.origin.line for problem in problems] == sorted(problem.origin.line or 0 for problem in problems)
    assert all(problem.origin.column for problem in problems)


def test_sources_other_than_files_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load(DATA / "bad.toml", environ={"WIVERNO_THREADS": "0"}, options={"backlog": "x", "nonsense": "1"})
    assert str(caught.value).splitlines()[-4:] == [
        "error: environment variable WIVERNO_THREADS: threads: must be at least 1 (got '0')",
        "error: option --backlog: backlog: expected a whole number (got 'x')",
        "error: option --nonsense: nonsense: unknown setting",
        "9 errors; nothing was started",
    ]


def test_order_is_files_then_environment_then_options() -> None:
    with pytest.raises(ConfigError) as caught:
        load(DATA / "bad.toml", environ={"WIVERNO_THREADS": "0"}, options={"backlog": "x"})
    kinds = [problem.origin.kind for problem in caught.value.problems]
    assert kinds == ["file"] * 6 + ["environment", "option"]


def test_problems_for_machines() -> None:
    """Every problem is a flat dictionary that JSON can hold."""
    found = [problem.to_dict() for problem in check(DATA / "bad.toml", environ={"WIVERNO_PORT": "x"}).problems]
    first, last = found[0], found[-1]
    assert first == {
        "message": "unknown setting", "key": "prot", "value": None, "hint": 'did you mean "port"?', "kind": "file",
        "file": str(DATA / "bad.toml"), "line": 6, "column": 1, "name": None,
    }  # fmt: skip
    assert (last["kind"], last["name"], last["value"]) == ("environment", "WIVERNO_PORT", "'x'")
    json.dumps(found)


def test_colour_only_when_asked_for() -> None:
    problems = [Problem("is wrong", Origin("option", text="--x"), "x")]
    assert "\x1b[" not in render(problems, ["careful"])
    assert render(problems, ["careful"], colour=True).count("\x1b[") == 6


def test_a_secret_problem_shows_neither_value_nor_line() -> None:
    origin = Origin("file", "a.toml", 3, 7, "pin = 12345", 5, 1, 3)
    problem = Problem("is too short", origin, "pin", 12345, secret=True)
    assert "12345" not in "\n".join(problem.lines())
    assert problem.to_dict()["value"] is None


def test_tabs_do_not_move_the_caret() -> None:
    origin = Origin("file", "a.ini", 3, 9, "port\t=\t\tx", 1, 1, 4)
    line, caret = Problem("is wrong", origin, "port", "x").lines()[1:]
    assert line.index("x") == caret.index("^")


def test_long_values_are_shortened() -> None:
    assert len(Problem("is wrong", Origin("option", text="--x"), "x", "y" * 500).headline()) < 150


def test_bad_value_carries_its_hint() -> None:
    error = BadValue("expected x", "write y")
    assert (str(error), error.hint) == ("expected x", "write y")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("digits.toml", "[server]\nthreads = " + "9" * 5000, "is no TOML: Exceeds the limit"),
        ("nested.toml", "x = " + "[" * 5000 + "]" * 5000, "is no TOML: maximum recursion depth exceeded"),
        ("key.toml", '[server]\n"\\u001b]0;title\\u0007" = 1', "\ufffd]0;title\ufffd: unknown setting"),
        ("line.toml", "[server]\nlisten = \x1b[31m", "    2 | listen = \ufffd[31m"),
    ],
)
def test_hostile_files(name: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a parser stumble is a report as well, and no control character of a file reaches the terminal."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")
    findings = check(name, environ={})
    report = render(findings.problems, findings.warnings)
    assert message in report
    assert report.replace("\n", "").isprintable()
