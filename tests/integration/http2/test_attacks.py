"""Attacks on a running server: each ends as it must, memory comes back, and a client beside it is served."""

import threading
from collections.abc import Iterator

import pytest

from tests.long.http2_attacks import APPLICATION, ATTACKS, SETTINGS, attack
from tests.support.h2_attacks import HOLDS
from tests.support.workers import ServerContext, service

QUICK = [name for name in ATTACKS if name not in HOLDS]
MEMORY = 60_000_000  # bytes: far above what one connection may hold, far below what an attack without a bound takes


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerContext]:
    folder = tmp_path_factory.mktemp("attacked")
    with service(folder, application=APPLICATION, settings=SETTINGS) as running:
        yield running


@pytest.mark.parametrize("name", QUICK)
def test_floods_and_misuses(served: ServerContext, name: str) -> None:
    row = attack(served, name, connections=1)
    assert row.ends == (ATTACKS[name][1],)
    assert row.memory[1] - row.memory[0] < MEMORY
    if "ENHANCE_YOUR_CALM" in ATTACKS[name][1]:
        assert row.log.endswith("(ENHANCE_YOUR_CALM)")


def test_clients_that_hold_on(served: ServerContext) -> None:
    """All at the same time, for each of them takes seconds until its deadline."""
    ends: dict[str, tuple[str, ...]] = {}

    def run(name: str) -> None:
        row = attack(served, name, connections=1)
        ends[name] = row.ends

    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in HOLDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == {name: (ATTACKS[name][1],) for name in HOLDS}
