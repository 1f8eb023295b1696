"""Which listening sockets are opened, kept and closed over reloads."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sockets import LOOPBACK
from wiverno.config.settings import Adjustments
from wiverno.core.net.listener_kinds import Listener
from wiverno.workers.shared_sockets import SharedSockets, copy_listeners


@pytest.fixture
def shared() -> Iterator[SharedSockets]:
    shared = SharedSockets()
    yield shared
    shared.close()


def settings(*listen: str, **values: Any) -> Adjustments:
    return Adjustments.from_keywords(listen=" ".join(listen), **values)


def is_open(listener: Listener) -> bool:
    return listener.socket.fileno() >= 0


def test_the_same_address_keeps_its_socket(shared: SharedSockets) -> None:
    """A reload that names it again gets the listener that is open; one that is no longer named is closed."""
    first, second = f"{LOOPBACK}:0", "localhost:0"
    [one] = shared.open(settings(first))
    found = shared.open(settings(first, second))
    assert found[0] is one
    shared.keep_only(found[1:])
    assert not is_open(one)
    assert all(map(is_open, found[1:]))
    shared.close()
    assert not any(map(is_open, found))


def test_nothing_new_stays_open_if_one_cannot_be_bound(shared: SharedSockets, tmp_path: Path) -> None:
    [one] = shared.open(settings(f"{LOOPBACK}:0"))
    path = tmp_path / "web.sock"
    with pytest.raises(OSError, match="in use"):
        shared.open(settings(f"unix:{path}", f"{LOOPBACK}:{one.port}"))
    assert not path.exists()
    assert is_open(one)


def test_two_spellings_of_one_address(shared: SharedSockets) -> None:
    """It is bound once, as in one process, and kept over reloads; one spelling alone is a change like any other."""
    [one] = shared.open(settings(f"{LOOPBACK}:0"))
    shared.keep_only(())
    first, second = f"{LOOPBACK}:{one.port}", f"localhost:{one.port}"
    found = shared.open(settings(first, second, ipv6=False))
    assert [str(listener) for listener in found] == [first]
    again = shared.open(settings(first, second, ipv6=False))
    shared.keep_only(again)
    assert [listener.socket for listener in again] == [listener.socket for listener in found]
    assert all(map(is_open, found))
    with pytest.raises(OSError, match="in use"):
        shared.open(settings(second, ipv6=False))


def test_sockets_of_the_program_are_adopted_once(shared: SharedSockets) -> None:
    with socket.create_server((LOOPBACK, 0)) as given:
        adjustments = Adjustments.from_keywords(sockets=[given])
        assert shared.open(adjustments) == shared.open(adjustments)


def test_a_child_keeps_the_listeners_of_its_generation(shared: SharedSockets) -> None:
    """Its copies are the same sockets; closing them removes no file."""
    one, two = shared.open(settings(f"{LOOPBACK}:0", "localhost:0"))[:2]
    [copy] = copy_listeners([one])
    assert (copy.socket, copy.port, copy.path) == (one.socket, one.port, one.path)
    shared.release([one])
    assert is_open(one)
    assert not is_open(two)


def test_permissions_follow_a_reload(shared: SharedSockets, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    shared.open(settings(f"unix:{path}", f"{LOOPBACK}:0", unix_socket_perms="600"))
    shared.adjust(settings(f"unix:{path}", unix_socket_perms="660"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    path.unlink()
    shared.adjust(settings(f"unix:{path}", unix_socket_perms="600"))  # it is gone: nothing happens


TLS = {"certfile": "x.pem"}


def test_an_address_that_redirects_from_now_on(shared: SharedSockets) -> None:
    """A reload that adds TLS lets the plain port redirect: the same socket, while older workers still serve with it."""
    with socket.create_server((LOOPBACK, 0)) as reserved:
        plain = f"{LOOPBACK}:{reserved.getsockname()[1]}"
    [before] = shared.open(settings(plain))
    secure, after = shared.open(settings(f"{LOOPBACK}:0", redirect_listen=plain, **TLS))
    assert (before.redirects, secure.redirects, after.redirects) == (False, False, True)
    assert after.socket is before.socket
    assert [one.redirects for one in copy_listeners([secure, after])] == [False, True]
    shared.keep_only([secure, after])
    assert is_open(before)
    shared.keep_only([secure])
    assert not is_open(before)


def test_two_ports_that_the_system_chooses(shared: SharedSockets) -> None:
    """Port 0 twice is two sockets, and each is kept."""
    wanted = settings(f"{LOOPBACK}:0", redirect_listen=f"{LOOPBACK}:0", **TLS)
    secure, plain = shared.open(wanted)
    assert secure.port != plain.port
    assert [one.port for one in shared.open(wanted)] == [secure.port, plain.port]
