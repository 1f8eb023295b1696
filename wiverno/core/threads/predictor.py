"""Which requests are likely to block: memories by method and path, learned from what happened.

Passing the lead before a call costs some ten microseconds, a stall costs a millisecond or two in which no client is
served. So it pays to expect a stall from one request in fifty on: a path that has blocked is expected to block for the
next MEMORY requests, and every quick one of them wears the memory down by one. A path that blocks now and then is thus
always handed over, one that blocked once is soon run inline again.

A path with a varying last segment (/report/17, /report/18) shares one memory with its siblings, so that a request never
seen before is predicted too.

A path that blocked once and never comes again would keep the table from being empty, and asking costs half a
microsecond. So all memories are halved after DECAY requests that were not in it.

The table is bounded and is thrown away when it is full: wrong predictions cost a millisecond, never an answer. It is a
plain dict used by all threads; a lost update costs one lesson.
"""

from typing import Final

MAX_PATHS: Final = 4096
MAX_KEY: Final = 256  # characters of method and path; longer paths of one beginning share a memory
MEMORY: Final = 64  # requests
DECAY: Final = 8192  # requests


class Predictor:
    """Learns which requests block a thread, and predicts it for the next of their kind."""

    __slots__ = ("_unknown", "counters")

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        """Empty as long as nothing has blocked: the hot path tests that before it asks."""
        self._unknown = 0  # requests that were not in the table

    def is_blocking(self, method: str, path: str) -> bool:
        """Tell whether this request is expected to block."""
        if _key(method, path) in self.counters:
            return True
        self._unknown += 1
        if self._unknown >= DECAY:
            self._fade()
        return False

    def learn(self, method: str, path: str, *, has_blocked: bool) -> None:
        """Record whether a request has blocked; method and path are those of before the call."""
        counters = self.counters
        if not has_blocked and not counters:
            return
        key = _key(method, path)
        if has_blocked:
            if len(counters) >= MAX_PATHS:
                counters.clear()
            counters[key] = MEMORY
        elif (count := counters.get(key, 0)) > 1:
            counters[key] = count - 1
        else:
            counters.pop(key, None)

    def _fade(self) -> None:
        self._unknown = 0
        for key, count in self.counters.copy().items():
            if count > 1:
                self.counters[key] = count // 2
            else:
                self.counters.pop(key, None)


def _key(method: str, path: str) -> str:
    """Return the key of a request's memory: method and path, without a last segment that seems to vary."""
    key = (path if method == "GET" else method + path)[:MAX_KEY]
    prefix, _, last = key.rpartition("/")
    if last.isalpha() or not any(map(str.isdigit, last)):
        return key
    return prefix + "/*"
