"""The faults of faults.py done to wiverno; docs/reliability.md has the figures beside its peers'."""

import os

import pytest

from tests.long.faults import CASES, MIB, measure
from tests.long.soak import soak

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
"""How long `make test-long` soaks; SOAK_SECONDS=60 for less."""


@pytest.mark.alone
@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_fault(name: str) -> None:
    """The ordinary client loses nothing and waits little; where limits make that impossible, it is served after."""
    case = CASES[name]
    seen = measure("wiverno", case, 6)
    assert seen.is_alive
    assert seen.growth < 200 * MIB
    if not case.is_hard:
        assert seen.lost == 0
        assert seen.answered > 20
        assert seen.quantile(0.99) < 1.0


def test_fault_in_short() -> None:
    """One of them for a moment in every run: bodies that dribble in on more connections than there are threads."""
    seen = measure("wiverno", CASES["dribble bodies"], 1)
    assert (seen.lost, seen.is_alive) == (0, True)
    assert seen.answered > 5


@pytest.mark.alone
@pytest.mark.long
def test_soak() -> None:
    """After half an hour of load and resets the process holds what it held after three minutes."""
    seen = soak("wiverno", SOAK_SECONDS)
    first, last = seen.samples[0], seen.samples[-1]
    assert seen.failures == []
    assert last.requests > SOAK_SECONDS * 100
    assert last.threads == first.threads
    assert last.descriptors < first.descriptors + 60  # the resetting clients' connections come and go
    assert last.memory < first.memory * 1.1 + 4 * MIB


def test_soak_in_short() -> None:
    """The same for three seconds."""
    seen = soak("wiverno", 3)
    assert seen.failures == []
    assert seen.answered > 500
