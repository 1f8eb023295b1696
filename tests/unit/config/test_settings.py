"""Adjustments: defaults, readings, conflicts."""

from __future__ import annotations

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.settings import Adjustments
from wiverno.config.units import TcpAddress


def test_defaults_of_a_threaded_server() -> None:
    """Without keywords the settings are the documents' defaults for threads."""
    made = Adjustments.from_keywords()
    assert (made.host, made.port, made.threads, made.backlog) == ("0.0.0.0", 8080, 4, 1024)
    assert made.addresses == (TcpAddress("0.0.0.0", 8080),)


def test_defaults_of_a_simple_server() -> None:
    """Mode simple has RunServer's defaults."""
    made = Adjustments.from_keywords(mode="simple")
    assert (made.host, made.port, made.backlog) == ("localhost", 8000, 5)


def test_all_mistakes_are_reported_at_once() -> None:
    """A ConfigError names every setting that is wrong, and is a ValueError."""
    with pytest.raises(ValueError, match="prot") as caught:
        Adjustments.from_keywords(prot=1, port="x", threads=True)
    assert isinstance(caught.value, ConfigError)
    assert [problem.key for problem in caught.value.problems] == ["port", "prot", "threads"]
