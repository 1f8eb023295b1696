"""The engine on every way to ask a system what is ready: epoll, and what other systems have of selectors."""

import selectors
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.engine_child import get
from tests.support.poll_call import poll_call
from tests.support.rig import POLLERS
from tests.support.serving import MODES, serving
from tests.support.waiting import wait_until
from wiverno.config.errors import ConfigError
from wiverno.core.loop import poller
from wiverno.core.loop.windows_poll import PollArraySelector
from wiverno.core.server import create_server

SELECTORS: dict[str, Callable[[], selectors.BaseSelector]] = {
    name: getattr(selectors, name)
    for name in ("EpollSelector", "KqueueSelector", "DevpollSelector", "PollSelector", "SelectSelector")
    if hasattr(selectors, name)
}
SELECTORS["PollArraySelector"] = lambda: PollArraySelector(poll_call())


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/large":
        return iter([b"x" * 100_000] * 30)
    return [environ["wsgi.input"].read()]


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("mode", MODES)
def test_every_selector_of_this_system(mode: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of macOS, Windows and old systems too serve, stream, receive and notice clients that go."""
    monkeypatch.setattr(poller, "_new_selector", SELECTORS[name])
    with serving(application, poller="selectors", outbuf_overflow=10_000, **MODES[mode]) as served:
        clients = [served.client() for _ in range(10)]
        for client in clients:
            client.send(get("/large") + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
        for client in clients:
            assert len(client.response()[2]) == 3_000_000
            client.send(b"llo")
        for client in clients:
            assert client.response()[2] == b"hello"
            client.close()
        wait_until(lambda: not served.server.active_channels, what="the connections to be closed")


@pytest.mark.parametrize("kind", POLLERS)
def test_the_setting_chooses(kind: str) -> None:
    server = create_server(application, host="127.0.0.1", port=0, poller=kind)
    try:
        assert type(server._engine.loop.poller) is POLLERS[kind]
    finally:
        server.close()


def test_another_name_is_a_mistake_in_words() -> None:
    with pytest.raises(ConfigError, match="poller"):
        create_server(application, host="127.0.0.1", port=0, poller="kqueue")
