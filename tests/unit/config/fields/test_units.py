"""Text ↔ value: every spelling that is accepted, every one that is refused, and why."""

from __future__ import annotations

import pytest

from wiverno.config.errors import BadValue
from wiverno.config.fields import units
from wiverno.config.fields.units import FdAddress, TcpAddress, UnixAddress


@pytest.mark.parametrize("text", ["true", "T", "Yes", "y", "on", "1", " TRUE "])
def test_true_words(text: str) -> None:
    assert units.read_boolean(text) is True


@pytest.mark.parametrize("text", ["false", "F", "No", "n", "off", "0"])
def test_false_words(text: str) -> None:
    assert units.read_boolean(text) is False


@pytest.mark.parametrize("text", ["", "maybe", "enabled", "2"])
def test_what_is_no_boolean_is_refused(text: str) -> None:
    """waitress takes each of these for false without a word."""
    with pytest.raises(BadValue, match="expected true or false"):
        units.read_boolean(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30), ("0", 0), ("0.5", 0.5), ("1e3", 1000), ("500ms", 0.5), ("30s", 30), ("1m30s", 90), ("1m 30s", 90),
        ("2h", 7200), ("1d", 86400), ("1.5h", 5400), ("1d2h3m4s5ms", 93784.005), (" 5 s ", 5),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert units.read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "30x", "30s1m", "1m1m", "-1", "1m-1s", "1,5s", "inf", "nan", "30 seconds"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="expected a duration"):
        units.read_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (90.0, "1m30s"), (86400, "1d"), (1.25, "1.25"), (0.0005, "0.0005")],
)
def test_durations_are_written_shortly(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text
    assert units.read_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8192", 8192),
        ("10kB", 10_000),
        ("10KiB", 10_240),
        ("1.5MiB", 1_572_864),
        ("1 GB", 10**9),
        ("2tib", 2**41),
        ("5B", 5),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert units.read_size(text) == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10m", r'"m" alone is ambiguous: write MiB \(powers of 1024\) or MB \(powers of 1000\)'),
        ("10K", r'"K" alone is ambiguous: write KiB \(powers of 1024\) or kB \(powers of 1000\)'),
        ("1.5", "whole number of bytes"), ("", "expected a size"), ("-1", "expected a size"),
        ("10XB", "expected a size"),
    ],
)  # fmt: skip
def test_what_is_no_size_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        units.read_size(text)


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (100, "100"), (1024, "1KiB"), (2**30, "1GiB"), (1500, "1500")])
def test_sizes_are_written_in_the_largest_unit(size: int, text: str) -> None:
    assert units.format_size(size) == text


@pytest.mark.parametrize("text", ["660", "0660", "0o660", "0O660", " 660 "])
def test_modes_are_octal(text: str) -> None:
    assert units.read_mode(text) == 0o660


@pytest.mark.parametrize("text", ["", "66", "888", "0x1ff", "6600"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="file mode in octal"):
        units.read_mode(text)


@pytest.mark.parametrize("text", ["8_080", "8080.0", "", "eighty", "٣"])
def test_what_int_would_let_pass_is_no_number(text: str) -> None:
    with pytest.raises(BadValue, match="expected a whole number"):
        units.read_integer(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", TcpAddress("127.0.0.1", 80)), ("[::1]:80", TcpAddress("::1", 80)), ("*:0", TcpAddress("", 0)),
        (":80", TcpAddress("", 80)), ("localhost", TcpAddress("localhost", 8080)), ("[::]", TcpAddress("::", 8080)),
        ("[fe80::1%eth0]:80", TcpAddress("fe80::1%eth0", 80)), ("unix:/run/x", UnixAddress("/run/x")),
        ("unix:relative", UnixAddress("relative")), ("fd:web", FdAddress("web")), ("fd:0", FdAddress("0")),
    ],
)  # fmt: skip
def test_addresses(text: str, address: units.Address) -> None:
    assert units.read_address(text, 8080) == address


@pytest.mark.parametrize(
    "text", ["::1", "8000", "http://x:80", "x:http", "x:70000", "unix:", "fd:", "a b:80", "a/b:80", "[x]y:80", "x:-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        units.read_address(text)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (TcpAddress("", 80), "*:80"), (TcpAddress("::1", 80), "[::1]:80"), (TcpAddress("a", 1), "a:1"),
        (UnixAddress("/x"), "unix:/x"), (FdAddress("web"), "fd:web"),
    ],
)  # fmt: skip
def test_addresses_are_written_as_they_are_read(address: units.Address, text: str) -> None:
    assert str(address) == text
    assert units.read_address(text) == address
