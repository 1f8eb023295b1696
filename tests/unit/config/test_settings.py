"""Adjustments: defaults, readings, conflicts — waitress's rules where waitress has some."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from ipaddress import ip_network
from typing import Any

import pytest
import waitress.adjustments

from wiverno.config.errors import ConfigError
from wiverno.config.fields.units import FdAddress, TcpAddress, UnixAddress
from wiverno.config.settings import SETTINGS, Adjustments

# Where wiverno's default is deliberately another than waitress's.
OTHER_DEFAULTS = {"ident": "wiverno", "server_name": "wiverno.invalid", "listen": (), "unix_socket": None}


def problems_of(**values: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Adjustments.from_keywords(**values)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_defaults_of_a_threaded_server() -> None:
    """Without keywords the settings are the documents' defaults for threads."""
    made = Adjustments.from_keywords()
    assert (made.host, made.port, made.threads, made.backlog) == ("0.0.0.0", 8080, 4, 1024)
    assert made.addresses == (TcpAddress("0.0.0.0", 8080),)


def test_defaults_of_a_simple_server() -> None:
    """Mode simple has RunServer's defaults."""
    made = Adjustments.from_keywords(mode="simple")
    assert (made.host, made.port, made.backlog, made.request_queue_size) == ("localhost", 8000, 5, 5)


def waitress_names() -> list[str]:
    return [name for name, _ in waitress.adjustments.Adjustments._params]


@pytest.mark.parametrize("name", waitress_names())
def test_every_setting_of_waitress_has_its_name_and_default(name: str) -> None:
    made = Adjustments()
    theirs = waitress.adjustments.Adjustments()
    assert name in SETTINGS
    expected = OTHER_DEFAULTS.get(name, getattr(theirs, name))
    ours = getattr(made, name)
    assert ours == (tuple(expected) if isinstance(expected, list) else expected)


@pytest.mark.parametrize("name", waitress_names())
def test_waitress_reads_the_default_as_text_alike(name: str) -> None:
    """A default written as INI text gives the default again, here as there."""
    entry = SETTINGS[name]
    if entry.code_only:
        assert entry.type.read("") == ()
    else:
        assert entry.type.read(entry.type.text(entry.default)) == entry.default


def test_all_mistakes_are_reported_at_once() -> None:
    """A ConfigError names every setting that is wrong, and is a ValueError."""
    with pytest.raises(ValueError, match="prot") as caught:
        Adjustments.from_keywords(prot=1, port="x", threads=True)
    assert isinstance(caught.value, ConfigError)
    assert [problem.key for problem in caught.value.problems] == ["port", "prot", "threads"]
    assert 'did you mean "port"?' in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"listen": "127.0.0.1:1", "host": "127.0.0.1"}, {"listen": "127.0.0.1:1", "port": 1},
        {"listen": "127.0.0.1:1", "sockets": []}, {"sockets": [], "host": "127.0.0.1"}, {"sockets": [], "port": 1},
        {"sockets": [], "unix_socket": "/x"}, {"unix_socket": "/x", "host": "127.0.0.1"},
        {"unix_socket": "/x", "port": 1}, {"unix_socket": "/x", "listen": "127.0.0.1:1"}, {"nonsense": 1},
        {"trusted_proxy_count": 2}, {"trusted_proxy_headers": "forwarded"},
        {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-nonsense"},
        {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "forwarded x-forwarded-for"},
        {"listen": "127.0.0.1:foo.bar"}, {"host": "a b"}, {"port": "x"}, {"unix_socket_perms": "999"},
    ],
    ids=str,
)  # fmt: skip
def test_what_waitress_refuses_is_refused(values: dict[str, Any]) -> None:
    """Every ValueError situation of waitress is one here."""
    with pytest.raises(ValueError):
        waitress.adjustments.Adjustments(**values)
    with pytest.raises(ConfigError):
        Adjustments.from_keywords(**values)


def test_a_conflict_names_both_sides() -> None:
    assert problems_of(host="127.0.0.1", port=1, unix_socket="/x") == [
        "unix_socket: may not be set if host and port are set"
    ]
    assert problems_of(listen="127.0.0.1:1", port=1) == ["listen: may not be set if port is set"]


@pytest.mark.parametrize(
    "values",
    [
        {"ipv4": "maybe"}, {"sockets": ["no socket"]}, {"port": 99999}, {"threads": 0}, {"threads": "-3"},
        {"backlog": 0}, {"ident": "a\r\nb: c"}, {"ipv4": False, "ipv6": False}, {"port": True}, {"threads": 4.5},
        {"unix_socket_perms": 660}, {"unix_socket_perms": 400}, {"max_request_body_size": True},
        {"channel_timeout": float("nan")}, {"channel_timeout": 1e12}, {"max_request_body_size": 2**63},
        {"backlog": 5, "request_queue_size": 6}, {"trusted_proxies": ["10.0.0.0/8"]}, {"listen": 5}, {"listen": [5]},
    ],
    ids=str,
)  # fmt: skip
def test_what_waitress_swallows_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Adjustments.from_keywords(**values)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("port", "80", 80), ("ipv4", "no", False), ("channel_timeout", 60, 60.0), ("channel_timeout", "1m30s", 90.0),
        ("max_request_body_size", "10MiB", 10485760), ("unix_socket_perms", "660", 0o660),
        ("unix_socket_perms", 0o660, 0o660), ("ident", None, ""), ("ident", "", ""), ("ident", " x ", "x"),
        ("url_prefix", "x/", "/x"), ("url_prefix", "//x", "/x"), ("url_prefix", "/", ""), ("mode", "SIMPLE", "simple"),
        ("request_queue_size", 7, 7), ("host", "*", "*"), ("host", "[::1]", "::1"), ("url_scheme", "https", "https"),
        ("unix_socket", "", None), ("port", None, 8080),
    ],
)  # fmt: skip
def test_values_are_normalised(name: str, given: object, value: object) -> None:
    assert getattr(Adjustments.from_keywords(**{name: given}), name) == value


def test_lists_come_from_text_and_from_native_values() -> None:
    text = "127.0.0.1:1, [::1]:2\n *:3\tlocalhost unix:/x fd:web 127.0.0.1:1"
    made = Adjustments.from_keywords(listen=text)
    assert made.addresses == (
        TcpAddress("127.0.0.1", 1), TcpAddress("::1", 2), TcpAddress("", 3), TcpAddress("localhost", 8080),
        UnixAddress("/x"), FdAddress("web"),
    )  # fmt: skip
    assert Adjustments.from_keywords(listen=list(made.listen)) == made


def test_trusted_networks() -> None:
    made = Adjustments.from_keywords(trusted_proxies="10.0.0.0/8 ::1", trusted_proxy_headers={"X-Forwarded-For"})
    assert made.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert made.trusted_proxy_headers == {"x-forwarded-for"}


def test_a_unix_socket_is_an_address() -> None:
    assert Adjustments.from_keywords(unix_socket="/x").addresses == (UnixAddress("/x"),)


@pytest.fixture
def bound() -> Iterator[list[socket.socket]]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_STREAM), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)]
    made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    yield made
    for one in made:
        one.close()


def test_sockets_pass_untouched(bound: list[socket.socket]) -> None:
    made = Adjustments.from_keywords(sockets=bound[:1])
    assert made.sockets == (bound[0],)
    assert made.addresses == ()


def test_sockets_of_the_wrong_kind_are_refused(bound: list[socket.socket]) -> None:
    assert problems_of(sockets=bound[:2]) == ["sockets: Internet and UNIX sockets may not be mixed"]
    assert problems_of(sockets=bound[2:]) == ["sockets: only Internet or UNIX stream sockets may be used"]
    assert problems_of(sockets=[1]) == ["sockets: expected sockets, not int"]
    assert problems_of(sockets="x")[0].startswith("sockets: expected socket objects")


def test_settings_that_do_nothing_warn_once() -> None:
    with pytest.warns(DeprecationWarning, match="send_bytes, asyncore_use_poll do nothing") as caught:
        Adjustments.from_keywords(send_bytes=1, asyncore_use_poll="true")
    assert len(caught) == 1


def test_a_proxy_without_headers_is_trusted_for_the_scheme_as_in_waitress() -> None:
    with pytest.warns(DeprecationWarning, match="x-forwarded-proto is trusted"):
        made = Adjustments.from_keywords(trusted_proxy="127.0.0.1")
    assert made.trusted_proxy_headers == {"x-forwarded-proto"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Adjustments.from_keywords(trusted_proxy="127.0.0.1", proxy_protocol=True).trusted_proxy_headers == set()


def test_settings_are_frozen() -> None:
    made = Adjustments()
    with pytest.raises(FrozenInstanceError, match="cannot assign to 'port'"):
        made.port = 1
    with pytest.raises(FrozenInstanceError, match="cannot delete 'port'"):
        del made.port
    assert hash(made) == hash(Adjustments())


def test_a_message_without_files_stands_alone() -> None:
    """What `serve(app, port="x")` raises is one readable line."""
    with pytest.raises(ConfigError) as caught:
        Adjustments.from_keywords(port="x")
    assert str(caught.value) == "error: port: expected a whole number (got 'x')"
    assert caught.value.problems[0].origin.kind == "keyword"


def test_allowed_hosts() -> None:
    """Hosts are kept as written; what no request could name is refused."""
    words = "example.org *.example.org, 192.0.2.1:8000 [2001:db8::1]"
    assert Adjustments.from_keywords(allowed_hosts=words).allowed_hosts == (
        "example.org", "*.example.org", "192.0.2.1:8000", "[2001:db8::1]",
    )  # fmt: skip
    assert problems_of(allowed_hosts=["www.*.org"]) == [
        'allowed_hosts: "www.*.org": * stands only in front, for every name below another one: *.example.org'
    ]
    assert problems_of(allowed_hosts="https://example.org") == [
        'allowed_hosts: "https://example.org" is an address of a page: write only its host'
    ]
