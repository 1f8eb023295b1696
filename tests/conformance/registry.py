"""The cases: a number, what is done and expected in a few words, and a function that takes a fresh connection."""

from collections.abc import Callable
from typing import NamedTuple

from tests.conformance.client import Client


class Case(NamedTuple):
    """One case; its function raises Failed."""

    number: str
    title: str
    run: Callable[[Client], None]


CASES: list[Case] = []


def case(number: str, title: str) -> Callable[[Callable[[Client], None]], Callable[[Client], None]]:
    """Register a case."""

    def register(run: Callable[[Client], None]) -> Callable[[Client], None]:
        CASES.append(Case(number, title, run))
        return run

    return register
