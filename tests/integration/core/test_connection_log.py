"""The debug log: one connection can be followed from accept to close, and nothing is logged without it."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.serving import serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from wiverno.core.loop.connection_log import NAME


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == NAME]


def test_a_connection_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    """Accepted, request received, closed with the reason; the query stays out of the log."""
    with caplog.at_level(logging.DEBUG, NAME), serving(application) as server:
        with RawClient(server.address) as client:
            client.send(b"GET /a?token=secret HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.response()[0] == 200
            client.send(b"GET /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + b"abc")
            assert client.response()[0] == 200
        wait_until(lambda: any("closed: by the client" in line for line in lines_of(caplog)))
        with RawClient(server.address) as client:
            client.send(b"GET /c HTTP/1.1\r\n\r\n")
            assert client.response()[0] == 400
        wait_until(lambda: any("closed: after the response" in line for line in lines_of(caplog)))
    text = "\n".join(lines_of(caplog))
    for wanted in ("accepted from 127.0.0.1:", "request received: GET /a", "idle -> body", "request received: GET /b"):
        assert wanted in text
    assert text.count("request received: GET /b") == 1
    assert "error response 400: " in text
    assert "secret" not in text


def test_no_line_without_the_level(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO nothing is logged, and connections are of the class that does not log."""
    with caplog.at_level(logging.INFO), serving(application) as server:
        with RawClient(server.address) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.response()[0] == 200
    assert lines_of(caplog) == []
