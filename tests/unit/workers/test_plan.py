"""What a plan says of a reload, and how it loads an application."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.settings import Adjustments
from wiverno.importer import ImportTargetError
from wiverno.workers.load_stop import LoadStopped
from wiverno.workers.plan import LoadFailedError, Plan, difference, set_log_level, why_kept


def app(environ: Any, start_response: Any) -> list[bytes]:
    return []


def settings(**values: Any) -> Adjustments:
    return Adjustments.from_keywords(**values)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({}, {}, []),
        ({"threads": 2}, {"threads": 3}, ["threads: 2 → 3"]),
        ({}, {"access_log": "-"}, ["access_log: none → -"]),
        ({"workers": 1}, {"workers": 2}, ["workers: 1 → 2"]),
        ({}, {"pid_file": "a.pid"}, ["pid_file: none → a.pid (after a restart)"]),
    ],
)
def test_difference(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    """A line for each setting, and which of them wait for a restart."""
    assert difference(settings(**old), settings(**new)) == lines


def test_what_cannot_be_imported_without_a_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no mistake of the application, whichever import is the first that fails."""

    def fail() -> Any:
        raise FileNotFoundError(2, "No such file or directory")

    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    plan = Plan(settings(), fail, name="shop:app")
    with pytest.raises(LoadFailedError, match="failed to load"):
        plan.load()
    gone.rmdir()
    with pytest.raises(LoadFailedError, match=r"^the current directory was removed; change to another one$"):
        plan.load()


def test_load() -> None:
    """What the application raises is told as the application's; what names no application is not."""
    plan = Plan(settings(), lambda: app, name="shop:app")
    assert plan.load() is app

    def fail() -> Any:
        raise SystemExit(5)

    with pytest.raises(LoadFailedError, match=r"(?s)^the application shop:app failed to load:\n.*SystemExit: 5"):
        replace(plan, application=fail).load()
    for error in (ImportTargetError("shop:app: no such module"), LoadStopped(0), KeyboardInterrupt()):

        def stop(error: BaseException = error) -> Any:
            raise error

        with pytest.raises(type(error)):
            replace(plan, application=stop).load()


def test_why_the_code_is_kept() -> None:
    assert "preload" in why_kept(Plan(settings(preload=True), lambda: app))
    assert "ready-made" in why_kept(Plan(settings(), lambda: app, reloads_code=False))


def test_log_level() -> None:
    """Only a setting that was given changes the logger."""
    logger = logging.getLogger("wiverno")
    before = logger.level
    try:
        set_log_level(settings())
        assert logger.level == before
        set_log_level(settings(log_level="error"))
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)
