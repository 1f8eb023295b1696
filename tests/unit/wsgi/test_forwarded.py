"""Proxy fields: those of trusted peers are believed, those of others are removed, malformed ones are a 400."""

import logging
from ipaddress import ip_network
from typing import Any

import pytest

from wiverno.http.errors import ProtocolError
from wiverno.wsgi.proxy_fields import PROXY_KEYS
from wiverno.wsgi.proxy_policy import ProxyPolicy

X_FORWARDED = frozenset(
    {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-by"}
)
FORWARDED = frozenset({"forwarded"})


def environ(**headers: str) -> dict[str, object]:
    base: dict[str, object] = {
        "REMOTE_ADDR": "192.0.2.254",
        "REMOTE_HOST": "192.0.2.254",
        "REMOTE_PORT": "39830",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "HTTP_HOST": "localhost:8080",
        "wsgi.url_scheme": "http",
    }
    base.update(headers)
    return base


def apply(headers: frozenset[str], count: int = 1, trusted: bool = True, **fields: str) -> dict[str, object]:
    seen = environ(**fields)
    ProxyPolicy("*", trusted_proxy_count=count, trusted_proxy_headers=headers).apply(seen, trusted)
    return seen


def changed(seen: dict[str, object]) -> dict[str, object]:
    """What differs from the bare environ, without the proxy fields themselves."""
    base = environ()
    return {key: value for key, value in seen.items() if base.get(key) != value and key not in PROXY_KEYS}


def remote(address: str, port: str | None = None) -> dict[str, object]:
    said: dict[str, object] = {"REMOTE_ADDR": address, "REMOTE_HOST": address}
    if port is not None:
        said["REMOTE_PORT"] = port
    return said


def test_without_proxy_fields_nothing_changes() -> None:
    """A request without proxy fields is left exactly as it was, whichever peer sent it."""
    for trusted in (True, False):
        assert apply(X_FORWARDED, trusted=trusted) == environ()


@pytest.mark.parametrize(
    ("policy", "peer", "expected"),
    [
        (ProxyPolicy(), "127.0.0.1", False),
        (ProxyPolicy("*"), "203.0.113.9", True),
        (ProxyPolicy("*"), "localhost", True),
        (ProxyPolicy("10.0.0.1"), "10.0.0.1", True),
        (ProxyPolicy("10.0.0.1"), "10.0.0.11", False),
        (ProxyPolicy("localhost"), "localhost", True),
        (ProxyPolicy("localhost"), "127.0.0.1", False),
        (ProxyPolicy(trusted_proxies=(ip_network("10.0.0.0/8"),)), "10.255.0.1", True),
        (ProxyPolicy(trusted_proxies=(ip_network("10.0.0.0/8"),)), "11.0.0.1", False),
        (ProxyPolicy(trusted_proxies=(ip_network("10.0.0.0/8"),)), "::ffff:10.0.0.1", True),
        (ProxyPolicy(trusted_proxies=(ip_network("10.0.0.0/8"),)), "localhost", False),
        (ProxyPolicy(trusted_proxies=(ip_network("::ffff:0:0/96"),)), "::ffff:10.0.0.1", True),
        (ProxyPolicy(trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("fe80::/10"))), "fe80::1%eth0", True),
        (ProxyPolicy("10.0.0.1", (ip_network("192.168.0.0/16"),)), "192.168.7.7", True),
    ],
)
def test_trust(policy: ProxyPolicy, peer: str, expected: bool) -> None:
    """A peer is trusted by its exact address, by a network it lies in, or by "*"."""
    assert policy.trusts(peer) is expected


@pytest.mark.parametrize(
    ("value", "count", "expected", "kept"),
    [
        ("192.0.2.1", 1, remote("192.0.2.1"), "192.0.2.1"),
        ("192.0.2.1:4711", 1, remote("192.0.2.1", "4711"), "192.0.2.1:4711"),
        ("2001:db8::0", 1, remote("2001:db8::0"), "2001:db8::0"),
        ("[2001:db8::1]", 1, remote("2001:db8::1"), "[2001:db8::1]"),
        ("[2001:db8::1]:99", 1, remote("2001:db8::1", "99"), "[2001:db8::1]:99"),
        ("::ffff:192.0.2.1", 1, remote("::ffff:192.0.2.1"), "::ffff:192.0.2.1"),
        ("fe80::1%eth0", 1, remote("fe80::1%eth0"), "fe80::1%eth0"),
        ('"192.0.2.1"', 1, remote("192.0.2.1"), '"192.0.2.1"'),
        ('"[2001:db8::1]:99"', 1, remote("2001:db8::1", "99"), '"[2001:db8::1]:99"'),
        # Names are no addresses: REMOTE_ADDR stays the proxy's.
        ("unknown", 1, {}, "unknown"),
        ("_hidden", 1, {}, "_hidden"),
        ("_hidden:4711", 1, {}, "_hidden:4711"),
        ("client.example", 1, {}, "client.example"),
        ("192.0.2.1, unknown", 1, {}, "unknown"),
        ("unknown, 192.0.2.1", 2, {}, "unknown, 192.0.2.1"),
        ("unknown, 192.0.2.1", 1, remote("192.0.2.1"), "192.0.2.1"),
        # Nor is what only looks like one.
        ("999.0.2.1", 1, {}, "999.0.2.1"),
        ("192.0.2.256", 1, {}, "192.0.2.256"),
        ("010.0.2.1", 1, {}, "010.0.2.1"),
        ("192.0.2", 1, {}, "192.0.2"),
        ("3221225985", 1, {}, "3221225985"),
        ("192.0.2.1.example", 1, {}, "192.0.2.1.example"),
        ("255.255.255.255", 1, remote("255.255.255.255"), "255.255.255.255"),
        ("192.0.2.1, 198.51.100.2, 203.0.113.1", 1, remote("203.0.113.1"), "203.0.113.1"),
        ("192.0.2.1, 198.51.100.2, 203.0.113.1", 2, remote("198.51.100.2"), "198.51.100.2, 203.0.113.1"),
        # More trusted hops than entries: the leftmost there is.
        ("192.0.2.1, 198.51.100.2", 9, remote("192.0.2.1"), "192.0.2.1, 198.51.100.2"),
        # Empty members are no entries, and commas sent by the client can't push the count aside.
        ("192.0.2.1, , 198.51.100.2,,", 1, remote("198.51.100.2"), "198.51.100.2"),
        (",,203.0.113.7", 2, remote("203.0.113.7"), "203.0.113.7"),
        ("", 1, {}, ""),
        (" , ", 1, {}, ""),
        # Whatever the client wrote in front of the trusted tail does not matter.
        ("not an address at all, 203.0.113.1", 1, remote("203.0.113.1"), "203.0.113.1"),
    ],
)
def test_x_forwarded_for(value: str, count: int, expected: dict[str, object], kept: str) -> None:
    """The leftmost of the last `count` entries is the client; the field keeps that tail."""
    seen = apply(X_FORWARDED, count, HTTP_X_FORWARDED_FOR=value)
    assert changed(seen) == expected
    assert seen["HTTP_X_FORWARDED_FOR"] == kept


@pytest.mark.parametrize(
    ("fields", "count", "expected"),
    [
        ({"HOST": "example.com"}, 1, {"SERVER_NAME": "example.com", "HTTP_HOST": "example.com"}),
        (
            {"HOST": "example.com:8443"},
            1,
            {"SERVER_NAME": "example.com", "HTTP_HOST": "example.com:8443", "SERVER_PORT": "8443"},
        ),
        (
            {"HOST": "[2001:db8::1]:81"},
            1,
            {"SERVER_NAME": "[2001:db8::1]", "HTTP_HOST": "[2001:db8::1]:81", "SERVER_PORT": "81"},
        ),
        ({"HOST": "[2001:db8::1]"}, 1, {"SERVER_NAME": "[2001:db8::1]", "HTTP_HOST": "[2001:db8::1]"}),
        ({"HOST": "a.example, b.example"}, 1, {"SERVER_NAME": "b.example", "HTTP_HOST": "b.example"}),
        ({"HOST": "a.example, b.example"}, 2, {"SERVER_NAME": "a.example", "HTTP_HOST": "a.example"}),
        ({"PROTO": "https"}, 1, {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}),
        ({"PROTO": "HTTPS"}, 1, {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}),
        ({"PROTO": '"https"'}, 1, {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}),
        ({"PROTO": "http"}, 1, {"SERVER_PORT": "80"}),
        ({"PROTO": ""}, 1, {}),
        ({"PORT": "8081"}, 1, {"SERVER_PORT": "8081"}),
        (
            {"HOST": "example.com", "PROTO": "https"},
            1,
            {
                "wsgi.url_scheme": "https",
                "SERVER_NAME": "example.com",
                "HTTP_HOST": "example.com",
                "SERVER_PORT": "443",
            },
        ),
        (
            {"HOST": "example.com", "PORT": "8081"},
            1,
            {"SERVER_NAME": "example.com", "HTTP_HOST": "example.com:8081", "SERVER_PORT": "8081"},
        ),
        (  # the port in the host is the one the client used
            {"HOST": "example.com:9", "PORT": "8081"},
            1,
            {"SERVER_NAME": "example.com", "HTTP_HOST": "example.com:9", "SERVER_PORT": "9"},
        ),
        (
            {"HOST": "example.com", "PORT": "80", "PROTO": "https"},
            1,
            {
                "wsgi.url_scheme": "https",
                "SERVER_NAME": "example.com",
                "HTTP_HOST": "example.com:80",
                "SERVER_PORT": "80",
            },
        ),
        (
            {"HOST": "example.com", "PORT": "443", "PROTO": "http"},
            1,
            {"SERVER_NAME": "example.com", "HTTP_HOST": "example.com:443", "SERVER_PORT": "443"},
        ),
        ({"BY": "proxy-b"}, 1, {}),
    ],
)
def test_x_forwarded_host_proto_port(fields: dict[str, str], count: int, expected: dict[str, object]) -> None:
    """Host, scheme and port of the address line that the client used end up in the environ."""
    sent: dict[str, Any] = {f"HTTP_X_FORWARDED_{name}": value for name, value in fields.items()}
    seen = apply(X_FORWARDED, count, **sent)
    assert changed(seen) == expected
    if "BY" in fields:
        assert seen["HTTP_X_FORWARDED_BY"] == "proxy-b"


EXAMPLE = {"SERVER_NAME": "example.com", "HTTP_HOST": "example.com:8443", "SERVER_PORT": "8443"}


@pytest.mark.parametrize(
    ("value", "count", "expected", "kept"),
    [
        ("for=192.0.2.60", 1, remote("192.0.2.60"), None),
        ("For=192.0.2.60:5858;PROTO=HTTP;by=_x", 1, {**remote("192.0.2.60", "5858"), "SERVER_PORT": "80"}, None),
        (
            "for=192.0.2.60;;proto=https",
            1,
            {**remote("192.0.2.60"), "wsgi.url_scheme": "https", "SERVER_PORT": "443"},
            None,
        ),
        ('for="[2001:db8:cafe::17]:4711"', 1, remote("2001:db8:cafe::17", "4711"), None),
        ('for="[2001:db8:cafe::17]:_port-1"', 1, remote("2001:db8:cafe::17"), None),
        ("for=[2001:db8::1]", 1, remote("2001:db8::1"), None),
        ("for=unknown", 1, {}, None),
        ("for=unknown;proto=https", 1, {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}, None),
        ("for=Unknown", 1, {}, None),
        ("for=_gazonk", 1, {}, None),
        ('for="_gazonk:8080"', 1, {}, None),
        ('for="_gazonk:_8080"', 1, {}, None),
        ('for="_ga\\zonk"', 1, {}, None),
        ("for=client.example", 1, {}, None),
        ("for=192.0.2.1, for=_hidden", 1, {}, "for=_hidden"),
        ("for=unknown, for=192.0.2.1", 2, {}, None),
        ("for=unknown, for=192.0.2.1", 1, remote("192.0.2.1"), "for=192.0.2.1"),
        ("host=Example.COM:8443", 1, EXAMPLE, None),
        ('host="example.com:8443"', 1, EXAMPLE, None),
        ('for=""', 1, {}, None),
        (
            'for="[2001:db8::1]:3821";host="example.com:8443";proto="https", for=192.0.2.1;host="b.internal:8080"',
            2,
            {**EXAMPLE, **remote("2001:db8::1", "3821"), "wsgi.url_scheme": "https"},
            None,
        ),
        (  # the oldest trusted hop that says a thing is the one believed about it
            'for="[2001:db8::1]";proto="https", for=192.0.2.1;host="example.org"',
            2,
            {
                **remote("2001:db8::1"),
                "wsgi.url_scheme": "https",
                "SERVER_NAME": "example.org",
                "HTTP_HOST": "example.org",
                "SERVER_PORT": "443",
            },
            None,
        ),
        (
            "For=192.0.2.1;host=fake.com, For=198.51.100.2;host=example.com:8443, For=203.0.113.1",
            2,
            {**EXAMPLE, **remote("198.51.100.2")},
            "For=198.51.100.2;host=example.com:8443, For=203.0.113.1",
        ),
        ("for=192.0.2.1, , for=198.51.100.2,", 1, remote("198.51.100.2"), "for=198.51.100.2,"),
        # A comma and a semicolon inside a quoted string separate nothing.
        ('for=192.0.2.9;by="a,b;c=d"', 1, remote("192.0.2.9"), None),
        ("", 1, {}, ""),
        (" ,\t, ", 1, {}, ""),
        ("for=192.0.2.1\t ,\tfor=192.0.2.2 ", 1, remote("192.0.2.2"), "for=192.0.2.2"),
    ],
)
def test_forwarded(value: str, count: int, expected: dict[str, object], kept: str | None) -> None:
    """RFC 7239's field is read in full, and keeps its trusted tail."""
    seen = apply(FORWARDED, count, HTTP_FORWARDED=value)
    assert changed(seen) == expected
    assert seen["HTTP_FORWARDED"] == (value if kept is None else kept)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("HTTP_X_FORWARDED_FOR", '"foo', "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", 'x"', "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", '"', "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", '"unbalanced, 192.0.2.1', "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "192.0.2.1 192.0.2.2", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "192.0.2.1:port", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "192.0.2.1:65536", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "<script>", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "[::1", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "[1:2]", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "1:2:3:4:5:6:7:8:9", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "[192.0.2.1]", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "[]", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_FOR", "192.0.2.1:", "X-Forwarded-For"),
        ("HTTP_X_FORWARDED_HOST", '"foo', "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_HOST", "a b", "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_HOST", "a/b", "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_HOST", "user@host", "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_HOST", "a:99999", "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_HOST", "[::::]", "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_HOST", "a%zz", "X-Forwarded-Host"),
        ("HTTP_X_FORWARDED_PROTO", "javascript", "X-Forwarded-Proto"),
        ("HTTP_X_FORWARDED_PROTO", "http://p02n3e.com?url=http", "X-Forwarded-Proto"),
        ("HTTP_X_FORWARDED_PROTO", "http, https", "X-Forwarded-Proto"),
        ("HTTP_X_FORWARDED_PROTO", "https,https", "X-Forwarded-Proto"),
        ("HTTP_X_FORWARDED_PORT", "443, 80", "X-Forwarded-Port"),
        ("HTTP_X_FORWARDED_PORT", "-1", "X-Forwarded-Port"),
        ("HTTP_X_FORWARDED_PORT", "\u0664", "X-Forwarded-Port"),
        ("HTTP_X_FORWARDED_PORT", "65536", "X-Forwarded-Port"),
        ("HTTP_X_FORWARDED_PORT", "9" * 5000, "X-Forwarded-Port"),
        ("HTTP_FORWARDED", "for", "Forwarded"),
        ("HTTP_FORWARDED", "for=", "Forwarded"),
        ("HTTP_FORWARDED", "=192.0.2.1", "Forwarded"),
        ("HTTP_FORWARDED", 'for="192.0.2.1', "Forwarded"),
        ("HTTP_FORWARDED", 'for="192.0.2.1"x', "Forwarded"),
        ("HTTP_FORWARDED", 'for=192.0.2.1"', "Forwarded"),
        ("HTTP_FORWARDED", "for=192.0.2.1; proto =https", "Forwarded"),
        ("HTTP_FORWARDED", "for=192.0.2.1 ;proto=https", "Forwarded"),
        ("HTTP_FORWARDED", 'For= "198.51.100.2"', "Forwarded"),
        ("HTTP_FORWARDED", "for=192.0.2.1;for=192.0.2.2", "Forwarded"),
        ("HTTP_FORWARDED", "for=a:b:c", "Forwarded"),
        ("HTTP_FORWARDED", 'for="[::1::2]"', "Forwarded"),
        ("HTTP_FORWARDED", 'for="2001:db8::1"', "Forwarded"),
        ("HTTP_FORWARDED", "host=a/b", "Forwarded"),
        ("HTTP_FORWARDED", "proto=javascript", "Forwarded Proto="),
    ],
)
def test_malformed(key: str, value: str, named: str, caplog: pytest.LogCaptureFixture) -> None:
    """A malformed trusted field is a 400 that names it, a warning that tells why, and an untouched environ."""
    names = FORWARDED if key == "HTTP_FORWARDED" else X_FORWARDED
    seen = environ(**{key: value})
    with pytest.raises(ProtocolError) as raised:
        ProxyPolicy("*", trusted_proxy_headers=names).apply(seen, True)
    assert (raised.value.status, raised.value.message) == (400, f'Header "{named}" malformed.')
    assert seen == environ(**{key: value})
    (record,) = caplog.records
    assert record.name == "wiverno"
    assert record.getMessage().startswith(f'Malformed proxy header "{named}" from "192.0.2.254": ')


def test_malformed_value_is_logged_escaped_and_cut(caplog: pytest.LogCaptureFixture) -> None:
    """A forged value can neither steer a terminal nor fill the log."""
    with pytest.raises(ProtocolError):
        apply(X_FORWARDED, HTTP_X_FORWARDED_FOR="\x9b31m" + "x " * 1000)
    message = caplog.records[0].getMessage()
    assert message.isascii()
    assert message.endswith("value: \\x9b31m" + "x " * 98)


@pytest.mark.parametrize(("proto", "ssl"), [("http", "on"), ("https", "off"), ("https", "0"), ("http", "1")])
def test_conflicting_scheme_fields(proto: str, ssl: str) -> None:
    """X-Forwarded-Ssl that contradicts a trusted X-Forwarded-Proto is a 400."""
    with pytest.raises(ProtocolError, match="X-Forwarded-Proto"):
        apply(X_FORWARDED, HTTP_X_FORWARDED_PROTO=proto, HTTP_X_FORWARDED_SSL=ssl)


def test_agreeing_scheme_fields() -> None:
    """X-Forwarded-Ssl that agrees is no error."""
    seen = apply(X_FORWARDED, HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_SSL="on")
    assert seen["wsgi.url_scheme"] == "https"


def every_field() -> dict[str, Any]:
    return {
        "HTTP_X_FORWARDED_FOR": "198.51.100.2",
        "HTTP_X_FORWARDED_HOST": "example.org",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_PORT": "1",
        "HTTP_X_FORWARDED_BY": "proxy-b",
        "HTTP_FORWARDED": "for=198.51.100.2",
    }


@pytest.mark.parametrize("names", [X_FORWARDED, FORWARDED, frozenset[str]()])
def test_untrusted_peer_says_nothing(names: frozenset[str]) -> None:
    """From a peer that is not trusted every proxy field disappears and nothing is believed, malformed or not."""
    assert apply(names, trusted=False, **every_field()) == environ()
    assert apply(names, trusted=False, HTTP_X_FORWARDED_PROTO="javascript", HTTP_FORWARDED='"') == environ()


def test_fields_outside_the_trusted_set_disappear() -> None:
    """A trusted peer is believed only about the fields that were named."""
    seen = apply(frozenset({"x-forwarded-by"}), **every_field())
    assert seen == environ(HTTP_X_FORWARDED_BY="proxy-b")
    seen = apply(FORWARDED, **every_field())
    assert seen == {**environ(HTTP_FORWARDED="for=198.51.100.2"), **remote("198.51.100.2")}
    assert apply(frozenset(), **every_field()) == environ()


@pytest.mark.parametrize("trusted", [True, False])
def test_untrusted_fields_stay_on_request(trusted: bool) -> None:
    """clear_untrusted=False leaves unbelieved fields for the application to look at."""
    seen = environ(**every_field())
    ProxyPolicy("*", trusted_proxy_headers=frozenset({"x-forwarded-by"}), clear_untrusted=False).apply(seen, trusted)
    assert seen == environ(**every_field())


def test_removal_is_logged_on_request(caplog: pytest.LogCaptureFixture) -> None:
    """log_untrusted=True warns once a request with the names of the removed fields; the default is silent."""
    ProxyPolicy().apply(environ(**every_field()), False)
    assert not caplog.records
    fields: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": "192.0.2.1", "HTTP_FORWARDED": "for=192.0.2.1"}
    ProxyPolicy(log_untrusted=True).apply(environ(**fields), False)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("wiverno", logging.WARNING)
    assert record.getMessage() == (
        "Removed untrusted headers (X-Forwarded-For, Forwarded). Wiverno recommends these be removed upstream."
    )


def test_unknown_forwarded_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An extension parameter of Forwarded is let through with a warning (RFC 7239 section 5.5)."""
    seen = apply(FORWARDED, HTTP_FORWARDED='For=198.51.100.2;unknown="yolo"')
    assert changed(seen) == remote("198.51.100.2")
    assert [record.getMessage() for record in caplog.records] == ["Unknown Forwarded token: unknown"]
