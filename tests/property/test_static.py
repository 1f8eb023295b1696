"""Whatever a path is made of, what is sent is a public file of the directory; whatever a range is, it is inside."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.static_sites import SECRET, make_site
from tests.support.wsgi import call
from wiverno.static.conditions import parse_date
from wiverno.static.encodings import ENDINGS, accepted_codings
from wiverno.static.mounts import Mount
from wiverno.static.site import StaticSite
from wiverno.wsgi.file_wrapper import FileWrapper

NAMES = st.sampled_from([
    "..", ".", "", "css", "site.css", "secret.txt", "out", "stolen.txt", "etc", "passwd", "styles", "alias.css", ".git",
    "config", ".env", "settings.py~", "index.html", "\0", "\\", "..\\", "%2e%2e", "..;", "... ", "CON", "a:b", "pipe",
    "zero", "self", "root", "\xc0\xae\xc0\xae", "\xff", "site.css/", "site.css\0.png", "empty", ".well-known", "acme",
])  # fmt: skip
PATHS = st.lists(NAMES | st.text(max_size=4), max_size=6).map("/".join)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "HTTP_RANGE": st.from_regex(r"bytes=[-0-9, ]{0,20}", fullmatch=True) | st.text(max_size=10),
        "HTTP_IF_NONE_MATCH": st.text(max_size=10),
        "HTTP_IF_MODIFIED_SINCE": st.text(max_size=10),
        "HTTP_IF_RANGE": st.text(max_size=10),
        "HTTP_ACCEPT_ENCODING": st.sampled_from(["gzip", "br;q=0.1, gzip", "*", "x;q=9", ""]) | st.text(max_size=10),
    },
)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"the application"]


@pytest.fixture(scope="module")
def sites() -> Iterator[list[StaticSite]]:
    """With and without an index and a fallback."""
    with tempfile.TemporaryDirectory() as folder:
        public = str(make_site(Path(folder)))
        yield [
            StaticSite(application, [Mount("/s", public)], "x"),
            StaticSite(application, [Mount("/", public, fallback=True, index="index.html")], "x"),
        ]


@given(PATHS, FIELDS, st.sampled_from(["GET", "HEAD", "POST"]))
@settings(deadline=None)
def test_no_secret_is_sent(sites: list[StaticSite], path: str, fields: dict[str, str], method: str) -> None:
    """The response is the application's, one of the server's own, or a public file or a part of one."""
    decoded = unquote_to_bytes(quote("/s/" + path, safe="/\\%;:")).decode("latin-1")
    variables: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper, **fields}
    for site in sites:
        got = call(site, method, decoded, **variables)
        assert SECRET not in got.body
        assert b"root:" not in got.body
        assert got.status[:3] in ("200", "206", "301", "304", "404", "405", "412", "416")
        if method == "HEAD" or got.status.startswith("304"):
            assert got.body in (b"", b"the application")
        elif got.status.startswith("206") and "multipart" not in got.headers["content-type"]:
            assert len(got.body) >= int(got.headers["content-length"]) > 0


@given(st.text(max_size=40))
def test_fields_are_read_or_ignored(text: str) -> None:
    """No field raises."""
    assert set(accepted_codings(text)) <= set(ENDINGS)
    assert parse_date(text) is None or isinstance(parse_date(text), int)
