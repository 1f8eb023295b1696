"""Listening sockets: what is bound, what is left alone, and what is removed at the end."""

import errno
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sockets import LOOPBACK, busy_port
from wiverno.config.settings import Adjustments, TcpAddress
from wiverno.core.net import listeners as module
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.net.listeners import adopt, bind_tcp, bind_unix, inherited, open_address, open_listeners


@pytest.fixture
def place() -> Iterator[str]:
    """A path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"{folder}/a.sock"


@pytest.fixture
def opened() -> Iterator[list[Listener]]:
    """Listeners that are closed at the end."""
    found: list[Listener] = []
    yield found
    for listener in found:
        listener.close()


def test_an_address_is_named_as_in_a_url(opened: list[Listener]) -> None:
    opened += open_listeners(Adjustments.from_keywords(host=LOOPBACK, port=0))
    (listener,) = opened
    assert str(listener) == f"{LOOPBACK}:{listener.port}"
    assert not listener.is_listening
    for _ in range(2):
        listener.listen(5)
    assert listener.is_listening
    socket.create_connection((LOOPBACK, listener.port), 20).close()


def test_two_spellings_of_an_address_are_bound_once(opened: list[Listener]) -> None:
    with busy_port() as port:
        pass
    opened += open_listeners(Adjustments.from_keywords(listen=f"{LOOPBACK}:{port} {LOOPBACK}:{port}"))
    assert [listener.port for listener in opened] == [port]


def test_nothing_stays_open_if_one_address_is_busy() -> None:
    """The message has the operating system's words and the address."""
    with busy_port() as first:
        pass
    with busy_port() as busy:
        settings = Adjustments.from_keywords(listen=f"{LOOPBACK}:{first} {LOOPBACK}:{busy}")
        with pytest.raises(OSError, match=f"{os.strerror(errno.EADDRINUSE)}: {LOOPBACK}:{busy}"):
            open_listeners(settings)
    with socket.socket() as probe:
        probe.bind((LOOPBACK, first))


def test_a_name_that_is_no_host_is_told() -> None:
    with pytest.raises(OSError, match=r"host '256\.0\.0\.1\.invalid' can't be resolved"):
        bind_tcp(TcpAddress("256.0.0.1.invalid", 0), ipv4=True, ipv6=True)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "family"),
    [(True, False, socket.AF_INET), (False, True, socket.AF_INET6), (True, True, socket.AF_UNSPEC)],
)
def test_families(ipv4: bool, ipv6: bool, family: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only addresses of the families that are switched on are looked up."""
    asked: list[int] = []

    def look_up(host: str | None, port: int, family: int, *more: int) -> list[object]:
        asked.append(family)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert bind_tcp(TcpAddress("*", 0), ipv4=ipv4, ipv6=ipv6) == []
    assert asked == [family]


def resolving(monkeypatch: pytest.MonkeyPatch, *names: tuple[int, tuple[object, ...]]) -> None:
    """Let every host stand for these families and socket names."""
    found = [(family, socket.SOCK_STREAM, 0, "", name) for family, name in names]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)


def test_port_zero_is_one_port_for_all_addresses(opened: list[Listener], monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, (socket.AF_INET, (LOOPBACK, 0)), (socket.AF_INET, ("127.0.0.2", 0)))
    opened += bind_tcp(TcpAddress("both", 0), ipv4=True, ipv6=True)
    assert [listener.host for listener in opened] == [LOOPBACK, "127.0.0.2"]
    assert len({listener.port for listener in opened}) == 1


def test_a_port_that_is_taken_in_another_family_is_tried_again(
    opened: list[Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system chose a port for the first address that the second one does not have free."""
    resolving(monkeypatch, (socket.AF_INET, (LOOPBACK, 0)), (socket.AF_INET, ("127.0.0.2", 0)))
    bind_one, tries = module._bind_one, []

    def bind(family: int, name: tuple[object, ...]) -> Listener:
        tries.append(name)
        if len(tries) == 2:
            raise OSError(errno.EADDRINUSE, "taken")
        return bind_one(family, name)

    monkeypatch.setattr(module, "_bind_one", bind)
    opened += bind_tcp(TcpAddress("both", 0), ipv4=True, ipv6=True)
    assert len(opened) == 2
    assert len(tries) == 4


def test_a_family_that_the_machine_lacks_is_left_out(opened: list[Listener], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may stand for addresses that are not this machine's; one of them is enough."""
    bind_one = module._bind_one

    def bind(family: int, name: tuple[object, ...]) -> Listener:
        if name[0] != LOOPBACK:
            raise OSError(errno.EADDRNOTAVAIL, f"not here: {name[0]}")
        return bind_one(family, name)

    monkeypatch.setattr(module, "_bind_one", bind)
    resolving(monkeypatch, (socket.AF_INET, ("192.0.2.1", 0)), (socket.AF_INET, (LOOPBACK, 0)))
    opened += bind_tcp(TcpAddress("both", 0), ipv4=True, ipv6=True)
    assert [listener.host for listener in opened] == [LOOPBACK]
    resolving(monkeypatch, (socket.AF_INET, ("192.0.2.1", 0)), (socket.AF_INET, ("192.0.2.2", 0)))
    with pytest.raises(OSError, match=r"192\.0\.2\.2"):
        bind_tcp(TcpAddress("both", 0), ipv4=True, ipv6=True)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_unix_socket_has_its_permissions_and_is_removed(place: str, mode: int) -> None:
    listener = bind_unix(place, mode)
    assert str(listener) == f"unix:{place}"
    assert stat.S_IMODE(Path(place).stat().st_mode) == mode
    listener.close()
    assert not Path(place).exists()
    listener.close()


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_file_is_never_wider_than_its_permissions(place: str, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a socket has no mode (macOS, Windows) the umask is narrowed for the moment of bind, and comes back."""
    before = os.umask(0o027)
    os.umask(before)

    def refuse(descriptor: int, mode: int) -> None:
        raise OSError(errno.EINVAL, "not for sockets")

    monkeypatch.setattr(os, "fchmod", refuse)
    with socket.socket(socket.AF_UNIX) as sock, module._created_with(sock, mode):
        sock.bind(place)
    assert stat.S_IMODE(Path(place).stat().st_mode) == mode & ~before
    after = os.umask(before)
    os.umask(after)
    assert after == before


def test_the_file_of_a_server_that_is_gone_is_replaced(place: str) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(place)
    bind_unix(place, 0o600).close()
    assert not Path(place).exists()


def test_a_live_servers_file_and_other_files_are_left_alone(place: str) -> None:
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(place)
        live.listen(1)
        with pytest.raises(OSError, match=f"a server answers on {re.escape(place)}"):
            bind_unix(place, 0o600)
    Path(place).unlink()
    Path(place).write_text("data")
    with pytest.raises(OSError, match="exists and is not a socket; it was left alone"):
        bind_unix(place, 0o600)
    assert Path(place).read_text() == "data"


def test_a_file_in_a_missing_folder_is_named(place: str) -> None:
    missing = f"{place}/b.sock"
    with pytest.raises(OSError, match=rf"No such file or directory: {re.escape(missing)}"):
        bind_unix(missing, 0o600)


def test_another_servers_file_of_the_same_name_stays(place: str) -> None:
    """A file that was replaced meanwhile, and any file in a process that only has a copy of the listener."""
    listener = bind_unix(place, 0o600)
    Path(place).unlink()
    Path(place).write_text("another")
    assert not listener.is_own_file()
    listener.close()
    assert Path(place).exists()
    Path(place).unlink()
    copy = bind_unix(place, 0o600)
    copy.owner += 1
    copy.close()
    assert Path(place).exists()


def test_close_leaves_a_number_alone_that_is_something_else_now(opened: list[Listener]) -> None:
    (listener,) = open_listeners(Adjustments.from_keywords(host=LOOPBACK, port=0))
    number = listener.socket.fileno()
    os.close(number)
    reading, writing = os.pipe()
    os.dup2(reading, number)
    listener.close()
    os.fstat(number)
    for descriptor in {reading, writing, number}:
        os.close(descriptor)


def test_a_socket_of_another_program_is_taken_over(opened: list[Listener], place: str) -> None:
    """Its address and whether it listens already are read from it; the file of a Unix socket is not ours to remove."""
    tcp = socket.create_server((LOOPBACK, 0))
    opened.append(adopt(tcp))
    assert (opened[0].port, opened[0].is_listening) == (tcp.getsockname()[1], True)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(place)
    opened.append(adopt(unix))
    assert (str(opened[1]), opened[1].is_listening, opened[1].path) == (f"unix:{place}", False, "")
    opened.pop().close()
    assert Path(place).exists()


def test_a_descriptor_from_the_parent_process(opened: list[Listener]) -> None:
    """It is served on, and programs that the application starts do not get it."""
    with socket.create_server((LOOPBACK, 0)) as given:
        number = os.dup(given.fileno())
        os.set_inheritable(number, True)
        settings = Adjustments.from_keywords(listen=f"fd:{number}")
        opened += open_address(settings.addresses[0], settings)
        assert opened[0].port == given.getsockname()[1]
        assert not os.get_inheritable(number)


def test_what_is_no_socket_can_not_be_listened_on() -> None:
    with pytest.raises(OSError, match="no inherited socket is named 'web'"):
        inherited("web")
    reading, writing = os.pipe()
    with pytest.raises(OSError, match=f"descriptor {reading} is no socket"):
        inherited(str(reading))
    os.close(reading)
    os.close(writing)


def test_a_unix_address_belongs_to_the_user_who_serves(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, tuple[int, int], int]] = []
    monkeypatch.setattr(module, "give_socket", lambda *arguments: given.append(arguments))
    bind_unix(place, 0o660, (1000, 1001)).close()
    assert given == [(place, (1000, 1001), 0o660)]


def test_without_unix_sockets_the_system_is_named(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(module, "HAS_UNIX", False)
    with pytest.raises(OSError, match="not available on this system"):
        bind_unix(place, 0o600)
