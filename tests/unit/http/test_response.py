"""Response heads: a table of (status, fields, bytes) for the writer, read back by h11; and all that is refused."""

import email.utils
import enum
import logging
import subprocess
import sys
import time
from typing import Any

import h11
import pytest

from wiverno.http import response
from wiverno.http.response import (
    CONTINUE,
    HOP_BY_HOP,
    DateAndServer,
    Headers,
    ResponseError,
    check_head,
    checked_head,
    date_line,
    early_hints,
    error_response,
    hint_fields,
)


@pytest.fixture(autouse=True)
def _empty_table() -> None:
    response._heads.clear()


TABLE: list[tuple[str, Headers, bytes]] = [
    ("200 OK", [], b"HTTP/1.1 200 OK\r\n"),
    ("200", [], b"HTTP/1.1 200 \r\n"),
    ("200 ", [], b"HTTP/1.1 200 \r\n"),
    ("404 Not Found", [("X", "")], b"HTTP/1.1 404 Not Found\r\nX: \r\n"),
    ("299 \xe4\t!", [("x-Y", "a\tb \xff")], b"HTTP/1.1 299 \xe4\t!\r\nx-Y: a\tb \xff\r\n"),
    ("200 OK", [("A", "1"), ("a", "2"), ("A", "1")], b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nA: 1\r\n"),
    ("200 OK", [("Content-Length", "007")], b"HTTP/1.1 200 OK\r\nContent-Length: 007\r\n"),
    ("304 Not Modified", [("Content-Length", "7")], b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n"),
    ("204 No Content", [("Content-Length", "0"), ("X", "y")], b"HTTP/1.1 204 No Content\r\nX: y\r\n"),
    ("205 x", [("X", "y"), ("Content-Length", "0")], b"HTTP/1.1 205 x\r\nX: y\r\nContent-Length: 0\r\n"),
    (
        "302 Found",
        [("Location", "/"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
    ),
]


def test_a_205_says_that_it_is_empty() -> None:
    """Content-Length 0 takes the place of the application's own: without one a client would wait (RFC 9112 §6.3)."""
    cases: list[Headers] = [[("Content-Length", "5")], [("content-length", "5"), ("X", "y")], []]
    for headers in cases:
        head = check_head("205 Reset Content", headers)
        assert head.prefix.lower().count(b"content-length") == 1
        assert head.prefix.endswith(b"\r\nContent-Length: 0\r\n")
        assert head.fields[-1] == ("Content-Length", "0")


@pytest.mark.parametrize(("status", "headers", "expected"), TABLE)
def test_writes(status: str, headers: Headers, expected: bytes) -> None:
    """Status and fields become these bytes, and another implementation reads them as what was meant."""
    head = check_head(status, headers)
    assert head.prefix == expected
    assert head.code == int(status[:3])

    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(head.prefix + b"\r\n")
    event = client.next_event()
    assert isinstance(event, h11.Response)
    assert event.status_code == head.code
    assert event.reason == status[4:].strip().encode("latin-1")
    sent = [
        (name, str(int(value)) if name == "Content-Length" else value)
        for name, value in headers
        if not (head.code == 204 and name == "Content-Length")
    ]
    read = [(name.decode(), value.decode("latin-1")) for name, value in event.headers.raw_items()]
    assert [(n, v if n != "Content-Length" else str(int(v))) for n, v in read] == sent


@pytest.mark.parametrize(
    ("status", "has_body", "declared"),
    [("200 OK", True, 5), ("204 x", False, 5), ("205 x", False, 5), ("304 x", False, 5), ("500 x", True, 5)],
)
def test_knows_what_framing_needs(status: str, has_body: bool, declared: int) -> None:
    """A head tells whether content may follow, how much was declared, and what the application said itself."""
    head = check_head(status, [("content-LENGTH", "5")])
    assert (head.has_body, head.declared, head.has_date, head.has_server) == (has_body, declared, False, False)
    head = check_head(status, [("dATE", "x"), ("server", "y")])
    assert (head.declared, head.has_date, head.has_server) == (-1, True, True)


def test_shortened() -> None:
    """A lowered Content-Length changes nothing else, and not the head that is remembered."""
    headers = [("content-length", "50"), ("X-Content-Length", "50"), ("A", "content-length: 50")]
    head = check_head("200 OK", headers)
    shorter = head.shortened(7)
    assert shorter.prefix == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Content-Length: 50\r\nA: content-length: 50\r\n"
    )
    assert (shorter.declared, shorter.code, shorter.has_body) == (7, 200, True)
    assert response.checked_head(("200 OK", *headers)) is head
    assert head.declared == 50


class Text(str):
    __slots__ = ()


class Lying(str):
    """Says that it is and holds something else, wherever Python asks."""

    __slots__ = ()

    def __str__(self) -> str:
        return "lie"

    def __repr__(self) -> str:
        return "lie"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("plain")

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return iter("lie")

    def __getitem__(self, key: Any) -> str:
        return "lie"

    def __format__(self, form: str) -> str:
        return "lie"

    def encode(self, *_: Any) -> bytes:
        return b"lie\r\nX: y"

    def lower(self) -> str:
        return "content-length"


class Kind(str, enum.Enum):  # noqa: UP042 - str() of it is another text than what it holds
    GIF = "image/gif"


class Pair(tuple[str, str]):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(("A", "plain"))


class Fields(list[tuple[str, str]]):
    pass


SUBCLASSES: list[tuple[Any, Any, bytes]] = [
    (Text("200 OK"), [], b"HTTP/1.1 200 OK\r\n"),
    (Lying("200 OK"), [], b"HTTP/1.1 200 OK\r\n"),
    ("200 OK", [("A", Text("b"))], b"HTTP/1.1 200 OK\r\nA: b\r\n"),
    ("200 OK", [(Text("A"), "b")], b"HTTP/1.1 200 OK\r\nA: b\r\n"),
    ("200 OK", [("A", Lying("truth"))], b"HTTP/1.1 200 OK\r\nA: truth\r\n"),
    ("200 OK", [(Lying("A"), "truth")], b"HTTP/1.1 200 OK\r\nA: truth\r\n"),
    ("200 OK", [("Content-Type", Kind.GIF)], b"HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\n"),
    ("200 OK", [Pair(("A", "truth"))], b"HTTP/1.1 200 OK\r\nA: truth\r\n"),
    ("200 OK", Fields([("A", "b")]), b"HTTP/1.1 200 OK\r\nA: b\r\n"),
]


@pytest.mark.parametrize(("status", "headers", "expected"), SUBCLASSES)
def test_subclasses_are_what_their_characters_are(status: Any, headers: Any, expected: bytes) -> None:
    """Instances of subclasses are sent as the characters they hold, and no head that was kept is taken for theirs."""
    for plain in ([("A", "plain")], [("plain", "truth")], []):
        check_head("200 OK", plain)
    for _ in range(2):
        head = checked_head((status, *headers)) or check_head(status, headers)
        assert head.prefix == expected
        assert type(head.status) is str


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (Lying("200 OK\r\nX: y"), []),
        ("200 OK", [("A", Lying("b\r\nX: y"))]),
        ("200 OK", [(Lying("A: b"), "c")]),
        ("200 OK", [(Text("Connection"), "close")]),
        ("200 OK", [("Content-Length", Lying("1x"))]),
    ],
)
def test_subclasses_are_checked_as_the_plain_ones(status: Any, headers: Any) -> None:
    """What must not be sent is refused whatever the object says of itself."""
    with pytest.raises(ResponseError):
        check_head(status, headers)
    with pytest.raises(ResponseError):
        hint_fields([*headers, ("A", Lying("\n"))])


def test_an_object_that_calls_itself_a_str_is_none() -> None:
    class Pretender:
        __class__ = str  # type: ignore[assignment]

    for status, headers in ((Pretender(), []), ("200 OK", [("A", Pretender())])):
        with pytest.raises(ResponseError):
            check_head(status, headers)  # type: ignore[arg-type]


def test_hint_fields_of_subclasses() -> None:
    assert early_hints(hint_fields([("Link", Lying("</a>"))])) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


BAD_HEADS = [
    ("200 OK\r\nX: y", []),
    ("200 OK\x00", []),
    ("200 O\nK", []),
    ("100 Continue", []),
    ("20 OK", []),
    ("OK", []),
    ("200 \u20ac", []),
    (b"200 OK", []),
    (200, []),
    ("200 OK", None),
    ("200 OK", ()),
    ("200 OK", {"A": "b"}),
    ("200 OK", [["A", "b"]]),
    ("200 OK", [("A",)]),
    ("200 OK", [("A", "b", "c")]),
    ("200 OK", ["Ab"]),
    ("200 OK", [(b"A", "b")]),
    ("200 OK", [("A", b"b")]),
    ("200 OK", [("A", 1)]),
    ("200 OK", [("A", None)]),
    ("200 OK", [("", "b")]),
    ("200 OK", [("A b", "c")]),
    ("200 OK", [("A:", "c")]),
    ("200 OK", [("A\r\nB", "c")]),
    ("200 OK", [("\xc4", "c")]),
    ("200 OK", [("A", "b\r\nSet-Cookie: c=d")]),
    ("200 OK", [("A", "b\nc")]),
    ("200 OK", [("A", "b\rc")]),
    ("200 OK", [("A", "b\x00c")]),
    ("200 OK", [("A", "\x1b[31m")]),
    ("200 OK", [("A", "\x7f")]),
    ("200 OK", [("A", "\u20ac")]),
    ("200 OK", [("A", "b\n")]),
    ("200 OK", [("Content-Length", "1"), ("content-length", "1")]),
    ("200 OK", [("Content-Length", "-1")]),
    ("200 OK", [("Content-Length", "+1")]),
    ("200 OK", [("Content-Length", "")]),
    ("200 OK", [("Content-Length", "1_0")]),
    ("200 OK", [("Content-Length", "\u0661")]),
    ("200 OK", [("Content-Length", "9" * 5000)]),
    *(("200 OK", [(name.title(), "close")]) for name in sorted(HOP_BY_HOP)),
]


@pytest.mark.parametrize(("status", "headers"), BAD_HEADS)
def test_refuses(status: str, headers: Headers) -> None:
    """What would split, desynchronise or misrepresent a response is refused, time and again, and the value not told."""
    for _ in range(2):
        with pytest.raises(ResponseError) as raised:
            check_head(status, headers)
        assert "c=d" not in str(raised.value)


def test_refuses_under_optimisation() -> None:
    """`python -O` removes assertions; none of these checks is one."""
    code = (
        "from wiverno.http.response import check_head, ResponseError\n"
        "for headers in ([('A', 'b\\r\\nC: d')], [('A', 'b\\0')], [('Connection', 'close')], [('A', 1)]):\n"
        "    try: check_head('200 OK', headers)\n"
        "    except ResponseError: continue\n"
        "    raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-O", "-c", code], check=True)


def test_heads_are_remembered_unless_personal_or_long() -> None:
    """The same head is checked once; what names a user, or is long, is kept nowhere; the table is bounded."""
    first = check_head("200 OK", [("A", "b")])
    assert response.checked_head(("200 OK", ("A", "b"))) is first
    for headers in (
        [("Set-Cookie", "a=b")],
        [("WWW-Authenticate", "Basic")],
        [("Authorization", "x")],
        [("A", "b" * response.MAX_HEAD_CHARACTERS)],
    ):
        check_head("200 OK", headers)
        assert response.checked_head(("200 OK", *headers)) is None
    for number in range(response.MAX_HEADS + 10):
        check_head("200 OK", [("A", str(number))])
    assert len(response._heads) <= response.MAX_HEADS


def test_signature_follows_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line holds within its second only, also when the clock is set back."""
    signature = DateAndServer("")
    for seconds in (1000.0, 1000.9, 1001.0, 999.9, 0.0, -0.5):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: seconds)
        assert signature.closing() == response.date_line(int(seconds)) + b"\r\n"


def test_signature() -> None:
    """Date and Server end each head; what the application set itself is left out; an empty ident leaves Server out."""
    signature = DateAndServer("me")
    for _ in range(2):
        date, server, end, nothing = signature.closing().split(b"\r\n")
        assert (server, end, nothing) == (b"Server: me", b"", b"")
        stamp = email.utils.parsedate_to_datetime(date.removeprefix(b"Date: ").decode()).timestamp()
        assert abs(stamp - time.time()) < 5
    assert b"Server" not in DateAndServer("").closing()
    own_date = check_head("200 OK", [("Date", "x")])
    assert signature.closing_beside(own_date) == b"Server: me\r\n\r\n"
    own_server = check_head("200 OK", [("Server", "x")])
    assert signature.closing_beside(own_server).startswith(b"Date: ")
    assert b"Server" not in signature.closing_beside(own_server)


@pytest.mark.parametrize("seconds", [0, 951827696, 1709251199, 4102444799])
def test_date_line(seconds: int) -> None:
    """IMF-fixdate, as the standard library writes it."""
    assert date_line(seconds) == f"Date: {email.utils.formatdate(seconds, usegmt=True)}\r\n".encode()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "Bad Request"),
        (408, "Request Timeout"),
        (411, "Length Required"),
        (413, "Request Entity Too Large"),
        (414, "URI Too Long"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (503, "Service Unavailable"),
        (505, "HTTP Version Not Supported"),
    ],
)
def test_error_responses(status: int, reason: str) -> None:
    """The server's own answers are text with an exact length, and close."""
    response = error_response(status, "what was wrong", DateAndServer("me"))
    head, _, body = response.data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == f"HTTP/1.1 {status} {reason}".encode()
    assert body == f"{reason}\r\n\r\nwhat was wrong\r\n\r\n(generated by me)".encode()
    assert b"Content-Length: %d" % len(body) in lines
    assert b"Connection: close" in lines
    assert b"Content-Type: text/plain; charset=utf-8" in lines
    assert b"Server: me" in lines
    assert response.content_length == len(body)


def test_error_responses_to_head_and_http10() -> None:
    """HEAD gets the same head without content, HTTP/1.0 its own version."""
    usual = error_response(400, "x", DateAndServer("me")).data
    head = error_response(400, "x", DateAndServer("me"), method="HEAD")
    old = error_response(400, "x", DateAndServer("me"), minor=0).data
    assert head == (usual[: usual.index(b"\r\n\r\n") + 4], 0)
    assert old == b"HTTP/1.0" + usual[8:]


def test_error_response_details() -> None:
    """Retry-After on request; without an ident the text is signed by the server; any text can be said."""
    data = error_response(503, "später \u20ac \ud800", DateAndServer(""), retry_after=7).data
    assert b"\r\nRetry-After: 7\r\n" in data
    assert "später €".encode() in data
    assert data.endswith(b"(generated by server)")
    assert b"Server:" not in data


def test_interim_responses() -> None:
    """100 and 103 are whole heads that h11 reads as informational responses."""
    hints = early_hints(hint_fields([("Link", "</a.css>; rel=preload"), ("Link", "</b.js>; rel=preload")]))
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(CONTINUE + hints)
    first, second = client.next_event(), client.next_event()
    assert isinstance(first, h11.InformationalResponse)
    assert isinstance(second, h11.InformationalResponse)
    assert (first.status_code, second.status_code) == (100, 103)
    assert list(second.headers) == [(b"link", b"</a.css>; rel=preload"), (b"link", b"</b.js>; rel=preload")]


@pytest.mark.parametrize(
    "headers",
    [[("A", "b\r\nc")], [("A b", "c")], [(b"A", "b")], [("A", 1)], [("Connection", "x")], [("Content-Length", "1")]],
)
def test_hint_fields_refuse(headers: Headers) -> None:
    """Early hints are as strict as final heads."""
    with pytest.raises(ResponseError):
        hint_fields(headers)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The room decides and encodes; telling the operator is the business of those above."""
    with caplog.at_level(logging.DEBUG):
        check_head("200 OK", [("A", "b")])
        error_response(500, "x", DateAndServer("me"))
    assert not caplog.records
