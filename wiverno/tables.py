"""What all threads use in every request: tables of what was parsed or checked before, and counters.

With the GIL a plain dict serves all threads. Without it, a look-up whose key was made by another thread takes the
dict's lock: CPython can't count a reference to such a key otherwise (``_Py_TryIncrefCompare``). Threads that serve in
parallel then wait for one another in every request. So each thread has its own dict there, whose keys are its own: a
look-up costs a tenth of a microsecond more and waits for no thread.

A table is a cache: an entry that one thread has made is made once more by each of the others.
"""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def has_gil() -> bool:
    """Tell whether one thread at a time runs Python code in this process."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def new_table(known: Mapping[Key, Value] | None = None) -> MutableMapping[Key, Value]:
    """Return a table that all threads may use; it begins with the entries of `known`."""
    if has_gil():
        return dict(known or {})
    return TableOfEachThread(known or {})


def new_counter() -> Callable[[], int]:
    """Return a function that returns 1, 2, 3 …, to whichever threads call it."""
    count = itertools.count(1).__next__
    if has_gil():
        return count
    lock = threading.Lock()  # two threads may get the same number from one itertools.count there

    def take() -> int:
        with lock:
            return count()

    return take


class TableOfEachThread(MutableMapping[Key, Value]):
    """A mapping that is another dict in each thread; every one begins with the same entries."""

    __slots__ = ("_local", "get")

    def __init__(self, known: Mapping[Key, Value]) -> None:
        entries = tuple(known.items())

        class Local(threading.local):
            def __init__(self) -> None:
                self.table: dict[Any, Any] = dict(entries)

        local = self._local = Local()

        # A closure: on the hot path a method would look for `self._local` as well.
        def get(key: Any, default: Any = None) -> Any:
            return local.table.get(key, default)

        self.get = get  # type: ignore[method-assign]

    def __getitem__(self, key: Key) -> Value:
        value: Value = self._local.table[key]
        return value

    def __setitem__(self, key: Key, value: Value) -> None:
        self._local.table[key] = value

    def __delitem__(self, key: Key) -> None:
        del self._local.table[key]

    def __len__(self) -> int:
        return len(self._local.table)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._local.table)

    def clear(self) -> None:
        """Empty the calling thread's table."""
        self._local.table.clear()
