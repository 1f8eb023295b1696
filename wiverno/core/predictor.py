"""Which requests are likely to block: memories by method and path, learned from what happened.

Giving the lead away before a call costs some ten microseconds, a stall costs a millisecond or two in which nobody is
served. So it pays to expect a stall from one request in fifty on: a path that has blocked is expected to block for the
next MEMORY requests, and every quick one of them wears the memory down by one. A path that blocks now and then is thus
always handed over, one that blocked once is soon run inline again.

A path with a varying last segment (/report/17, /report/18) shares the memory of its prefix, so that a request never
seen before is predicted by its kin.

The table is bounded and is thrown away when it is full: wrong predictions cost a millisecond, never an answer. It is a
plain dict used by all threads; a lost update costs one lesson.
"""

from typing import Any, Final

MAX_PATHS: Final = 4096
MAX_KEY: Final = 256  # characters of method and path; longer paths of one beginning share a memory
MEMORY: Final = 64  # requests


class Predictor:
    """Learns which requests hold a thread up, and says so of the next of their kind."""

    __slots__ = ("counters",)

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        """Empty as long as nothing has blocked: the hot path looks at that before it asks."""

    def is_blocking(self, environ: dict[str, Any]) -> bool:
        """Tell whether this request is expected to block."""
        key = _key(environ)
        count = self.counters.get(key)
        if count is None:
            prefix = _prefix(key)
            count = self.counters.get(prefix, 0) if prefix else 0
        return count > 0

    def learn(self, environ: dict[str, Any], *, has_blocked: bool) -> None:
        """Take note of what a request did."""
        counters = self.counters
        if not has_blocked and not counters:
            return
        if len(counters) > MAX_PATHS:
            counters.clear()
        key = _key(environ)
        prefix = _prefix(key)
        for name in (key, prefix) if prefix else (key,):
            if has_blocked:
                counters[name] = MEMORY
                continue
            count = counters.get(name, 0)
            if count > 1:
                counters[name] = count - 1
            else:
                counters.pop(name, None)


def _key(environ: dict[str, Any]) -> str:
    path: str = environ["PATH_INFO"]
    method: str = environ["REQUEST_METHOD"]
    return (path if method == "GET" else method + path)[:MAX_KEY]


def _prefix(key: str) -> str:
    """Return what a path with a varying last segment shares with its kin, "" if the segment does not look varying."""
    prefix, _, last = key.rpartition("/")
    if last and len(prefix) and any(map(str.isdigit, last)):
        return prefix + "/*"
    return ""
