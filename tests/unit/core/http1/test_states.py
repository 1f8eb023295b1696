"""The table of legal moves of an HTTP/1.1 connection, and that connections obey it."""

import itertools

import pytest

from wiverno.core.http1 import states
from wiverno.core.http1.states import BODY, CLOSED, HEAD, IDLE, MOVES, NAMES, RUNNING, SENDING, WAITING, check_move


def test_the_table_is_complete() -> None:
    """Every state has a row, can be reached, and can be left for CLOSED, which is final."""
    every = set(range(len(NAMES)))
    assert set(MOVES) == every
    assert set().union(*MOVES.values()) == every
    assert all(CLOSED in after for after in MOVES.values())
    assert MOVES[CLOSED] == {CLOSED}


@pytest.mark.parametrize(
    ("before", "after"), [(CLOSED, IDLE), (HEAD, BODY), (BODY, RUNNING), (SENDING, RUNNING), (WAITING, BODY)]
)
def test_an_illegal_move_is_an_error(before: int, after: int) -> None:
    """The message names both states."""
    with pytest.raises(states.IllegalMoveError, match=f"from {NAMES[before]} to {NAMES[after]}"):
        check_move(before, after)


def test_legal_moves() -> None:
    """The way of a request with a body that another thread answers."""
    way = (IDLE, HEAD, IDLE, BODY, IDLE, RUNNING, SENDING, IDLE, CLOSED)
    for before, after in itertools.pairwise(way):
        check_move(before, after)


def test_tests_check_moves() -> None:
    """In tests every move of every connection is checked."""
    assert states.is_checked
