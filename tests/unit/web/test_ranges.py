"""Range and precondition fields, as RFC 9110 §13 and §14 say, and security case 44."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wiverno.web.errors import HTTPError
from wiverno.web.ranges import Verdict, Version, check_preconditions, parse_range, wanted_part

VERSION = Version("v1", datetime(2024, 5, 1, 12, 0, tzinfo=UTC))
SAME, EARLIER, LATER = (f"Wed, 01 May 2024 {time} GMT" for time in ("12:00:00", "11:59:59", "12:00:01"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-0", (0, 1)), ("bytes=0-", (0, 100)), ("bytes=10-19", (10, 20)), ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)), ("bytes=-1000", (0, 100)), ("BYTES = 5-5".replace(" ", ""), (5, 6)),
        ("bytes=0-9,10-19", (0, 20)), ("bytes=50-59, 0-9,5-55", (0, 60)), ("bytes=0-9,200-300", (0, 10)),
        ("bytes=0-9,20-29", None), ("bytes=9-0", None), ("bytes=a-b", None), ("bytes=-", None), ("bytes=", None),
        ("bytes", None), ("lines=0-1", None), ("bytes=0-1;x", None), ("bytes=٠-١", None), ("bytes=+1-2", None),
        ("bytes=0-" + "9" * 5000, None), ("bytes=0x0-1", None), ("", None), ("bytes=0-1,", None),
    ],
)  # fmt: skip
def test_parse_range(text: str, part: tuple[int, int] | None) -> None:
    assert parse_range(text, 100) == part


@pytest.mark.parametrize(
    "text",
    ["bytes=100-", "bytes=500-600", "bytes=-0", "bytes=" + ",".join(["0-"] * 1000), "bytes=" + "0-0," * 20 + "1-1"],
)
def test_what_is_416(text: str) -> None:
    with pytest.raises(HTTPError) as caught:
        parse_range(text, 100)
    assert (caught.value.status, caught.value.headers["Content-Range"]) == (416, "bytes */100")


def test_an_empty_file_has_no_range() -> None:
    with pytest.raises(HTTPError):
        parse_range("bytes=0-", 0)
    with pytest.raises(HTTPError):
        parse_range("bytes=-5", 0)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.SEND),
        ({"IF_NONE_MATCH": '"v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": 'W/"v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": '"a", "v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": "*"}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": '"v2"'}, Verdict.SEND),
        ({"IF_NONE_MATCH": '"v2"', "IF_MODIFIED_SINCE": LATER}, Verdict.SEND),
        ({"IF_MODIFIED_SINCE": SAME}, Verdict.NOT_MODIFIED),
        ({"IF_MODIFIED_SINCE": EARLIER}, Verdict.SEND),
        ({"IF_MODIFIED_SINCE": "yesterday"}, Verdict.SEND),
        ({"IF_MATCH": '"v1"'}, Verdict.SEND),
        ({"IF_MATCH": "*"}, Verdict.SEND),
        ({"IF_MATCH": 'W/"v1"'}, Verdict.FAILED),
        ({"IF_MATCH": '"v2"'}, Verdict.FAILED),
        ({"IF_UNMODIFIED_SINCE": EARLIER}, Verdict.FAILED),
        ({"IF_UNMODIFIED_SINCE": SAME}, Verdict.SEND),
        ({"IF_MATCH": '"v1"', "IF_UNMODIFIED_SINCE": EARLIER}, Verdict.SEND),
        ({"IF_NONE_MATCH": '"v1"', "METHOD": "PUT"}, Verdict.FAILED),
        ({"IF_MODIFIED_SINCE": SAME, "METHOD": "PUT"}, Verdict.SEND),
    ],
)
def test_preconditions(fields: dict[str, str], verdict: Verdict) -> None:
    environ = {f"HTTP_{name}": text for name, text in fields.items()}
    environ["REQUEST_METHOD"] = fields.get("METHOD", "GET")
    assert check_preconditions(environ, VERSION) is verdict


@pytest.mark.parametrize(
    ("if_range", "part"),
    [
        ('"v1"', (0, 5)), ('W/"v1"', None), ('"v2"', None), (SAME, (0, 5)), (EARLIER, None), (LATER, None), ("", None),
    ],
)  # fmt: skip
def test_if_range_must_be_exactly_this_version(if_range: str, part: tuple[int, int] | None) -> None:
    environ = {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-4", "HTTP_IF_RANGE": if_range}
    assert wanted_part(environ, VERSION, 100) == part


def test_range_is_for_reading() -> None:
    assert wanted_part({"REQUEST_METHOD": "POST", "HTTP_RANGE": "bytes=0-4"}, VERSION, 100) is None
    assert wanted_part({"REQUEST_METHOD": "GET"}, VERSION, 100) is None
