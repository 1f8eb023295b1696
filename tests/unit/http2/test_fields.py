"""Fields of requests: RFC 9113 §8.2 and §8.3 row by row, and the variables that a request becomes."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.http2 import GET, POST
from wiverno.http2.fields import UNKNOWN, BadRequest, Request, build_request, check_trailers, make_entry

PSEUDO = dict(GET)


def request(fields: Iterable[tuple[str, str]], prefix: str = "") -> Request | BadRequest:
    return build_request([make_entry(name, value) for name, value in fields], prefix)


def variables(*more: tuple[str, str], path: str = "/", prefix: str = "") -> dict[str, Any]:
    found = request([*GET[:2], (":path", path), GET[3], *more], prefix)
    assert isinstance(found, Request), found
    return found.variables


def test_a_request() -> None:
    """Pseudo-fields and fields become the variables that HTTP/1.1's head becomes."""
    assert variables(("accept", "*/*"), ("content-type", "text/plain"), path="/a%20b?c=d") == {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/a%20b?c=d",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=d",
        "HTTP_HOST": "a.example",
        "HTTP_ACCEPT": "*/*",
        "CONTENT_TYPE": "text/plain",
    }


def test_prefix() -> None:
    """What becomes SCRIPT_NAME is cut off the path."""
    assert variables(path="/app/x", prefix="/app")["PATH_INFO"] == "/x"


def test_asterisk() -> None:
    """OPTIONS may ask for the server as a whole."""
    found = request([(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), (":authority", "a")])
    assert isinstance(found, Request)
    assert (found.variables["REQUEST_URI"], found.variables["PATH_INFO"]) == ("*", "/")


def test_joined_fields() -> None:
    """Cookie crumbs are joined with a semicolon (§8.2.3), other fields with a comma; dropped ones are gone."""
    found = variables(("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("x", "2"), ("x_y", "3"), ("proxy", "4"))
    assert found["HTTP_COOKIE"] == "a=1; b=2"
    assert found["HTTP_X"] == "1, 2"
    assert "" not in found
    assert not any("PROXY" in name or "X_Y" in name for name in found)


def test_host() -> None:
    """Host alone is enough, and may stand beside :authority if it says the same."""
    without = [field for field in GET if field[0] != ":authority"]
    found = request([*without, ("host", "b.example")])
    assert isinstance(found, Request)
    assert found.variables["HTTP_HOST"] == "b.example"
    assert variables(("host", "A.EXAMPLE"))["HTTP_HOST"] == "A.EXAMPLE"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        # §8.2.1
        ([*GET, ("X", "1")], "invalid header field name"),
        ([*GET, ("x y", "1")], "invalid header field name"),
        ([*GET, ("x:y", "1")], "invalid header field name"),
        ([*GET, ("", "1")], "invalid header field name"),
        ([*GET, ("x\x80", "1")], "invalid header field name"),
        ([*GET, ("x", " 1")], "white space around a header field value"),
        ([*GET, ("x", "1\t")], "white space around a header field value"),
        ([*GET, ("x", "a\0b")], "control character in a header field value"),
        ([*GET, ("x", "a\rb")], "control character in a header field value"),
        ([*GET, ("x", "a\nb")], "control character in a header field value"),
        ([*GET, ("x_y", "\n")], "control character in a header field value"),
        # §8.2.2
        *(
            ([*GET, (name, "x")], f"connection-specific header {name}")
            for name in ("connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade")
        ),
        ([*GET, ("te", "gzip")], "te may only be trailers"),
        ([*GET, ("te", "trailers, gzip")], "te may only be trailers"),
        # §8.3
        ([*GET, (":unknown", "x")], "unknown pseudo-header field"),
        ([*GET, (":status", "200")], "unknown pseudo-header field"),
        ([*GET, (":", "x")], "unknown pseudo-header field"),
        ([*GET, (":protocol", "websocket")], "unknown pseudo-header field"),
        *(([*GET, field], f"more than one {field[0]}") for field in GET),
        ([*GET[:3], ("x", "1"), GET[3]], "pseudo-header field after a header field"),
        ([("x", "1"), *GET], "pseudo-header field after a header field"),
        # §8.3.1
        (GET[1:], "missing :method"),
        ([GET[0], *GET[2:]], "missing :scheme"),
        ([*GET[:2], GET[3]], "missing :path"),
        ([], "missing :method"),
        ([*GET[:2], (":path", ""), GET[3]], "invalid request target"),
        ([*GET[:2], (":path", "*"), GET[3]], "invalid request target"),
        ([*GET[:2], (":path", "a"), GET[3]], "invalid request target"),
        ([*GET[:2], (":path", "/a b"), GET[3]], "invalid request target"),
        ([*GET[:2], (":path", "/\n"), GET[3]], "invalid request target"),
        ([*GET[:2], (":path", "/#"), GET[3]], "invalid request target"),
        ([*GET[:2], (":path", "https://a.example/"), GET[3]], "invalid request target"),
        ([GET[0], (":scheme", "ftp"), *GET[2:]], "invalid :scheme"),
        ([GET[0], (":scheme", ""), *GET[2:]], "invalid :scheme"),
        ([(":method", "get"), *GET[1:]], "invalid method"),
        ([(":method", ""), *GET[1:]], "invalid method"),
        (GET[:3], "neither :authority nor Host"),
        ([*GET[:3], (":authority", "")], "empty :authority"),
        ([*GET[:3], (":authority", "u@a")], "invalid :authority"),
        ([*GET[:3], (":authority", ":80")], "invalid :authority"),
        ([*GET[:3], (":authority", "a:99999")], "invalid :authority"),
        ([*GET, ("host", "b.example")], "Host and :authority disagree"),
        ([*GET, ("host", "a b")], "invalid Host header"),
        ([*GET, ("host", "a.example"), ("host", "a.example")], "more than one Host header"),
        # RFC 9110 §8.6
        ([*POST, ("content-length", "x")], "invalid Content-Length header"),
        ([*POST, ("content-length", "-1")], "invalid Content-Length header"),
        ([*POST, ("content-length", "1"), ("content-length", "1")], "more than one Content-Length header"),
    ],
)
def test_malformed(fields: list[tuple[str, str]], message: str) -> None:
    """Each rule has its message, which never holds the value."""
    assert request(fields) == BadRequest(400, message)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(":method", "CONNECT"), (":authority", "a:443")], 501),
        ([(":method", "CONNECT"), *GET[1:]], 501),
        ([*POST, ("expect", "tea")], 417),
        ([*POST, ("content-length", "9" * 30)], 413),
    ],
)
def test_refused(fields: list[tuple[str, str]], status: int) -> None:
    """What is good HTTP/2 and must not be served is answered as HTTP/1.1 answers it."""
    found = request(fields)
    assert isinstance(found, BadRequest)
    assert found.status == status


def test_body() -> None:
    """The length and the expectation are told; what a proxy policy looks at makes a request not plain."""
    for fields, expected in [
        (POST, (UNKNOWN, False, True)),
        ([*POST, ("content-length", "0")], (0, False, False)),
        ([*POST, ("content-length", "12"), ("expect", "100-continue")], (12, True, False)),
        ([*GET, ("x-forwarded-for", "192.0.2.1")], (UNKNOWN, False, False)),
    ]:
        found = request(fields)
        assert isinstance(found, Request)
        assert (found.length, found.expects_continue, found.is_plain) == expected


def test_te_trailers() -> None:
    """The one value that te may have."""
    assert variables(("te", "trailers"))["HTTP_TE"] == "trailers"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([("x-checksum", "1")], ""),
        ([], ""),
        ([(":path", "/")], "pseudo-header field in trailers"),
        ([(":status", "200")], "unknown pseudo-header field"),
        ([("X", "1")], "invalid header field name"),
        ([("x_y", "1")], ""),
    ],
)
def test_trailers(fields: list[tuple[str, str]], reason: str) -> None:
    """Trailers are fields, and no pseudo-fields (§8.1)."""
    assert check_trailers([make_entry(*field) for field in fields]) == reason


def test_sizes() -> None:
    """An entry's size is that of RFC 7541 §4.1, whether the field is good or not."""
    assert make_entry("accept", "x")[2] == make_entry("ACCEPT", "x")[2] == 6 + 1 + 32
