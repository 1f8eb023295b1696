"""The faults of faults.py done to wiverno; docs/reliability.md has the figures beside its peers'."""

import os

import pytest

from tests.long.faults import CASES, MIB, measure
from tests.long.soak import soak
from tests.long.subjects import WITH_WORKERS

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
"""How long `make test-long` soaks workers with reloads, a single process a sixth of that; SOAK_SECONDS=60 for less."""


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("name", CASES)
def test_fault(name: str) -> None:
    """The ordinary client loses nothing and waits little, the server takes little memory, and it is well afterwards."""
    case = CASES[name]
    seen = measure("wiverno", case, 8)
    assert seen.is_alive
    assert seen.growth < 64 * MIB
    assert seen.lost == 0
    assert seen.answered > 20
    assert seen.quantile(0.99) < 1.0
    assert bool(seen.harm_rate) == bool(case.unit)


def test_fault_in_short() -> None:
    """One of them for a moment in every run: bodies that dribble in on more connections than there are threads."""
    seen = measure("wiverno", CASES["dribble bodies"], 1)
    assert (seen.lost, seen.is_alive) == (0, True)
    assert seen.answered > 5


@pytest.mark.alone
def judge(name: str, seconds: float) -> None:
    """Nothing fails, and memory, descriptors, threads and processes are at the end what they were at the beginning."""
    seen = soak(name, seconds)
    assert seen.failures == []
    assert seen.growth() == []
    assert seen.answered > seconds * 100
    assert seen.reloads >= (2 if name in WITH_WORKERS else 0)
    # Whatever the machine has to do besides: it may become slower, but does not stop.
    assert seen.level("rate", tenth=9) > seen.level("rate", tenth=1) / 10


@pytest.mark.long
@pytest.mark.alone
def test_soak() -> None:
    """Half an hour of full load on two workers, reloaded every 25 seconds."""
    judge("wiverno, 2 workers", SOAK_SECONDS)


@pytest.mark.long
@pytest.mark.alone
def test_soak_of_one_process() -> None:
    """Five minutes on a process without a supervisor, which has nothing to reload."""
    judge("wiverno", SOAK_SECONDS / 6)


def test_soak_in_short() -> None:
    """The same for three seconds, with two reloads."""
    seen = soak("wiverno, 2 workers", 3)
    assert seen.failures == []
    assert seen.answered > 200
    assert seen.reloads >= 2
