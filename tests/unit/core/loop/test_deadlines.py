"""Buckets of deadlines: which item is due when, how often, and that an empty table causes no wake-up."""

import math
import threading

from hypothesis import given
from hypothesis import strategies as st

from wiverno.core.loop.deadlines import Deadlines


class Item:
    """Something with a deadline."""

    def __init__(self) -> None:
        self.tick = 0

    def deadline(self) -> float:
        return 0.0

    def expire(self) -> None:
        raise AssertionError("the table only stores it")


def test_an_item_is_asked_within_a_second_after_its_moment() -> None:
    deadlines = Deadlines()
    item = Item()
    deadlines.add(item, 10.5)
    assert 10.5 <= deadlines.soonest <= 11.5
    assert deadlines.due(10.5) == []
    assert deadlines.due(deadlines.soonest) == [item]
    assert deadlines.due(100.0) == []
    assert deadlines.soonest == math.inf


def test_only_an_earlier_moment_moves_an_item() -> None:
    """A later deadline costs nothing: the item is asked at the earlier one and then comes back."""
    deadlines = Deadlines()
    item = Item()
    deadlines.add(item, 20.0)
    deadlines.add(item, 30.0)
    assert deadlines.soonest == 21
    deadlines.add(item, 5.0)
    assert deadlines.soonest == 6
    assert deadlines.due(6.0) == [item]
    assert deadlines.due(50.0) == []


def test_a_discarded_item_causes_no_wake_up() -> None:
    deadlines = Deadlines()
    items = [Item() for _ in range(3)]
    for number, item in enumerate(items):
        deadlines.add(item, 10.0 * number)
    deadlines.discard(items[0])
    deadlines.discard(items[0])
    assert deadlines.soonest == 11
    assert deadlines.due(1000.0) == items[1:]
    deadlines.discard(items[1])
    assert deadlines.soonest == math.inf


@given(st.lists(st.tuples(st.sampled_from("ad"), st.integers(0, 9), st.floats(0, 100)), max_size=60))
def test_no_item_is_forgotten_or_due_too_early(steps: list[tuple[str, int, float]]) -> None:
    """Against a plain dict: an item that was added last without being discarded is due, once, within a second."""
    deadlines = Deadlines()
    items = [Item() for _ in range(10)]
    expected: dict[int, float] = {}
    for action, number, when in steps:
        if action == "a":
            deadlines.add(items[number], when)
            expected[number] = min(expected.get(number, math.inf), when)
        else:
            deadlines.discard(items[number])
            expected.pop(number, None)
    asked: dict[int, int] = {}
    while deadlines.soonest < math.inf:
        now = deadlines.soonest
        for item in deadlines.due(now):
            number = items.index(item)  # type: ignore[arg-type]
            assert number not in asked
            asked[number] = round(now)
            assert expected[number] <= now <= expected[number] + 1
    assert asked.keys() == expected.keys()


def test_any_thread_may_add_and_discard() -> None:
    """Four threads that add and discard leave a table that still tells the truth."""
    deadlines = Deadlines()
    kept = [Item() for _ in range(4)]

    def work(number: int) -> None:
        for step in range(500):
            item = Item()
            deadlines.add(item, float(step % 17))
            deadlines.discard(item)
        deadlines.add(kept[number], 5.0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert all(item in kept or isinstance(item, Item) for item in deadlines.due(0.5))
    for thread in threads:
        thread.join()
    found = deadlines.due(100.0)
    assert {id(item) for item in kept} <= {id(item) for item in found}
    assert deadlines.soonest == math.inf


def test_a_look_at_a_moment_between_buckets() -> None:
    """It is made once, the earliest counts, and what comes and goes meanwhile does not make it forgotten."""
    deadlines = Deadlines()
    item = Item()
    deadlines.schedule_check(10.2)
    deadlines.schedule_check(10.1)
    deadlines.add(item, 20.0)
    assert deadlines.soonest == 10.1
    deadlines.discard(item)
    assert deadlines.soonest == 10.1
    assert deadlines.due(10.1) == []
    assert deadlines.soonest == math.inf
