"""What the redirecting listeners of a server share, from its settings and its sockets."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.settings import Adjustments
from wiverno.core.net.listener_kinds import Listener, RedirectListener, UnixListener
from wiverno.core.net.redirects import ANSWER, Redirects, answer_challenge, new_redirects


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.socket()) for _ in range(4)]


def redirects(listeners: list[Listener], **more: Any) -> Redirects:
    settings = Adjustments.from_keywords(certfile="x.pem", redirect_listen="127.0.0.1:0", **more)
    return new_redirects(settings, listeners, None)


def test_port(sockets: list[socket.socket]) -> None:
    """It is 443 if TLS is spoken there, else that of the first listener with TLS, unless a setting says so."""
    plain: list[Listener] = [RedirectListener(sockets[0], "::", 80), UnixListener(sockets[1], "/x", 0)]
    first, usual = Listener(sockets[2], "::", 8443), Listener(sockets[3], "::", 443)
    assert redirects([*plain, first]).port == 8443
    assert redirects([*plain, first, usual]).port == 443
    assert redirects([*plain, first], redirect_port=9443).port == 9443
    assert redirects(plain).port == 443


def test_host_and_challenges(tmp_path: Path) -> None:
    """server_name counts only if it is set; challenges are answered only from a directory."""
    assert (redirects([]).default_host, redirects([]).challenges) == ("", None)
    found = redirects([], server_name="www.shop", acme_webroot=str(tmp_path))
    assert found.default_host == "www.shop"
    assert found.challenges is not None


def test_answers() -> None:
    """An answer is sent as an application would send it."""
    started: list[Any] = []
    answer = answer_challenge("GET", b"key")
    body = Redirects()({ANSWER: answer}, lambda *words: started.append(words))
    assert (list(body), started) == ([b"key"], [(answer.status, answer.fields)])
    assert [answer_challenge(*words).status[:3] for words in (("HEAD", b""), ("GET", None), ("PUT", b"key"))] == [
        "200", "404", "405",
    ]  # fmt: skip
