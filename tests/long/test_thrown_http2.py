"""An exception at any place of an HTTP/2 connection, with TLS and without: the kind of core/test_thrown.py."""

from __future__ import annotations

import gc
import linecache
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from h2.exceptions import H2Error

from tests.integration.core.test_thrown import EXCEPT, GRACE, LEFT_OUT, PREFIX, Place, Thrower, application, traced
from tests.integration.http2.test_exchanges import CLEAR, SECURE
from tests.support.h2_client import H2Client, h2_client
from tests.support.serving import Served, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

ROOMS = ("http2", "net", "accept", "threads", "loop")
AT_START = "net/certificates.py"  # an exception there keeps the server from starting
TIMEOUT = 3.0  # seconds for the answers, or the end of the connection
PATHS = ("/", "/slow", "/slow", "/")


@pytest.fixture(autouse=True)
def _collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep no traceback, and collect in the test itself what it has left."""
    caplog.set_level(logging.CRITICAL + 1, logger="wiverno")
    yield
    gc.collect()


def finish(client: H2Client, streams: list[int]) -> bool:
    """Receive until all streams have ended or the connection has; tell whether all were answered.

    Raises:
        AssertionError: nothing comes, and the connection stays open.
    """
    end = time.monotonic() + TIMEOUT
    while not client.is_closed and not all(_has_ended(client, stream) for stream in streams):
        client.receive(max(end - time.monotonic(), 0.01))
    return all(client.answers[stream].is_complete for stream in streams)


def _has_ended(client: H2Client, stream: int) -> bool:
    answer = client.answers[stream]
    return answer.is_complete or answer.reset is not None


def load(served: Served, *, secure: bool) -> None:
    """Ask for several streams of two connections, one after the other."""
    for _ in range(2):
        # What the exception has cut is no error here: only a client that waits is one, an AssertionError.
        with suppress(OSError, H2Error), h2_client(served.address, secure=secure) as client:
            streams = [client.request(path) for path in PATHS]
            streams.append(client.request("/", method="POST", body=b"hello"))
            finish(client, streams)


def is_served(served: Served, *, secure: bool) -> bool:
    with suppress(OSError, H2Error), h2_client(served.address, secure=secure) as client:
        return finish(client, [client.request("/")])
    return False


def survive(place: Place | None, settings: dict[str, Any]) -> Thrower:
    """Serve with an exception at a place.

    Raises:
        AssertionError: a client gets no answer, the server serves no more, or it does not end.
    """
    secure = "certfile" in settings
    with traced(place) as thrower, serving(application, threads=2, graceful_timeout=GRACE, **settings) as served:
        load(served, secure=secure)
        wait_until(lambda: is_served(served, secure=secure), what=f"an answer after an exception at {place}")
        served.server.close()
        assert served.server.engine.wait_ended(GRACE / 2), f"a connection was forgotten after an exception at {place}"
    return thrower


@pytest.mark.parametrize("kind", ["clear", "tls"])
@pytest.mark.parametrize("room", ROOMS)
def test_exceptions_at_any_place(room: str, kind: str) -> None:
    settings: dict[str, Any] = dict(SECURE if kind == "tls" else CLEAR)
    found = {place: None for _ in range(2) for place in survive(None, settings).reached}
    places = [
        (module, line)
        for module, line in sorted(found)
        if module.split("/")[0] == room
        and module not in (LEFT_OUT, AT_START)
        and linecache.getline(PREFIX + module, line).strip() not in EXCEPT
    ]
    assert places
    for place in places:
        try:
            survive(place, settings)
        except AssertionError as error:
            raise AssertionError(f"{place}: {error}") from error
