"""The steps of a graceful shutdown, decided without a process and without a clock."""

import math

import pytest

from wiverno.core.loop.draining import Shutdown, Step, next_step

TABLE: dict[str, tuple[float, float | None, bool, float, float, bool, Step]] = {
    # now, drain_at, is_draining, idle_check_at, deadline, has_work → step
    "a stop is announced first": (100, None, False, 0, math.inf, True, Step.ANNOUNCE),
    "drain_delay lasts": (100, 105, False, 0, math.inf, True, Step.WAIT),
    "an idle server waits for drain_delay, too": (100, 105, False, 0, math.inf, False, Step.WAIT),
    "drain_delay is over": (105, 105, False, 0, math.inf, False, Step.BEGIN),
    "nothing is left": (106, 105, True, 105.25, 135, False, Step.END),
    "nothing is left at the deadline": (135, 105, True, 135, 135, False, Step.END),
    "requests are on their way": (105.1, 105, True, 105.25, 135, True, Step.WAIT),
    "the moment for idle connections is over": (105.25, 105, True, 105.25, 135, True, Step.CLOSE_IDLE),
    "requests run": (110, 105, True, 110.1, 135, True, Step.WAIT),
    "idle connections are closed before the time is over": (135, 105, True, 135, 135, True, Step.CLOSE_IDLE),
    "the time is over": (135, 105, True, 135.1, 135, True, Step.ABORT),
    "without graceful_timeout requests may run for ever": (9e9, 105, True, 1e10, math.inf, True, Step.WAIT),
}


@pytest.mark.parametrize("name", TABLE)
def test_next_step(name: str) -> None:
    """Each row is one moment of a shutdown."""
    now, drain_at, is_draining, idle_check_at, deadline, has_work, step = TABLE[name]
    found = next_step(Shutdown(drain_at, is_draining, idle_check_at, deadline), now, has_work=has_work)
    assert found is step
