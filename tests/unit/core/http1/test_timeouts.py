"""When a connection expires, state by state: a table of states and moments."""

from typing import Any

import pytest

from tests.support.rig import service_for
from wiverno.core.http1.states import BODY, HEAD, IDLE, RUNNING, SENDING, WAITING
from wiverno.core.http1.timeouts import FOREVER, deadline_for
from wiverno.core.net.buffers import Pending

LIMITS: dict[str, Any] = {"channel_timeout": 120, "header_timeout": 30, "body_timeout": 60, "body_min_rate": 100}


def waiting(since: float, sent: int) -> Pending:
    pending = Pending(1, since)
    pending.sent = sent
    return pending


# state, now, since, started, received, pending, limits → moment
TABLE: dict[str, tuple[int, float, float, float, int, Pending | None, dict[str, Any], float]] = {
    "idle since the last request": (IDLE, 1050, 1000, 0, 0, None, {}, 1120),
    "idle for ever": (IDLE, 1050, 1000, 0, 0, None, {"channel_timeout": 0}, FOREVER),
    "a head from its first byte": (HEAD, 1020, 1000, 1000, 0, None, {}, 1030),
    "a head when clients may not be silent for as long": (HEAD, 1, 1000, 1000, 0, None, {"channel_timeout": 5}, 1005),
    "a head without header_timeout": (HEAD, 1, 1000, 1000, 0, None, {"header_timeout": 0}, 1120),
    "a body that pauses": (BODY, 1055, 1050, 1000, 10**9, None, {}, 1110),
    "a body whose pause only idleness ends": (BODY, 1055, 1050, 1000, 9, None, {"body_timeout": 0}, 1170),
    "a body that drips": (BODY, 1055, 1055, 1000, 500, None, {}, 1065),
    "a body that may drip": (BODY, 1055, 1055, 1000, 500, None, {"body_min_rate": 0}, 1115),
    "a request that runs": (RUNNING, 1500, 1000, 0, 0, None, {}, 1620),
    "a request that runs where nothing expires": (RUNNING, 1500, 1000, 0, 0, None, {"channel_timeout": 0}, FOREVER),
    "output that waits": (SENDING, 1100, 1100, 0, 0, waiting(1000, 10**9), {}, 1220),
    "output of a long request": (RUNNING, 1500, 1000, 0, 0, waiting(1490, 0), {}, 1610),
    "output that drips away": (WAITING, 1200, 1200, 0, 0, waiting(1000, 9000), {}, 1210),
    "output that may drip away": (WAITING, 1200, 1200, 0, 0, waiting(1000, 0), {"body_min_rate": 0}, 1320),
}


@pytest.mark.parametrize("name", TABLE)
def test_moments(name: str) -> None:
    state, now, since, started, received, pending, limits, moment = TABLE[name]
    context = service_for(**(LIMITS | limits))
    assert deadline_for(context, state, now, since, started, received, pending) == moment
