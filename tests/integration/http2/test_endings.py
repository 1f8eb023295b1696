"""Endings that an application brings about over HTTP/2: any exception, a fork, a stream that is stuck."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.integration.http2.test_exchanges import CLEAR
from tests.support.forking import fork
from tests.support.h2_client import h2_client
from tests.support.serving import MODES, serving
from tests.support.waiting import wait_until


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
@pytest.mark.parametrize("place", ["call", "body", "close"])
def test_any_exception_costs_its_stream_alone(mode: str, kind: type[BaseException], place: str) -> None:
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"part"
            if place == "body":
                raise kind

        def close(self) -> None:
            closed.append(place)
            if place == "close":
                raise kind

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/good":
            return [b"good"]
        if place == "call":
            raise kind
        return Body()

    with serving(application, **MODES[mode], **CLEAR) as served, h2_client(served.address) as client:
        bad, good = client.request("/bad"), client.request("/good")
        answers = client.wait(bad, good)
        assert answers[1].body == b"good"
        if place == "call":
            assert answers[0].status == "500"
        elif place == "body":
            assert answers[0].reset == 2  # INTERNAL_ERROR
        else:
            assert answers[0].body == b"part"
        assert len(closed) == (place != "call")
        assert client.fetch("/good").body == b"good"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("mode", MODES)
def test_a_child_that_the_application_forks_sends_nothing(mode: str) -> None:
    children: list[int] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/fork":
            child = fork()
            if not child:
                return [b"the child's"]
            children.append(child)
        return [b"the server's"]

    with serving(application, **MODES[mode], **CLEAR) as served, h2_client(served.address) as client:
        streams = [client.request(path) for path in ("/", "/fork", "/")]
        assert [bytes(answer.body) for answer in client.wait(*streams)] == [b"the server's"] * 3
        wait_until(lambda: os.waitpid(children[0], os.WNOHANG)[0])
        assert client.fetch("/").body == b"the server's"


def test_a_stuck_request_is_told_of_with_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        end = time.monotonic() + 20
        while environ["PATH_INFO"] == "/stuck" and "/stuck has been running" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)  # between two looks; the deadline ends them
        start_response("200 OK", [])
        return [b"done"]

    with serving(application, threads=4, request_timeout=0.3, **CLEAR) as served, h2_client(served.address) as client:
        stuck, other = client.request("/stuck"), client.request("/other")
        assert [bytes(answer.body) for answer in client.wait(stuck, other)] == [b"done"] * 2
    assert caplog.text.count("has been running") == 1
