"""What all threads use in each request, with the GIL and without it."""

from __future__ import annotations

import sys
import threading

import pytest

from wiverno import tables
from wiverno.tables import TableOfEachThread, has_gil, new_counter, new_table


def test_with_the_gil_a_table_is_a_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "has_gil", lambda: True)
    known = {"a": 1}
    table = new_table(known)
    assert type(table) is dict
    table["b"] = 2
    assert known == {"a": 1}
    assert new_table() == {}


def test_without_the_gil_each_thread_has_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each begins with what was known; an entry of one thread is not in another's."""
    monkeypatch.setattr(tables, "has_gil", lambda: False)
    table = new_table({"a": 1})
    assert type(table) is TableOfEachThread
    table["b"] = 2
    seen: list[dict[str, int]] = []

    def look() -> None:
        seen.append(dict(table))
        table["c"] = 3
        seen.append(dict(table))
        table.clear()
        seen.append(dict(table))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [{"a": 1}, {"a": 1, "c": 3}, {}]
    assert dict(table) == {"a": 1, "b": 2}
    get = table.get  # bound once, as the parser has it
    assert (get("b"), get("c"), table.get("c", 7), len(table), "a" in table) == (2, None, 7, 2, True)
    del table["a"]
    with pytest.raises(KeyError):
        table["a"]


@pytest.mark.parametrize("enabled", [True, False])
def test_whether_there_is_a_gil(monkeypatch: pytest.MonkeyPatch, enabled: bool) -> None:
    """Pythons before 3.13 always have one."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    assert has_gil() is enabled
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert has_gil()


@pytest.mark.parametrize("gil", [True, False])
def test_no_number_is_given_twice(monkeypatch: pytest.MonkeyPatch, gil: bool) -> None:
    """On a build without the GIL the second case shows what the lock is for."""
    if gil and not has_gil():
        pytest.skip("this Python has no GIL")
    monkeypatch.setattr(tables, "has_gil", lambda: gil)
    take = new_counter()
    taken: list[int] = []

    def work() -> None:
        mine = [take() for _ in range(20_000)]
        taken.extend(mine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 80_001))
