"""Hosts that a server answers for: patterns, their mistakes, and what a Host field is compared with."""

import pytest

from wiverno.http.errors import ProtocolError
from wiverno.http.hosts import AllowedHosts, HostPattern, read_host_pattern, split_host

PATTERNS = [
    ("example.org", HostPattern("example.org")),
    ("EXAMPLE.org.", HostPattern("example.org")),
    ("example.org:8443", HostPattern("example.org", "8443")),
    ("*.example.org", HostPattern(".example.org")),
    ("*.example.org:443", HostPattern(".example.org", "443")),
    ("localhost", HostPattern("localhost")),
    ("192.0.2.1", HostPattern("192.0.2.1")),
    ("192.0.2.1:80", HostPattern("192.0.2.1", "80")),
    ("[2001:DB8:0:0::1]", HostPattern("2001:db8::1")),
    ("2001:db8::1", HostPattern("2001:db8::1")),
    ("[::1]:8443", HostPattern("::1", "8443")),
    ("[v1.a]", HostPattern("v1.a")),
    ("bücher.example", HostPattern("xn--bcher-kva.example")),
    ("bücher.example:81", HostPattern("xn--bcher-kva.example", "81")),
    ("my_shop", HostPattern("my_shop")),
    ("*", HostPattern("*")),
]


@pytest.mark.parametrize(("text", "pattern"), PATTERNS)
def test_patterns(text: str, pattern: HostPattern) -> None:
    """Each spelling of a host has one form, without the root's dot and brackets."""
    assert read_host_pattern(text) == pattern


MISTAKES = [
    ("", "is no host such as example.org"),
    (".", "is no host"),
    ("*.", "is no host"),
    ("www.*.org", '"www.*.org": * stands only in front, for every name below another one: *.example.org'),
    ("*example.org", "* stands only in front"),
    ("*.*.org", "* stands only in front"),
    ("example.*", "* stands only in front"),
    (".example.org", "begins with a dot: write *.example.org for the names below, and example.org for it"),
    ("https://example.org", '"https://example.org" is an address of a page: write only its host'),
    ("example.org/shop", "write only its host"),
    ("example.org:", "is no host"),
    ("example.org:99999", "is no host"),
    ("example.org:http", "is no host"),
    ("user@example.org", "is no host"),
    ("exam ple.org", "is no host"),
    ("[::1", "is no host"),
    ("1::2::3", "is no host"),
    (":80", "is no host"),
    ("ü" * 70 + ".example\x00", "is no host"),
]


@pytest.mark.parametrize(("text", "reason"), MISTAKES)
def test_mistakes(text: str, reason: str) -> None:
    """What no request could name is refused with a reason."""
    with pytest.raises(ValueError) as caught:
        read_host_pattern(text)
    assert reason in str(caught.value)


HOSTS = AllowedHosts(
    [
        "example.org",
        "*.example.org",
        "other.example:8443",
        "secure.example:443",
        "192.0.2.1",
        "[2001:db8::1]:81",
        "*.p:1",
    ]
)


@pytest.mark.parametrize(
    "authority",
    [
        "example.org", "EXAMPLE.ORG", "example.org.", "example.org:80", "example.org:65535", "www.example.org",
        "a.b.example.org:8000", "other.example:8443", "other.example:08443", "192.0.2.1", "192.0.2.1:8000",
        "[2001:DB8::0:1]:81", "x.p:1",
    ],
)  # fmt: skip
def test_allowed(authority: str) -> None:
    """A name is allowed in any case, with the root's dot, and with any port unless the pattern names one."""
    assert HOSTS.allows(authority)
    HOSTS.check(authority, "http")


@pytest.mark.parametrize(
    "authority",
    [
        "evil.example", "example.org.evil.example", "evilexample.org", ".example.org", "other.example",
        "other.example:80", "192.0.2.11", "[2001:db8::1]", "[2001:db8::2]:81", "x.p", "x.p:11", "p:1", "%65xample.org",
        "xn--.example",
    ],
)  # fmt: skip
def test_refused(authority: str) -> None:
    """Everything else is another host: 421."""
    assert not HOSTS.allows(authority)
    with pytest.raises(ProtocolError) as caught:
        HOSTS.check(authority, "http")
    assert caught.value.status == 421
    assert authority not in caught.value.message


@pytest.mark.parametrize("missing", [None, ""])
def test_no_host(missing: str | None) -> None:
    """A request that names no host is refused with 400."""
    with pytest.raises(ProtocolError) as caught:
        HOSTS.check(missing, "http")
    assert (caught.value.status, caught.value.message) == (400, "the request names no host")


def test_default_port() -> None:
    """A Host without a port names the port of its scheme."""
    assert HOSTS.allows("secure.example", "https")
    assert HOSTS.allows("secure.example:443", "http")
    assert not HOSTS.allows("secure.example", "http")
    assert not HOSTS.allows("secure.example", "ftp")


def test_every_host() -> None:
    """`*` allows what any other pattern would not; a request still has to name a host."""
    every = AllowedHosts(["*"])
    assert every.allows("anything.example:1")
    with pytest.raises(ProtocolError):
        every.check(None, "http")


def test_text_that_is_no_authority_has_no_host() -> None:
    """A text that is no Host field names nothing."""
    assert split_host("a b") == ("", "")
    assert not HOSTS.allows("a b")
