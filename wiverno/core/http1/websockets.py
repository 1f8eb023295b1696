"""The log line about refused WebSockets: one a minute, because clients try again every few seconds."""

from typing import Final

from wiverno.foreign_code import guarded_logger

INTERVAL: Final = 60.0  # seconds between two lines

logger = guarded_logger("wiverno")

_next_line = [0.0]
"""Monotonic seconds from which on a line may be logged; any thread may write it, a race costs a second line."""


def log_refused_websocket(target: str, now: float) -> None:
    """Log that a WebSocket was refused, unless another one was a moment ago.

    Args:
        target: the request target, of which the path is shown.
        now: monotonic seconds.
    """
    if now < _next_line[0]:
        return
    _next_line[0] = now + INTERVAL
    path = target.partition("?")[0]
    logger.warning("WebSocket refused with 501: %s; WSGI has none, route such paths to an ASGI server", path)
