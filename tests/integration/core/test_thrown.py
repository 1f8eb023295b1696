"""An exception at any place in the threads of the engine: it costs a connection at most, never the server.

MemoryError may come wherever something is allocated, and another thread may throw an exception into a thread of the
pool wherever that is (PyThreadState_SetAsyncExc, as libraries for time limits use it). So the places are not chosen: a
trace function finds the lines that the threads run, and raises once before each of them, in a new server each time.
"""

from __future__ import annotations

import gc
import linecache
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import wiverno
from tests.support.serving import Served, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until

# A socket that no object owns yet when the exception comes is closed by the collector, with a warning.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep no traceback, and collect in the test itself what it has left."""
    caplog.set_level(logging.CRITICAL + 1, logger="wiverno")
    yield
    with suppress(AssertionError):  # a thread may be left as well
        wait_until(lambda: not any(thread.name[:8] == "wiverno-" for thread in threading.enumerate()), GRACE)
    for _ in range(3):  # without the GIL what one collection frees may leave more for the next
        gc.collect()


PREFIX = str(Path(wiverno.__file__).parent / "core") + "/"
Place = tuple[str, int]

LEADING = (
    "threads/leader.py", "threads/followers.py", "threads/thread_pool.py", "threads/read_ahead.py",
    "loop/event_loop.py", "loop/poller.py",
)  # fmt: skip
"""The modules that decide who leads and what it waits for: each run tries their places, `make test-long` all others."""

OTHERS = ("accept", "http1", "loop", "net", "threads")
# Not places that an exception can come from: the interpreter looks for one after calls and at jumps back, and only what
# allocates runs out of memory. Where a thread begins and ends, nothing can catch one.
# What is left out: a request that is just being taken out of the queue is lost between two lines of its bookkeeping.
LEFT_OUT = "threads/fair_queue.py"
EXCEPT = ("try:", "failure: BaseException | None = None", "while True:", "return", "self.idle.pop()")

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"

TIMEOUT = 3.0  # seconds for an answer, or the end of the connection
GRACE = 4  # seconds: the end waits so long for a connection that was forgotten


class Thrower:
    """A trace function: finds the lines that the threads of a server run, and raises before one of them, once."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self.reached: dict[Place, None] = {}
        self.has_thrown = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        """Trace the functions of the engine in its threads."""
        is_watched = frame.f_code.co_filename.startswith(PREFIX) and threading.current_thread().name[:8] == "wiverno-"
        return self._trace_line if is_watched else None

    def _trace_line(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "line":
            place = (frame.f_code.co_filename[len(PREFIX) :], frame.f_lineno)
            self.reached[place] = None
            if place == self.place and not self.has_thrown:
                self.has_thrown = True
                raise ValueError(f"thrown at {place}")
        return self._trace_line


@contextmanager
def traced(place: Place | None) -> Iterator[Thrower]:
    """Trace the threads that are started inside the block."""
    before = threading.gettrace()
    thrower = Thrower(place)
    threading.settrace(thrower)
    try:
        yield thrower
    finally:
        threading.settrace(before)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.008)  # the request is to block, so that the lead changes hands
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def can_ask(client: RawClient, request: bytes) -> bool:
    """Send a request; False if the connection is over."""
    with suppress(OSError):
        client.send(request)
        return True
    return False


def load(served: Served) -> list[str]:
    """Ask over three connections, quickly, slowly and with bodies; return which of them neither answered nor ended."""
    forgotten = []
    clients = all_clients = [served.client(TIMEOUT) for _ in range(3)]
    for turn in range(4):
        kinds = (GET, SLOW, POST) if turn < 3 else (GET, GET, GET)  # in the end they are answered together
        clients = [one for number, one in enumerate(clients) if can_ask(one, kinds[(number + turn) % 3])]
        for client in list(clients):
            try:
                client.response()
            except TimeoutError:
                forgotten.append(f"a client got no answer in turn {turn}")
            except (OSError, EOFError):
                clients.remove(client)
    for client in all_clients:
        client.close()
    return forgotten


def is_served(served: Served) -> bool:
    with suppress(OSError, EOFError), served.client(TIMEOUT) as client:
        client.send(GET)
        return bool(client.response()[2] == b"ok")
    return False


def survive(place: Place | None) -> Thrower:
    """Serve with an exception at a place.

    Raises:
        AssertionError: a client gets no answer, the server serves no more, or it does not end.
    """
    with traced(place) as thrower, serving(application, threads=2, graceful_timeout=GRACE) as served:
        assert load(served) == [], place
        wait_until(lambda: is_served(served), what=f"an answer after an exception at {place}")
        served.server.close()
        assert served.server.engine.wait_ended(GRACE / 2), f"a connection was forgotten after an exception at {place}"
    return thrower


def find_places() -> list[Place]:
    """Return the lines that the threads run, of which some run only now and then."""
    found: dict[Place, None] = {}
    for _ in range(3):
        found.update(survive(None).reached)
    return sorted(
        (module, line)
        for module, line in found
        if module != LEFT_OUT and linecache.getline(PREFIX + module, line).strip() not in EXCEPT
    )


@pytest.mark.parametrize("module", LEADING)
def test_exceptions_where_the_lead_is_decided(module: str) -> None:
    places = [place for place in find_places() if place[0] == module]
    assert places
    for place in places:
        survive(place)


@pytest.mark.long
@pytest.mark.parametrize("room", OTHERS)
def test_exceptions_at_any_place(room: str) -> None:
    places = [place for place in find_places() if place[0].split("/")[0] == room and place[0] not in LEADING]
    assert places
    for place in places:
        survive(place)
