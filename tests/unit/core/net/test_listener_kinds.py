"""What a listener of each kind answers, so that no caller asks which kind it is."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wiverno.core.net.listener_kinds import Listener, RedirectListener, UnixListener, identity_of
from wiverno.core.net.listeners import as_redirect
from wiverno.files import SetupError


@pytest.fixture
def tcp() -> Iterator[Listener]:
    listener = Listener(socket.create_server(("127.0.0.1", 0)), "::1", 8080)
    yield listener
    listener.close()


@pytest.fixture
def unix() -> Iterator[UnixListener]:
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        path = f"{folder}/web.sock"
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        listener = UnixListener(sock, path, 0, path=path, identity=identity_of(path))
        yield listener
        listener.close()


def test_a_tcp_listener_describes_itself(tcp: Listener) -> None:
    assert (str(tcp), tcp.url(), tcp.url("https")) == ("[::1]:8080", "http://[::1]:8080", "https://[::1]:8080")
    assert (tcp.scheme("https"), tcp.host_and_port()) == ("https", ("[::1]", 8080))
    assert tcp.peer_of(("203.0.113.9", 4000)) == ("203.0.113.9", "4000")
    assert (tcp.server_name("example.org"), tcp.is_bound, tcp.has_trusted_clients) == ("::1", True, False)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_a_listener_on_every_address_has_no_name(tcp: Listener, host: str) -> None:
    tcp.host = host
    assert tcp.server_name("example.org") == "example.org"


def test_a_unix_listener_describes_itself(unix: UnixListener) -> None:
    text = f"unix:{unix.host}"
    assert (str(unix), unix.url("https"), unix.scheme("https", "wss")) == (text, text, "wss")
    assert (unix.host_and_port(), unix.peer_of("")) == (("unix", unix.host), ("localhost", "None"))
    assert (unix.server_name("example.org"), unix.is_bound, unix.has_trusted_clients) == ("example.org", True, True)


def test_a_copy_is_of_the_same_kind_and_removes_no_file(unix: UnixListener) -> None:
    copy = unix.copy()
    assert (type(copy), copy.socket, copy.path, copy.is_listening) == (UnixListener, unix.socket, "", True)


def test_only_the_process_that_made_the_file_removes_it(unix: UnixListener) -> None:
    unix.owner = os.getpid() + 1
    path = unix.path
    unix.close()
    assert Path(path).exists()
    unix.take_over()
    unix.path = path
    unix.close()
    assert not Path(path).exists()


def test_a_closed_copy_leaves_the_file(unix: UnixListener) -> None:
    path = unix.path
    unix.close_copy()
    unix.close()
    assert Path(path).exists()


def test_permissions_are_given_to_its_own_file_only(unix: UnixListener, tcp: Listener) -> None:
    unix.give(0o640, None)
    assert Path(unix.path).stat().st_mode & 0o777 == 0o640
    Path(unix.path).unlink()
    Path(unix.path).touch(0o600)
    unix.give(0o644, None)
    assert Path(unix.path).stat().st_mode & 0o777 == 0o600
    tcp.give(0o600, None)


def test_a_redirecting_listener_describes_itself(tcp: Listener, unix: UnixListener) -> None:
    """It never speaks TLS, its copies redirect too; a Unix socket that was inherited can't be one."""
    assert tcp.announcement("https") == "Serving on https://[::1]:8080"
    plain = as_redirect(tcp)
    assert (plain.announcement("https"), plain.scheme("https")) == ("Redirecting http://[::1]:8080 to https", "http")
    assert (type(plain.copy()), plain.copy().redirects, tcp.redirects) == (RedirectListener, True, False)
    with pytest.raises(SetupError, match=rf"redirect_listen: unix:{unix.host} is no TCP socket"):
        as_redirect(unix)
