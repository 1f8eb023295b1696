"""The tables of states: every move is either in its table or a mistake."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from itertools import product
from typing import Any

import pytest

from wiverno.workers.states import (
    RELOAD_MOVES,
    SERVICE_MOVES,
    SHOWN,
    WORKER_MOVES,
    ReloadState,
    ServiceState,
    WorkerState,
    check_move,
)

TABLES: dict[str, tuple[Mapping[Any, frozenset[Any]], type[Enum]]] = {
    "worker": (WORKER_MOVES, WorkerState),
    "reload": (RELOAD_MOVES, ReloadState),
    "service": (SERVICE_MOVES, ServiceState),
}
LAST: dict[str, set[Enum]] = {"worker": {WorkerState.GONE}, "reload": set(), "service": {ServiceState.STOPPED}}


@pytest.mark.parametrize("name", TABLES)
def test_moves(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Legal moves are logged for who debugs, others raise, and no state leads to itself."""
    moves, states = TABLES[name]
    caplog.set_level(logging.DEBUG, "wiverno")
    for before, after in product(states, states):
        caplog.clear()
        if after in moves[before]:
            assert before is not after
            assert check_move(moves, before, after, "it") is after
            assert caplog.messages == [f"it: {before.value} → {after.value}"]
        else:
            with pytest.raises(AssertionError, match=f"it: no move from {before.value} to {after.value}"):
                check_move(moves, before, after, "it")
            assert not caplog.messages


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached_and_left(name: str) -> None:
    """From the first state all others are reached; only an end has no way out."""
    moves, states = TABLES[name]
    reached, todo = set(), [next(iter(states))]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += moves[state]
    assert reached == set(states)
    assert {state for state in states if not moves[state]} == LAST[name]


def test_every_state_of_a_worker_has_a_documented_word() -> None:
    assert set(SHOWN) == set(WorkerState)
    assert set(SHOWN.values()) == {"starting", "ready", "leaving"}
