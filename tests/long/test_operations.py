"""What an operator does to a service under load, at the size that counts; with -s the figures are printed."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.load import Load
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import APPLICATION, ServerContext, is_alive, reload, service, wait_for_workers

RELOADS = 20
KILLS = 5
REQUESTS_A_RELOAD = 2600  # 20 of them are more than 50,000 requests
KEPT, FRESH = 6, 2

COMPUTING = APPLICATION.replace(
    "    body =", '    if path == "/compute":\n        sum(range(200_000))\n    body ='
)  # fmt: skip


def _wait_for_answers(load: Load, count: int) -> None:
    seen = load.answers
    wait_until(lambda: load.answers >= seen + count, PATIENCE * 6, what=f"{count} answers")


@pytest.mark.long
def test_twenty_reloads_and_five_kills(tmp_path: Path) -> None:
    """Reloads lose none of more than 50,000 requests; a kill loses what was inside the killed process and no more."""
    with service(tmp_path, settings="workers = 2\nthreads = 4") as served:
        first = wait_for_workers(served, 2)
        load = Load(served.address)
        killed: set[int] = set()
        with load.running(kept=KEPT, fresh=FRESH):
            for version in range(2, 2 + RELOADS):
                served.write("shop.py", APPLICATION.replace("VERSION = 1", f"VERSION = {version}"))
                reload(served, 2)
                _wait_for_answers(load, REQUESTS_A_RELOAD)
            answers, lost_by_reloads = load.answers, list(load.failures)
            for _ in range(KILLS):
                before = served.workers()
                victim = min(before)
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
                wait_for_workers(served, 2, without={victim})
                _wait_for_answers(load, REQUESTS_A_RELOAD)
        lost = load.failures[len(lost_by_reloads) :]
        words = dict(Counter(one.words for one in lost))
        print(f"\n{RELOADS} reloads: {answers} requests, {len(lost_by_reloads)} lost")
        print(f"{KILLS} × kill -9: {load.answers - answers} requests, {len(lost)} lost: {words}")
        assert lost_by_reloads == []
        assert answers > 50_000
        assert {int(version) for version in load.versions} == set(range(1, 2 + RELOADS))
        # Who had answered on the connection before was killed, or no process had: it was new, and that process had it.
        assert {one.pid for one in lost} <= killed | {None}
        assert len(lost) <= KILLS * (KEPT + FRESH)
        assert served.status()["restarts"] == {"died": KILLS}
        assert not any(map(is_alive, first | killed))
        assert served.child.stop() == 0


def _rate(served: ServerContext, seconds: float) -> float:
    load = Load(served.address, "/compute")
    with load.running(kept=6, fresh=2):
        _wait_for_answers(load, 20)
        began, before = time.monotonic(), load.answers
        wait_until(lambda: time.monotonic() >= began + seconds, seconds * 2)
        rate = (load.answers - before) / (time.monotonic() - began)
    assert load.failures == []
    return rate


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processors are needed to be faster than one")
def test_two_workers_compute_on_two_processors(tmp_path: Path) -> None:
    """The median of three turns; less than twice as much, for the clients compute as well."""
    quotients = []
    for turn in range(3):
        rates = []
        for workers in (1, 2):
            folder = tmp_path / f"{turn}-{workers}"
            folder.mkdir()
            with service(folder, application=COMPUTING, settings=f"workers = {workers}\nthreads = 4") as served:
                wait_for_workers(served, workers)
                rates.append(_rate(served, 4.0))
        quotients.append(rates[1] / rates[0])
        print(f"\n1 worker: {rates[0]:.0f}/s, 2 workers: {rates[1]:.0f}/s, × {quotients[-1]:.2f}")
    assert sorted(quotients)[1] > 1.4
