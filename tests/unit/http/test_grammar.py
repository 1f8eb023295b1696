"""The grammar's patterns: what each RFC rule lets in, what it keeps out."""

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiverno.http import grammar

TCHARS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("code", range(256))
def test_every_byte(code: int) -> None:
    """Each rule says of each of the 256 bytes what its RFC says."""
    byte = chr(code)
    assert bool(grammar.is_token(byte)) == (byte in TCHARS)
    assert bool(grammar.is_method(byte)) == (byte in TCHARS and not byte.islower())
    assert bool(grammar.is_field_value(byte)) == (byte == "\t" or 0x20 <= code <= 0x7E or code >= 0x80)
    assert bool(grammar.is_target(byte)) == (0x21 <= code <= 0x7E or code >= 0x80)
    assert bool(grammar.is_digits(byte)) == (byte in "0123456789")


@pytest.mark.parametrize("text", ["", "\n", "a\n", "٣", "３", "\ud800"])
def test_nothing_sneaks_past_the_end(text: str) -> None:
    """Empty texts, a final line feed and digits of other scripts are no token, method, digits or version."""
    for rule in (grammar.is_token, grammar.is_method, grammar.is_digits, grammar.is_version, grammar.is_target):
        if text and rule is grammar.is_target and "\n" not in text:
            continue
        assert not rule(text)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", True),
        ("200", True),
        ("200 ", True),
        ("599 \xe4\t!", True),
        ("99 x", False),
        ("1000 x", False),
        ("100 Continue", False),
        ("200OK", False),
        ("200 a\r\nX: y", False),
        ("200 a\x00", False),
        ("200 \u0394", False),
        (" 200 OK", False),
        ("", False),
    ],
)
def test_status(status: str, expected: bool) -> None:
    """A final status code with a reason that holds no control byte."""
    assert bool(grammar.is_status(status)) is expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "A.b-c_d~e", "a:", "a:0", "a:65535", "a%20b", "%c3%a4", "\xc3\xa4.example", "192.0.2.1:80", "a,b;c=d",
     "[::]", "[::1]:80", "[2001:db8::192.0.2.1]", "[v1.fe80::a+en1]"],
)  # fmt: skip
def test_authority(text: str) -> None:
    """uri-host with an optional port."""
    assert grammar.is_authority(text)


@pytest.mark.parametrize(
    "text",
    ["a b", "a/b", "a?b", "a#b", "a@b", "a\\b", "a:b", "a:-1", "a:65536", "a:000080", "a::80", "a:80:80", "%", "%4",
     "%zz", "[::1", "::1]", "[]", "[zz]", "[::1]x", "[1:2:3:4:5:6:7:8:9]", "[::1%eth0]", "a\n", "a\t", "<a>", '"a"',
     "[v.x]", "[v1.]", "a[b]", "a^b", "a|b", "a`b", "a{b}"],
)  # fmt: skip
def test_no_authority(text: str) -> None:
    """User information, paths, bad ports, bad escapes and broken addresses are refused (RFC 9110 §7.2)."""
    assert not grammar.is_authority(text)


@given(st.ip_addresses(v=6).map(str) | st.text("0123456789abcdefABCDEF:.", max_size=40))
def test_ipv6_is_what_the_standard_library_takes(text: str) -> None:
    """is_ipv6 agrees with the ipaddress module."""
    try:
        ipaddress.IPv6Address(text)
        expected = True
    except ValueError:
        expected = False
    assert grammar.is_ipv6(text) is expected


@pytest.mark.parametrize(
    ("text", "authority", "rest"),
    [
        ("http://a", "a", ""),
        ("HTTPS://a:1/b?c", "a:1", "/b?c"),
        ("http://a?b/c", "a", "?b/c"),
        ("http:///x", "", "/x"),
    ],
)
def test_absolute_form(text: str, authority: str, rest: str) -> None:
    """An absolute-form target is taken apart; whether its authority is one is asked elsewhere."""
    match = grammar.split_absolute(text)
    assert match is not None
    assert (match["authority"], match["rest"]) == (authority, rest)


@pytest.mark.parametrize("text", ["http:/a", "//a", "ftp://a", "http:a", "xhttp://a", "http://a#b", "http://a/#", ""])
def test_no_absolute_form(text: str) -> None:
    """Other schemes, relative references and fragments are no absolute-form."""
    assert grammar.split_absolute(text) is None


@pytest.mark.parametrize(
    ("line", "size", "extensions"),
    [
        ("0", "0", ""),
        ("FfF", "FfF", ""),
        ("0123456789abcdef", "0123456789abcdef", ""),
        ("1;a", "1", ";a"),
        ('1 ; a = "b\\"c;d" ;e=f', "1", ' ; a = "b\\"c;d" ;e=f'),
        ('1;a=""', "1", ';a=""'),
    ],
)
def test_chunk_line(line: str, size: str, extensions: str) -> None:
    """A size of up to 16 digits and well-formed extensions (RFC 9112 §7.1)."""
    match = grammar.split_chunk_line(line)
    assert match is not None
    assert match.groups() == (size, extensions)


@pytest.mark.parametrize(
    "text", ["x" * 2 * 10**5, '"' + "\\" * 2 * 10**5, "[" + ":" * 2 * 10**5, "%4" * 2 * 10**5, "1;a" + " " * 2 * 10**5]
)
def test_no_pattern_backtracks(text: str) -> None:
    """200 kB of the worst input takes each pattern a fraction of a second."""
    for rule in (
        grammar.is_token, grammar.is_method, grammar.is_field_value, grammar.is_target, grammar.is_digits,
        grammar.is_status, grammar.split_authority, grammar.split_absolute, grammar.split_chunk_line,
    ):  # fmt: skip
        begin = time.thread_time()
        rule(text + "\x00")
        assert time.thread_time() - begin < 0.5
