"""Which requests are likely to block: saturating counters by method and path, learned from what happened.

A counter goes from 0 to 3 and predicts blocking from 2 on, as branch predictors do it: one slow answer does not condemn
a path, one quick answer does not acquit it. A path with a varying last segment (/report/17, /report/18) shares the
counter of its prefix, so that a request never seen before is predicted by its kin.

The table is bounded and is thrown away when it is full: wrong predictions cost a millisecond, never an answer. It is a
plain dict used by all threads; a lost update costs one lesson.
"""

from typing import Any, Final

MAX_PATHS: Final = 4096
BLOCKS: Final = 2
SURE: Final = 3


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
        return count >= BLOCKS

    def learn(self, environ: dict[str, Any], *, has_blocked: bool, is_certain: bool = False) -> None:
        """Take note of what a request did; `is_certain` after a stall that others had to wait for."""
        key = _key(environ)
        counters = self.counters
        if not has_blocked and not counters:
            return
        if len(counters) > MAX_PATHS:
            counters.clear()
        prefix = _prefix(key)
        for name in (key, prefix) if prefix else (key,):
            count = counters.get(name, 0)
            if has_blocked:
                counters[name] = SURE if is_certain else min(count + 1, SURE)
            elif count > 1:
                counters[name] = count - 1
            else:
                counters.pop(name, None)


def _key(environ: dict[str, Any]) -> str:
    path: str = environ["PATH_INFO"]
    method: str = environ["REQUEST_METHOD"]
    return path if method == "GET" else method + path


def _prefix(key: str) -> str:
    """Return what a path with a varying last segment shares with its kin, "" if the segment does not look varying."""
    prefix, _, last = key.rpartition("/")
    if last and len(prefix) and any(map(str.isdigit, last)):
        return prefix + "/*"
    return ""
