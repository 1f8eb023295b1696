"""The framework against arbitrary input: routes agree with a simple matcher, and only HTTPError ever escapes."""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.wsgi import call
from wiverno.redaction import MASK, Masker
from wiverno.static.ranges import RangeNotSatisfiable, parse_ranges
from wiverno.web.application import Wiverno
from wiverno.web.errors import HTTPError
from wiverno.web.files import StaticFiles
from wiverno.web.forms import Limits
from wiverno.web.patterns import PatternError, parse_pattern
from wiverno.web.request import Request
from wiverno.web.route_tree import Route, RouteTable

WORDS = st.sampled_from(["a", "b", "ab", "a.b", "7", "-7", "x7", "1.5", "é", "%41"])
REGEXES = {"str": r"[^/]+", "int": r"-?[0-9]{1,18}", "float": r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", "path": r".+"}


@st.composite
def pattern_texts(draw: st.DrawFn) -> str:
    """Draw a route path with up to four segments."""
    pieces = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["literal", "literal", "str", "int", "float", "path", "around"]))
        if kind == "literal":
            pieces.append(draw(st.one_of(WORDS, st.just(""))))
        elif kind == "around":
            pieces.append(draw(WORDS) + f"{{p{number}:int}}" + draw(st.sampled_from(["", ".b", "x"])))
        else:
            pieces.append(f"{{p{number}:{kind}}}")
    return "/" + "/".join(pieces)


def simple_matcher(text: str) -> re.Pattern[str]:
    """Return a regular expression that says what a pattern matches."""
    pieces = re.split(r"\{\w+:(\w+)\}", text)
    return re.compile(
        "".join(f"(?:{REGEXES[piece]})" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)),
        re.ASCII | re.DOTALL,
    )


@given(
    st.lists(pattern_texts(), min_size=1, max_size=8), st.lists(st.one_of(WORDS, st.just("")), min_size=1, max_size=5)
)
def test_the_tree_finds_a_route_exactly_where_a_simple_matcher_does(patterns: list[str], parts: list[str]) -> None:
    table, accepted = RouteTable(), []
    for text in patterns:
        try:
            pattern = parse_pattern(text)
            names = tuple(parameter.name for parameter in pattern.parameters)
            table.add(Route(pattern, ("GET",), lambda request: None, text, parameter_names=names))
        except PatternError:
            continue
        accepted.append(text)
    path = "/" + "/".join(parts)
    expected = {text for text in accepted if simple_matcher(text).fullmatch(path)}
    found = table.find("GET", path)
    if not expected:
        assert found == frozenset()
    else:
        assert isinstance(found, tuple)
        assert found[0].name in expected
        assert all(str(value) for value in found[1].values())
    missing = table.find("POST", path)
    assert missing == (frozenset({"GET", "HEAD"}) if expected else frozenset())


SEGMENT_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=20).filter(
    lambda text: text not in (".", "..")
)


@given(
    SEGMENT_TEXT,
    st.integers(-(10**17), 10**17),
    st.uuids(),
    st.decimals(-(10**9), 10**9, places=6).map(float),
    st.lists(SEGMENT_TEXT, min_size=1, max_size=4).map("/".join),
)
def test_what_url_for_builds_is_found_with_the_same_values(
    text: str, number: int, unique: uuid.UUID, fraction: float, path: str
) -> None:
    app = Wiverno()
    values = {"t": text, "n": number, "u": unique, "f": fraction, "p": path}
    seen: list[dict[str, Any]] = []

    @app.get("/x/{t}/{n:int}-{u:uuid}/{f:float}/{p:path}", name="all")
    def handler(request: Request) -> str:
        seen.append(dict(request.path_params))
        return ""

    from urllib.parse import unquote_to_bytes

    built = app.url_for("all", **values)
    assert built.isascii()
    assert not re.search(r"[\x00-\x20\x7f?#]", built)
    call(app, path=unquote_to_bytes(built).decode("latin-1"))
    assert len(seen) == 1
    assert abs(seen[0].pop("f") - values.pop("f")) < 1e-5
    assert seen == [values]


@given(st.text(max_size=60) | st.from_regex(r"bytes=[-0-9, ]{0,40}", fullmatch=True), st.integers(0, 10**6))
def test_ranges_stay_inside_the_file(text: str, size: int) -> None:
    try:
        parts = parse_ranges(text, size) or ()
    except RangeNotSatisfiable:
        return
    assert all(0 <= start < stop <= size for start, stop in parts)
    assert sum(stop - start for start, stop in parts) <= size


@given(
    st.binary(max_size=300)
    | st.from_regex(rb'--B\r\nContent-Disposition: form-data; name="[a-z]*".{0,80}', fullmatch=True),
    st.sampled_from(
        ["multipart/form-data; boundary=B", "application/x-www-form-urlencoded", "application/json", "text/plain"]
    )
    | st.text(max_size=40),
    st.text(st.characters(max_codepoint=255), max_size=40),
)
def test_whatever_arrives_is_read_or_refused(body: bytes, content_type: str, query: str) -> None:
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": query, "CONTENT_TYPE": content_type,
        "HTTP_COOKIE": query, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)),
    }  # fmt: skip
    for attribute in ("data", "form", "files", "json", "text", "query_params", "cookies", "url", "path", "id"):
        request = Request(dict(environ, **{"wsgi.input": io.BytesIO(body)}), {}, Limits())
        status = 200
        try:
            getattr(request, attribute)
        except HTTPError as error:
            status = error.status
        request.close()
        assert status in (200, 400, 413)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=10)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_comes_back_as_it_went(value: Any) -> None:
    app = Wiverno()
    app.post("/")(lambda request: {"back": request.json})
    got = call(app, "POST", body=json.dumps(value).encode())
    assert json.loads(got.body) == {"back": value}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static") / "public"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b").write_text("inside")
    (root / "out").symlink_to(root.parent)
    (root.parent / "b").write_text("outside")
    return root


@given(
    st.lists(
        st.sampled_from(["a", "b", "..", ".", "", "out", "public", "\\", "%2e%2e", "\x00", "NUL"]) | st.text(max_size=5)
    )
)
def test_nothing_leads_out_of_a_static_folder(folder: Path, parts: list[str]) -> None:
    files = StaticFiles(folder)
    try:
        located, status = Path(files.locate("/".join(parts))), 200
    except HTTPError as error:
        located, status = Path(files.root), error.status
    assert status in (200, 404)
    assert located.is_relative_to(folder.resolve())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "BREW"])
    | st.text(st.characters(max_codepoint=127), min_size=1, max_size=8),
    st.text(st.characters(max_codepoint=255), max_size=30).map(lambda text: "/" + text),
    st.sampled_from(["", "text/html", "application/json"]),
    st.booleans(),
)
def test_every_request_gets_an_answer(
    caplog: pytest.LogCaptureFixture, method: str, path: str, accept: str, debug: bool
) -> None:
    caplog.set_level(logging.CRITICAL)
    app = Wiverno(debug=debug)
    app.get("/x/{n:int}/{p:path}")(lambda request: str(1 // 0))
    app.post("/{name}/")(lambda request: request.data)
    got = call(app, method, path, HTTP_ACCEPT=accept)
    assert re.fullmatch(r"[2-5]\d\d [ -~]+", got.status)
    for name, value in got.header_list:
        assert re.fullmatch(r"[!-~]+", name)
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value)
        value.encode("latin-1")
    assert b"<script" not in got.body.lower()


@given(st.text(max_size=40), st.text(min_size=4, max_size=30))
def test_a_learnt_secret_is_in_no_text(around: str, secret: str) -> None:
    masker = Masker()
    masker.learn("password", secret)
    text = masker.text(f"{around}{secret}{around}")
    assert secret not in text or secret in MASK
