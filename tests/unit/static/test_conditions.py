"""Precondition fields, as RFC 9110 §13 says."""

from __future__ import annotations

import pytest

from wiverno.static.conditions import Verdict, Version, check_preconditions, parse_date

VERSION = Version("v1", 1714564800)
SAME, EARLIER, LATER = (f"Wed, 01 May 2024 {time} GMT" for time in ("12:00:00", "11:59:59", "12:00:01"))


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.SEND),
        ({"IF_NONE_MATCH": '"v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": 'W/"v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": '"a", "v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": '"a,b" , W/"v1"'}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": "*"}, Verdict.NOT_MODIFIED),
        ({"IF_NONE_MATCH": '"v2"'}, Verdict.SEND),
        ({"IF_NONE_MATCH": "v1"}, Verdict.SEND),
        ({"IF_NONE_MATCH": ""}, Verdict.SEND),
        ({"IF_NONE_MATCH": '"v1'}, Verdict.SEND),
        ({"IF_NONE_MATCH": '"v2"', "IF_MODIFIED_SINCE": LATER}, Verdict.SEND),
        ({"IF_MODIFIED_SINCE": SAME}, Verdict.NOT_MODIFIED),
        ({"IF_MODIFIED_SINCE": LATER}, Verdict.NOT_MODIFIED),
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
    """The order of the fields is that of RFC 9110 §13.2.2."""
    environ = {f"HTTP_{name}": text for name, text in fields.items()}
    environ["REQUEST_METHOD"] = fields.get("METHOD", "GET")
    assert check_preconditions(environ, VERSION) is verdict


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        (" Sun, 06 Nov 1994 08:49:37 GMT ", 784111777),
        ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
        ("Friday, 01-Jan-16 00:00:00 GMT", 1451606400),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("sun, 06 nov 1994 08:49:37 GMT", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 28:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT; length=3", None),
        ("0", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(text: str | None, seconds: int | None) -> None:
    """The three forms of RFC 9110 §5.6.7; everything else is ignored."""
    assert parse_date(text) == seconds
