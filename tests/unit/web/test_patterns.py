"""Route patterns: what they match, what they build, and what is refused with which words."""

from __future__ import annotations

import uuid

import pytest

from wiverno.web.patterns import CONVERTERS, PatternError, join, parse_pattern


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "a.b", "a.b"),
        ("int", "0", 0),
        ("int", "-7", -7),
        ("int", "007", 7),
        ("int", "9" * 18, int("9" * 18)),
        ("float", "3", 3.0),
        ("float", "-0.5", -0.5),
        ("uuid", "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        ("path", "a/b//c", "a/b//c"),
    ],
)
def test_converters_read(kind: str, text: str, value: object) -> None:
    parsed = CONVERTERS[kind].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("int", text) for text in ["+1", "1_0", " 1", "1 ", "٣", "1.0", "-", "", "--1", "9" * 19, "0x1"]),
        *(("float", text) for text in ["nan", "inf", "1e5", ".5", "5.", "+1", "1_0.0", "٣.0", ""]),
        *(
            ("uuid", text)
            for text in ["x", "{12345678-1234-5678-1234-567812345678}", "12345678123456781234567812345678"]
        ),
    ],
)
def test_converters_refuse(kind: str, text: str) -> None:
    with pytest.raises(ValueError):
        CONVERTERS[kind].parse(text)


@pytest.mark.parametrize(
    ("pattern", "values", "path"),
    [
        ("/", {}, "/"),
        ("/a/{n:int}/", {"n": 7}, "/a/7/"),
        ("/v{n:int}.{m:int}", {"n": 1, "m": 2}, "/v1.2"),
        ("/{name}", {"name": "a b/é?".replace("/", "-")}, "/a%20b-%C3%A9%3F"),
        ("/{p:path}", {"p": "a/b c"}, "/a/b%20c"),
        ("/{f:float}", {"f": 2}, "/2"),
        ("/{f:float}", {"f": 1.25}, "/1.25"),
        ("/{u:uuid}", {"u": "12345678-1234-5678-1234-567812345678"}, "/12345678-1234-5678-1234-567812345678"),
        ("/{{x}}/{n}", {"n": "y"}, "/%7Bx%7D/y"),
        ("/é", {}, "/%C3%A9"),
    ],
)
def test_build(pattern: str, values: dict[str, object], path: str) -> None:
    assert parse_pattern(pattern).build(values) == path


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("/{n:int}", {}),
        ("/{n:int}", {"n": "x"}),
        ("/{n:int}", {"n": None}),
        ("/{n:int}", {"n": 10**18}),
        ("/{f:float}", {"f": float("nan")}),
        ("/{name}", {"name": ""}),
        ("/{name}", {"name": "a/b"}),
        ("/{name}", {"name": ".."}),
        ("/{p:path}", {"p": ""}),
        ("/{u:uuid}", {"u": "x"}),
    ],
)
def test_build_refuses_what_would_not_come_back(pattern: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no value for|does not fit"):
        parse_pattern(pattern).build(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'': a route starts with a slash, like '/'"),
        ("users", "'users': a route starts with a slash, like '/users'"),
        ("/a b", "'/a b': a route holds no spaces, control characters, '?' or '#'"),
        ("/a?b", "a route holds no spaces"),
        ("/a\n", "a route holds no spaces"),
        ("/{", "a single '{'; write it twice to mean the character"),
        ("/a}", "a single '}'; write it twice to mean the character"),
        ("/{}", "'{}' is not '{name}' or '{name:converter}'"),
        ("/{1a}", "'{1a}' is not '{name}' or '{name:converter}'"),
        ("/{a:b:c}", "is not '{name}' or '{name:converter}'"),
        ("/{a:integer}", "no converter 'integer'; there are float, int, path, str, uuid"),
        ("/{a}/{a}", "the parameter 'a' occurs twice"),
        ("/{a}{b}", "two parameters need some text between them"),
        ("/{a}-{b}-{c}-{d}", "more than 3 parameters between two slashes"),
        ("/x{p:path}", "a parameter that spans slashes stands alone between slashes"),
        ("/{p:path}-{q}", "a parameter that spans slashes stands alone between slashes"),
        ("/{p:path}/{q:path}", "only one parameter may span slashes"),
    ],
)
def test_wrong_patterns_say_why(text: str, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern(text)
    assert message in str(caught.value)


def test_join_checks_the_whole() -> None:
    joined = join(parse_pattern("/shop/{a}"), parse_pattern("/{b}"))
    assert (joined.text, joined.build({"a": 1, "b": 2})) == ("/shop/{a}/{b}", "/shop/1/2")
    with pytest.raises(PatternError, match="occurs twice"):
        join(parse_pattern("/{a}"), parse_pattern("/{a}"))
