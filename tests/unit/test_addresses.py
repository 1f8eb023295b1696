"""Hosts and ports as text: brackets, ports, and whose address it is."""

from __future__ import annotations

import pytest

from wiverno.addresses import bracket_host, is_ip_address, is_loopback, is_rebind_proof, join_host_port, strip_port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    """Loopback addresses and localhost are reached by this machine only."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "10.0.0.5", "example.org", "localhost.example.org"])
def test_reachable_from_elsewhere(host: str) -> None:
    """Every address, an interface's address and names may be reached by other machines."""
    assert not is_loopback(host)


def test_ip_addresses() -> None:
    """Numbers are addresses only in the usual spelling."""
    assert is_ip_address("10.0.0.1")
    assert is_ip_address("fe80::1")
    assert not any(map(is_ip_address, ("256.0.0.1", "0x7f.1", "[::1]", "12345", "")))


@pytest.mark.parametrize("host", ["localhost", "shop.localhost", "10.0.0.1", "::1"])
def test_rebind_proof_hosts(host: str) -> None:
    """A DNS server cannot point an address or localhost elsewhere."""
    assert is_rebind_proof(host)


@pytest.mark.parametrize("host", ["", "evil.example", "evillocalhost", "127.0.0.1.evil.example", "12345"])
def test_names_that_dns_decides_about(host: str) -> None:
    """Any other name may mean this machine for the browser of one who visits a foreign page."""
    assert not is_rebind_proof(host)


def test_host_and_port_as_text() -> None:
    """An IPv6 address stands in brackets, any other host as it is."""
    assert join_host_port("::1", 80) == "[::1]:80"
    assert join_host_port("example.org", 80) == "example.org:80"
    assert bracket_host("*") == "*"


@pytest.mark.parametrize(
    ("field", "host"),
    [("[::1]:80", "::1"), ("[::1]", "::1"), ("LOCALHOST.", "localhost"), ("a.test:1", "a.test"), ("::1", ""), ("", "")],
)
def test_host_without_port(field: str, host: str) -> None:
    """A Host field's host is compared in lower case, without port, brackets and dot."""
    assert strip_port(field) == host
