"""Closing a client's socket: for the client, or only this process's copy of it."""

import socket

import pytest

from tests.support.sockets import LOOPBACK
from wiverno.core.net.closing import close_client, close_copy, reset_client


class Refusing:
    """A socket that the system refuses everything."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def shutdown(self, how: int, /) -> None:
        self.calls.append("shutdown")
        raise OSError("not connected")

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None:
        self.calls.append("setsockopt")
        raise OSError("not connected")

    def close(self) -> None:
        self.calls.append("close")
        raise OSError("reset")


def test_a_client_gets_the_end_although_there_is_a_copy() -> None:
    ours, theirs = socket.socketpair()
    with theirs, ours.dup():
        close_client(ours)
        theirs.settimeout(20)
        assert theirs.recv(1) == b""


def test_a_copy_is_closed_without_the_client_noticing() -> None:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        close_copy(ours.dup())
        ours.sendall(b"goes on")
        assert theirs.recv(10) == b"goes on"


def test_a_reset_is_no_end() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        client = socket.create_connection(listener.getsockname(), 20)
        ours, _ = listener.accept()
        ours.sendall(b"part")
        assert client.recv(10) == b"part"
        reset_client(ours)
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize(
    ("close", "calls"),
    [(close_client, ["shutdown", "close"]), (close_copy, ["close"]), (reset_client, ["setsockopt", "close"])],
)
def test_errors_of_the_system_are_no_errors(close: object, calls: list[str]) -> None:
    """The descriptor is closed whatever fails before."""
    sock = Refusing()
    assert callable(close)
    close(sock)
    assert sock.calls == calls
