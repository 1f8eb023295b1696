"""Which requests belong to one client."""

from types import SimpleNamespace
from typing import Any

import pytest

from wiverno.core.threads.client_of import client_of, network_of


def client(address: str, fd: int = 7) -> str:
    exchange: Any = SimpleNamespace(client=SimpleNamespace(fd=fd))
    return client_of(exchange, {"REMOTE_ADDR": address})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_one_client(one: str, other: str) -> None:
    """An address; in IPv6 its network of 64 bits; an IPv4 address in IPv6's form is that address."""
    assert client(one) == client(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("::1", "127.0.0.1"),
    ],
)
def test_two_clients(one: str, other: str) -> None:
    assert client(one) != client(other)


def test_each_connection_of_a_unix_peer_without_an_address_is_a_client() -> None:
    assert client("localhost", 7) == client("localhost", 7) != client("localhost", 8)


@pytest.mark.parametrize("text", ["not:an:address", ":", "::1\0"])
def test_text_that_is_no_address_is_a_client_of_its_own(text: str) -> None:
    assert network_of(text) == text
