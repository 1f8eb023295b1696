"""The client of the admin address, with a small server at the other end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.sockets import LOOPBACK
from wiverno.admin.client import AdminClient, NoAnswerError
from wiverno.config.settings import TcpAddress, UnixAddress

STATUS = '{"workers": [], "ready": true}'


@contextmanager
def answering(listener: socket.socket, code: int, text: str) -> Iterator[list[bytes]]:
    """Answer one request with this; the block gets what was received."""
    received: list[bytes] = []

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.recv(65536)
            received.append(data)
            peer.sendall(f"HTTP/1.1 {code} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())

    listener.listen(1)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        thread.join(20)
        listener.close()


@contextmanager
def tcp(code: int, text: str) -> Iterator[tuple[AdminClient, list[bytes]]]:
    listener = socket.create_server((LOOPBACK, 0))
    client = AdminClient(TcpAddress(LOOPBACK, listener.getsockname()[1]))
    with answering(listener, code, text) as received:
        yield client, received


def test_a_status_is_read_over_a_unix_socket(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "admin.sock"))
    with answering(listener, 200, STATUS) as received:
        assert AdminClient(UnixAddress(str(tmp_path / "admin.sock"))).status()["ready"] is True
    assert received[0].startswith(b"GET /status HTTP/1.1\r\nHost: localhost\r\n")


@pytest.mark.parametrize(("code", "is_begun"), [(202, True), (409, False)])
def test_an_action_is_posted_with_the_field_that_proves_a_program(code: int, is_begun: bool) -> None:
    with tcp(code, "words\n") as (client, received):
        assert client.ask("reload") == (is_begun, "words")
    assert received[0].startswith(b"POST /reload HTTP/1.1\r\n")
    assert b"\r\nX-Wiverno-Control: ctl\r\n" in received[0]


@pytest.mark.parametrize(("code", "text"), [(404, STATUS), (200, "hello"), (200, "[1]"), (200, '{"state": "ready"}')])
def test_another_server_at_the_address_is_named(code: int, text: str) -> None:
    """A status needs code 200 and an object with workers."""
    with tcp(code, text) as (client, _), pytest.raises(NoAnswerError, match="answers, but is not an admin address"):
        client.status()


def test_no_answer_names_the_address_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match=r"no answer from unix:.*admin\.sock: No such file or directory"):
        AdminClient(UnixAddress(str(tmp_path / "admin.sock"))).status()
