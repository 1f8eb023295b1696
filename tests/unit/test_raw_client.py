"""The clients of the tests: which of them end with a test."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Return where a listener is that accepts nothing; connections get into its backlog."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()


def test_a_client_in_use_by_another_thread_does_not_end_with_a_test(address: tuple[str, int]) -> None:
    """It does when its thread has ended; a client of the test's own thread always does."""
    made: list[RawClient] = []
    is_made, may_end = threading.Event(), threading.Event()

    def use() -> None:
        made.append(RawClient(address))
        is_made.set()
        may_end.wait(PATIENCE)

    thread = threading.Thread(target=use)
    thread.start()
    assert is_made.wait(PATIENCE)
    with RawClient(address) as own:
        try:
            assert own in RawClient.unused()
            assert made[0] not in RawClient.unused()
        finally:
            may_end.set()
            thread.join(PATIENCE)
        assert made[0] in RawClient.unused()
    made[0].close()
