"""Field lines: one line gives one CGI variable, and the intern tables change nothing but the time it takes."""

import pytest

from wiverno.http import fields
from wiverno.http.errors import ProtocolError


@pytest.fixture(autouse=True)
def _empty_tables() -> None:
    fields._names.clear()
    fields.forget_lines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Host: a", ("HTTP_HOST", "a")),
        ("hOST:a", ("HTTP_HOST", "a")),
        ("Content-Type: text/plain; charset=x", ("CONTENT_TYPE", "text/plain; charset=x")),
        ("content-length: 1", ("CONTENT_LENGTH", "1")),
        ("X:", ("HTTP_X", "")),
        ("X: \t a \t ", ("HTTP_X", "a")),
        ("X: a\tb", ("HTTP_X", "a\tb")),
        ("X: \xa0\x85\xff", ("HTTP_X", "\xa0\x85\xff")),
        ("X-Y_Z: a", ("", "a")),
        ("Content_Length: 5", ("", "5")),
        ("Proxy: http://evil", ("", "http://evil")),
        ("Proxy-Authorization: x", ("HTTP_PROXY_AUTHORIZATION", "x")),
    ],
)
def test_parse_line(line: str, expected: tuple[str, str]) -> None:
    """The same line gives the same pair the first time and from the tables."""
    for _ in range(3):
        assert fields.parse_line(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "header line without a colon"),
        ("nocolon", "header line without a colon"),
        (" folded: x", "obsolete line folding"),
        ("\tfolded", "obsolete line folding"),
        (": x", "invalid header field name"),
        ("X Y: 1", "invalid header field name"),
        ("X\x00: 1", "invalid header field name"),
        ("X\xc4: 1", "invalid header field name"),
        ("X\u0130: 1", "invalid header field name"),
        ("X : 1", "white space between field name and colon"),
        ("X\t: 1", "white space between field name and colon"),
        ("X: \x00", "control character in a header field value"),
        ("X: a\rb", "control character in a header field value"),
        ("X: a\nb", "control character in a header field value"),
        ("X: \x7f", "control character in a header field value"),
        ("X_Y: \x01", "control character in a header field value"),
        ("Host: a b", "invalid Host header"),
        ("Host: a@b", "invalid Host header"),
    ],
)
def test_refused_lines(line: str, message: str) -> None:
    """A line that is no field-line is a 400 that names what is wrong, never the value; again and again."""
    for _ in range(3):
        with pytest.raises(ProtocolError) as raised:
            fields.parse_line(line)
        assert (raised.value.status, raised.value.message) == (400, message)


def test_known_name_without_colon() -> None:
    """A name that the table knows still needs its colon."""
    fields.parse_line("Accept: x")
    with pytest.raises(ProtocolError, match="without a colon"):
        fields.parse_line("Accept")


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "Referer", "X-Forwarded-For", "X-Own", "If-None-Match"])
def test_personal_lines_are_not_kept(name: str) -> None:
    """Secrets and what varies never enter the table of lines."""
    fields.parse_line(f"{name}: secret")
    assert fields._lines == fields._PERSISTENT


def test_long_lines_are_not_kept() -> None:
    """One client can't fill the table with kilobytes."""
    fields.parse_line("User-Agent: " + "x" * fields.MAX_INTERNED_LINE)
    assert fields._lines == fields._PERSISTENT
    fields.parse_line("User-Agent: short")
    assert fields.interned_line("User-Agent: short") == ("HTTP_USER_AGENT", "short")


def test_tables_are_bounded() -> None:
    """However many names and lines come, the tables stay within their bounds."""
    for number in range(fields.MAX_NAMES + fields.MAX_LINES + 10):
        fields.parse_line(f"X-{number}: a")
        fields.parse_line(f"Host: h{number}")
    assert len(fields._names) <= fields.MAX_NAMES
    assert len(fields._lines) <= fields.MAX_LINES


def test_combine() -> None:
    """Lists are joined by a comma, cookies by a semicolon; a singleton that comes twice is a 400."""
    assert fields.combine("HTTP_ACCEPT", ["a", "b"]) == "a, b"
    assert fields.combine("HTTP_COOKIE", ["a=1", "b=2"]) == "a=1; b=2"
    for variable, name in [
        ("HTTP_HOST", "Host"),
        ("CONTENT_LENGTH", "Content-Length"),
        ("CONTENT_TYPE", "Content-Type"),
        ("HTTP_AUTHORIZATION", "Authorization"),
    ]:
        with pytest.raises(ProtocolError) as raised:
            fields.combine(variable, ["a", "a"])
        assert (raised.value.status, raised.value.message) == (400, f"more than one {name} header")


def test_long_names_are_not_kept() -> None:
    """A stranger's header name of many bytes is parsed and forgotten: the table is bounded in bytes, too."""
    name = "X-" + "y" * 100_000
    assert fields.parse_line(f"{name}: 1") == ("HTTP_" + name.upper().replace("-", "_"), "1")
    assert name not in fields._names
