"""A program that a test needs and that is missing: left out with its reason, and a failure in CI."""

import shutil

import pytest

from tests.support.programs import program


def test_found_under_any_name() -> None:
    assert program("no-such-program", "sh") == shutil.which("sh")


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no-such-program is not .* apt-get install bash "):
        program("no-such-program", package="bash")


def test_missing_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"apt-get install no-such-program "):
        program("no-such-program")
