"""Budgets: how often a peer may do what costs us more than it costs the peer.

A budget is a token bucket: it holds `burst` tokens, and `rate` new ones come each second. The time is handed in. Useful
work pays in as well, where a good client sends more of such frames the more it transfers (WINDOW_UPDATE).
"""


class Budget:
    """A token bucket. Belongs to one connection."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: int, rate: float, now: float) -> None:
        """`burst` in tokens, `rate` in tokens a second, `now` in seconds of a monotonic clock."""
        self._burst = self._tokens = float(burst)
        self._rate = rate
        self._at = now

    def spend(self, now: float, earned: int = 0) -> bool:
        """Take one token, after `earned` ones were paid in; return False if there is none."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate + earned)
        self._at = now
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True
