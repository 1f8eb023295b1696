"""What every test gets: an environment without any of wiverno's variables."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_wiverno_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the person who runs the tests steer no test."""
    for name in list(os.environ):
        if name.startswith("WIVERNO_"):
            monkeypatch.delenv(name)
