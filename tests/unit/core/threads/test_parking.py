"""Where a thread waits until another one wakes it: a lock and a queue behave alike."""

from __future__ import annotations

import threading
import time

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.threads import parking
from wiverno.core.threads.parking import QueueParking, new_parking


@pytest.fixture(params=["lock", "queue"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> parking.Parking:
    monkeypatch.setattr(parking, "has_gil", lambda: request.param == "lock")
    new = new_parking()
    assert isinstance(new, QueueParking) is (request.param == "queue")
    return new


def test_it_begins_taken_and_each_release_wakes_once(made: parking.Parking) -> None:
    assert not made.acquire(blocking=False)
    made.release()
    assert made.acquire()
    assert not made.acquire(blocking=False)
    assert not made.acquire(True, 0.001)


def test_a_second_release_is_refused(made: parking.Parking) -> None:
    """Otherwise its waiter would be woken for nothing later."""
    made.release()
    with pytest.raises(RuntimeError):
        made.release()
    assert made.acquire()
    assert not made.acquire(blocking=False)


def test_a_waiting_thread_is_woken(made: parking.Parking) -> None:
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(made.acquire(True, PATIENCE)))
    thread.start()
    made.release()
    thread.join(PATIENCE)
    assert woken == [True]


def test_a_parked_thread_takes_no_processor_time(made: parking.Parking) -> None:
    used: list[float] = []

    def wait() -> None:
        before = time.thread_time()
        made.acquire()
        used.append(time.thread_time() - before)

    thread = threading.Thread(target=wait)
    thread.start()
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.1)
    made.release()
    thread.join(PATIENCE)
    assert used[0] < 0.05
