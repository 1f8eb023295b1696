"""Code of the program that raises, in a call or when the server logs, ends no thread of the server."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import MODES, Served, serving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

THREADS = 2
KINDS: dict[str, dict[str, Any]] = {"threads": {"threads": THREADS}, "simple": MODES["simple"]}
ERRORS = (RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)

Start = Callable[..., Any]


class Raising:
    """A body of which one method raises."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        self._where = where
        self._error = error
        self._count = 0

    def _reach(self, where: str) -> None:
        if where == self._where:
            raise self._error("on purpose")

    def __iter__(self) -> Raising:
        self._reach("iter")
        return self

    def __next__(self) -> bytes:
        self._reach("next")
        self._count += 1
        if self._count > 2:
            self._reach("last")
            raise StopIteration
        return b"piece"

    def __len__(self) -> int:
        self._reach("len")
        return 2

    def close(self) -> None:
        self._reach("close")

    def __del__(self) -> None:
        self._reach("del")


class RaisingFile(io.BytesIO):
    """A file for wsgi.file_wrapper of which one method raises."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        super().__init__(b"content" * 10)
        self._where = where
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if self._where == "read":
            raise self._error("on purpose")
        return super().read(size)

    def close(self) -> None:
        if self._where == "file close":
            self._where = ""  # the collector closes it once more, perhaps in the time of another test
            raise self._error("on purpose")
        super().close()


def raises(where: str, error: type[BaseException]) -> Callable[..., Any]:
    """Return an application that raises at a place when it is asked for /raise."""

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        if environ["PATH_INFO"] != "/raise":
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
        if where == "call":
            raise error("on purpose")
        write = start_response("200 OK", [])
        if where == "hints":
            environ["wsgi.early_hints"](_raising_pairs(error))
        if where == "write":
            write(b"x")
            raise error("on purpose")
        if where == "exc_info":
            write(b"x")
            try:
                raise error("on purpose")
            except BaseException as caught:
                start_response("500 Oh", [], (type(caught), caught, caught.__traceback__))
        if where in ("read", "file close"):
            return environ["wsgi.file_wrapper"](RaisingFile(where, error))
        return Raising(where, error)

    return application


def _raising_pairs(error: type[BaseException]) -> Iterator[tuple[str, str]]:
    yield "Link", "</a>"
    raise error("on purpose")


def is_served(served: Served) -> bool:
    """Tell whether a request is answered."""
    with served.client() as client:
        client.send(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n")
        return bool(client.response()[2] == b"ok")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", ERRORS)
def test_no_exception_of_a_call_ends_a_thread(kind: str, error: type[BaseException]) -> None:
    """Wherever the application raises, in the call or in its body: more often than there are threads, all serve on."""
    places = (
        "call", "iter", "next", "last", "len", "close", "del", "write", "exc_info", "hints", "read", "file close",
    )  # fmt: skip
    holder: list[Callable[..., Any]] = []
    with serving(lambda *call: holder[-1](*call), **KINDS[kind]) as served:
        for place in places:
            holder.append(raises(place, error))
            for _ in range(THREADS + 1):
                with served.client() as client:
                    client.send(b"GET /raise HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    assert client.rest().startswith(b"HTTP/1.1 "), place
            gc.collect()
            assert is_served(served), place


@contextmanager
def filtered(name: str, error: type[BaseException]) -> Iterator[list[str]]:
    """Have a filter on a logger that raises; yield the levels of what it was asked about."""
    asked: list[str] = []

    def refuse(record: logging.LogRecord) -> bool:
        asked.append(record.levelname)
        raise error("on purpose")

    logger = logging.getLogger(name)
    logger.addFilter(refuse)
    try:
        yield asked
    finally:
        logger.removeFilter(refuse)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", ERRORS)
def test_a_filter_of_the_log_that_raises(
    kind: str, error: type[BaseException], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the server logs, from whichever thread; the message is on standard error instead."""
    caplog.set_level(logging.INFO)
    with (
        filtered("wiverno", error) as asked,
        filtered("wiverno.access", error) as accesses,
        serving(raises("call", ValueError), access_log="logging", **KINDS[kind]) as served,
    ):
        for _ in range(THREADS + 1):
            with served.client() as client:
                client.send(b"GET /raise HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.response()[0] == 500
        assert is_served(served)
        wait_until(lambda: len(accesses) == THREADS + 2)
    assert asked.count("ERROR") == THREADS + 1
    printed = capfd.readouterr().err
    assert f"the program's logging raised {error.__name__}; not logged: Exception while serving /raise" in printed


@pytest.mark.parametrize("error", [SystemExit, ValueError])
def test_exceptions_thrown_into_the_threads(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """PyThreadState_SetAsyncExc, as libraries for time limits use it, may hit a thread after its call: it goes on."""
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc
    with serving(raises("call", ValueError), threads=THREADS) as served:
        assert is_served(served)
        for _ in range(5):
            for thread in threading.enumerate():
                if thread.name.startswith("wiverno-") and thread.ident:
                    throw(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
            for _ in range(THREADS + 1):
                # A request that was being read when the exception came is lost with its connection, no more.
                wait_until(lambda: _is_served_in_the_end(served))


def _is_served_in_the_end(served: Served) -> bool:
    try:
        return is_served(served)
    except (AssertionError, OSError):
        return False


# -------------------------------------------------------------------- the environ is the application's


class Hostile:
    """A lazy value that can't be shown, compared or hashed any more; as a key it collides with another."""

    def __str__(self) -> str:
        raise KeyboardInterrupt("on purpose")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise SystemExit("on purpose")

    def __hash__(self) -> int:
        return hash("REMOTE_USER")


def _clear(environ: dict[Any, Any]) -> None:
    environ.clear()


def _spoil(environ: dict[Any, Any]) -> None:
    for name in list(environ):
        environ[name] = Hostile()


def _empty(environ: dict[Any, Any]) -> None:
    for name in list(environ):
        environ[name] = None


def _collide(environ: dict[Any, Any]) -> None:
    environ.clear()
    environ[Hostile()] = 1


def _rewrite(environ: dict[Any, Any]) -> None:
    environ.update(PATH_INFO="/other", REQUEST_URI="/other", REQUEST_METHOD="PUT", REMOTE_ADDR="192.0.2.1")


SPOILERS = (_clear, _spoil, _empty, _collide, _rewrite)
FORMATS = ("common", "combined", "json", "{remote} {user} {method} {uri} {path} {query} {header:x-a} {request}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMATS)
def test_an_environ_that_the_application_has_spoilt(
    kind: str, form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The access log, the error log, the prediction of stalls and the watch on stuck requests read nothing from it."""
    held = threading.Event()

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        path = environ["PATH_INFO"]
        if path == "/ok":
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
        _, number, wish = path.split("/")
        SPOILERS[int(number)](environ)
        time.sleep(0.02)  # a stall, of which the monitor thread learns
        if wish == "stuck":
            held.wait(20)
        if wish == "fail":
            raise ValueError("on purpose")
        start_response("200 OK", [("Content-Length", "2")])
        return (piece for piece in [b"o", b"k"])

    log = tmp_path / "access.log"
    options = {"access_log": str(log), "access_log_format": form, "request_timeout": 1, **KINDS[kind]}
    with serving(application, **options) as served:
        for number in range(len(SPOILERS)):
            for wish in ("good", "fail", "good"):
                with served.client() as client:
                    client.send(b"GET /%d/%s?q=1 HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r\n" % (number, wish.encode()))
                    assert client.response()[0] == (500 if wish == "fail" else 200)
        with served.client() as client:
            client.send(b"GET /1/stuck HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: "GET /1/stuck has been running" in caplog.text, what="the watch on stuck requests")
            held.set()
            assert client.response()[0] == 200
        assert is_served(served)
        wait_until(lambda: log.read_text().count("\n") == 3 * len(SPOILERS) + 2)
    for number in range(len(SPOILERS)):
        assert f"Exception while serving /{number}/fail\n" in caplog.text
        assert log.read_text().count(f"/{number}/good?q=1") >= 2
    assert "192.0.2.1" not in log.read_text()
    if form == "json":
        assert json.loads(log.read_text().splitlines()[0])["uri"] == "/0/good?q=1"


def test_the_user_is_the_one_thing_that_the_log_takes_from_the_application(tmp_path: Path) -> None:
    """REMOTE_USER as authentication set it, a lazy object in text, too."""

    class Lazy:
        def __str__(self) -> str:
            return 'ann "x"'

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        environ["REMOTE_USER"] = Lazy() if environ["PATH_INFO"] == "/lazy" else "bob"
        start_response("200 OK", [("Content-Length", "0")])
        return []

    log = tmp_path / "access.log"
    with (
        serving(application, access_log=str(log), access_log_format="{user} {uri}") as served,
        served.client() as client,
    ):
        for path in (b"/", b"/lazy"):
            client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            client.response()
        wait_until(lambda: log.read_text().count("\n") == 2)
    assert log.read_text() == 'bob /\nann \\"x\\" /lazy\n'


def test_the_log_names_the_path_that_was_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Not what a middleware that mounts applications has left of it, and not the query, which may hold secrets."""

    def inner(environ: dict[str, Any], start_response: Start) -> Any:
        raise ValueError("on purpose")

    def mounted(environ: dict[str, Any], start_response: Start) -> Any:
        environ["SCRIPT_NAME"] += "/shop"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/shop")
        return inner(environ, start_response)

    with serving(mounted, url_prefix="/at") as served, served.client() as client:
        client.send(b"GET /at/shop/cart?token=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.response()[0] == 500
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert said == ["Exception while serving /at/shop/cart"]
