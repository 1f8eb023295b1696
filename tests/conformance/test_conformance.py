"""The protocol object, behind the plainest of owners, passes the conformance suite."""

from collections.abc import Iterator

import pytest

from tests.conformance.registry import CASES, Case
from tests.conformance.run import run_case
from tests.support.http2_server import Http2Server


@pytest.fixture(scope="module")
def server() -> Iterator[Http2Server]:
    with Http2Server() as running:
        yield running


@pytest.mark.parametrize("found", CASES, ids=lambda found: found.number)
def test_conformance(server: Http2Server, found: Case) -> None:
    """Each case of the suite passes."""
    assert run_case(found, server.address, tls=False, timeout=20) is None


def test_numbers_are_unique() -> None:
    """No two cases share a number, and none got lost."""
    assert len({found.number for found in CASES}) == len(CASES) == 147
