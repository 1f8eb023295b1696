"""The log line about refused WebSockets."""

import logging

import pytest

from tests.support.rig import rig
from wiverno.core.http1 import websockets

HANDSHAKE = (
    b"GET /live?token=secret HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(autouse=True)
def nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "_next_line", [0.0])


def test_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A page that tries again every second fills no log; the query, which may hold a token, is not shown."""
    for now in (100.0, 101.0, 159.0, 161.0):
        websockets.log_refused_websocket("/live?token=secret", now)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["WebSocket refused with 501: /live; WSGI has none, route such paths to an ASGI server"] * 2
    assert caplog.records[0].levelno == logging.WARNING


def test_a_websocket_never_reaches_the_application(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets 501 and the end of the connection; the log has one line and no traceback."""
    calls: list[object] = []

    def application(environ: object, start_response: object) -> list[bytes]:
        calls.append(environ)
        raise RuntimeError("Cannot obtain socket from WSGI environment.")

    with rig(application) as made:
        _, client = made.connect()
        client.send(HANDSHAKE)
        made.run_until_idle()
        status, fields, body = client.response()
        assert (status, fields["connection"]) == (501, "close")
        assert b"WebSockets are not served here" in body
    assert not calls
    assert [record.exc_info for record in caplog.records] == [None]


def test_h2c_is_served_as_before() -> None:
    """RFC 9113 §3.1: the upgrade to HTTP/2 in clear is obsolete and ignored."""
    with rig() as made:
        _, client = made.connect()
        client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
        )
        made.run_until_idle()
        assert client.response()[0] == 200
