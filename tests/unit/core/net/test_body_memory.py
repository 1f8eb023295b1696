"""The budget of memory for large bodies: never exceeded, however many take from it at once."""

import threading

import pytest

from tests.support.waiting import wait_until
from wiverno.core.net import body_memory as module
from wiverno.core.net.body_memory import WORTH_TRIMMING, BodyMemory


def test_no_more_is_taken_than_there_is() -> None:
    budget = BodyMemory(100)
    assert budget.take(60)
    assert not budget.take(41)
    assert budget.used == 60
    assert budget.has_room(12)
    assert not budget.has_room(13)  # more than an eighth
    assert budget.take(40)
    budget.give_back(60)
    assert budget.used == 40


def test_threads_share_one_budget() -> None:
    """After many threads have taken and given back, nothing is missing, and the limit held at each moment."""
    budget = BodyMemory(50)
    seen: list[int] = []

    def use() -> None:
        for _ in range(2000):
            if budget.take(7):
                seen.append(budget.used)
                budget.give_back(7)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.used == 0
    assert max(seen) <= 50


def pending() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wiverno-trim"]


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What malloc_trim was called with."""
    found: list[int] = []
    monkeypatch.setattr(module, "TRIM_DELAY", 0.01)
    monkeypatch.setattr(module, "_find_trim", lambda: found.append)
    return found


def test_memory_goes_back_once_the_last_of_many_bodies_is_done(trims: list[int]) -> None:
    """Few bodies are not worth it; a thread waits for no more than one trim, and ends with it."""
    budget = BodyMemory(2 * WORTH_TRIMMING)
    for size in (WORTH_TRIMMING - 1, WORTH_TRIMMING // 2):
        assert budget.take(size)
        budget.give_back(size)
    assert not pending()
    for times in (1, 2):
        for _ in range(2):
            assert budget.take(WORTH_TRIMMING // 2)
        budget.give_back(WORTH_TRIMMING // 2)
        assert not pending()
        budget.give_back(WORTH_TRIMMING // 2)
        wait_until(lambda: trims == [0] * times, what="the trim")  # noqa: B023
        wait_until(lambda: not pending(), what="the thread to end")


def test_bodies_that_follow_put_it_off(trims: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is used again is not given back first; the last of them asks again."""
    budget = BodyMemory(2 * WORTH_TRIMMING)
    assert budget.take(WORTH_TRIMMING)
    monkeypatch.setattr(module, "TRIM_DELAY", 0.05)
    budget.give_back(WORTH_TRIMMING)
    assert budget.take(1)
    wait_until(lambda: not pending(), what="the thread to end")
    assert not trims
    budget.give_back(1)
    wait_until(lambda: trims == [0], what="the trim")


def test_without_malloc_trim(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library that has none is asked once."""
    monkeypatch.setattr(module, "TRIM_DELAY", 0.01)
    asked: list[None] = []
    monkeypatch.setattr(module, "_find_trim", lambda: asked.append(None))
    budget = BodyMemory(WORTH_TRIMMING)
    for _ in range(2):
        assert budget.take(WORTH_TRIMMING)
        budget.give_back(WORTH_TRIMMING)
        wait_until(lambda: asked == [None] and not pending(), what="the thread to end")


def test_what_the_c_library_has() -> None:
    trim = module._find_trim()
    assert trim is None or trim(0) in (0, 1)


def test_no_room_for_a_thread(trims: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is only thrift: the body is given back all the same."""
    budget = BodyMemory(WORTH_TRIMMING)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Timer, "start", lambda timer: (_ for _ in ()).throw(RuntimeError("can't start")))
        assert budget.take(WORTH_TRIMMING)
        budget.give_back(WORTH_TRIMMING)
    assert budget.used == 0
    assert budget.take(1)
    budget.give_back(1)
    wait_until(lambda: trims == [0], what="the trim")
