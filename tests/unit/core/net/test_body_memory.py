"""The budget of memory for large bodies: never exceeded, however many take from it at once."""

import threading

from wiverno.core.net.body_memory import BodyMemory


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
