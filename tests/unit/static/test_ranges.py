"""Range fields, as RFC 9110 §14 says, and security case 44."""

from __future__ import annotations

import pytest

from wiverno.static.conditions import Version
from wiverno.static.ranges import Part, RangeNotSatisfiable, parse_ranges, part_heads, wanted_parts

VERSION = Version("v1", 1714564800)
SAME, EARLIER, LATER = (f"Wed, 01 May 2024 {time} GMT" for time in ("12:00:00", "11:59:59", "12:00:01"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bytes=0-0", [(0, 1)]), ("bytes=0-", [(0, 100)]), ("bytes=10-19", [(10, 20)]), ("bytes=90-1000", [(90, 100)]),
        ("bytes=-10", [(90, 100)]), ("bytes=-1000", [(0, 100)]), ("BYTES = 5-5".replace(" ", ""), [(5, 6)]),
        ("bytes=0-9,10-19", [(0, 20)]), ("bytes=50-59, 0-9,5-55", [(0, 60)]), ("bytes=0-9,200-300", [(0, 10)]),
        ("bytes=0-9,20-29", [(0, 10), (20, 30)]), ("bytes=20-29,0-9", [(20, 30), (0, 10)]),
        ("bytes=20-29,0-9,-1,25-40", [(0, 10), (20, 41), (99, 100)]), ("bytes=9-0", None), ("bytes=a-b", None),
        ("bytes=-", None), ("bytes=", None), ("bytes", None), ("lines=0-1", None), ("bytes=0-1;x", None),
        ("bytes=٠-١", None), ("bytes=+1-2", None), ("bytes=0-" + "9" * 5000, None), ("bytes=0x0-1", None), ("", None),
        ("bytes=0-1,", None),
    ],
)  # fmt: skip
def test_parse_ranges(text: str, parts: list[Part] | None) -> None:
    """Parts are in the order of the request, or of the file if some were joined."""
    assert parse_ranges(text, 100) == (None if parts is None else tuple(parts))


@pytest.mark.parametrize(
    "text",
    ["bytes=100-", "bytes=500-600", "bytes=-0", "bytes=" + ",".join(["0-"] * 1000), "bytes=" + "0-0," * 20 + "1-1"],
)
def test_what_is_416(text: str) -> None:
    """Nothing of it exists, or it is too much to ask."""
    with pytest.raises(RangeNotSatisfiable):
        parse_ranges(text, 100)


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-5"])
def test_an_empty_file_has_no_range(text: str) -> None:
    """There is no first byte."""
    with pytest.raises(RangeNotSatisfiable):
        parse_ranges(text, 0)


@pytest.mark.parametrize(
    ("if_range", "parts"),
    [
        ('"v1"', ((0, 5),)), ('W/"v1"', None), ('"v2"', None), (SAME, ((0, 5),)), (EARLIER, None), (LATER, None),
        ("", None), ("v1", None),
    ],
)  # fmt: skip
def test_if_range_must_be_exactly_this_version(if_range: str, parts: tuple[Part, ...] | None) -> None:
    """A part of another version must not be joined with what the client has."""
    environ = {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-4", "HTTP_IF_RANGE": if_range}
    assert wanted_parts(environ, VERSION, 100) == parts


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_range_is_for_get(method: str) -> None:
    """RFC 9110 §14.2 defines it for no other method."""
    assert wanted_parts({"REQUEST_METHOD": method, "HTTP_RANGE": "bytes=0-4"}, VERSION, 100) is None
    assert wanted_parts({"REQUEST_METHOD": "GET"}, VERSION, 100) is None


def test_the_heads_of_several_parts() -> None:
    """Each part tells its type and its place; the end is told."""
    heads, end = part_heads([(0, 1), (5, 10)], 100, "a/b", "XX")
    assert heads[1] == b"\r\n--XX\r\nContent-Type: a/b\r\nContent-Range: bytes 5-9/100\r\n\r\n"
    assert (len(heads), end) == (2, b"\r\n--XX--\r\n")
