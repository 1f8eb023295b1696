"""The environ: paths as PEP 3333 carries them, bodies, and an empty input that all may share."""

import io

import pytest

from wiverno.wsgi.environ import EMPTY_BODY, describe_body, describe_path, listener_variables
from wiverno.wsgi_types import Environ


@pytest.mark.parametrize(
    ("resource", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b", "/a/b", ""),
        ("/a?b=c?d", "/a", "b=c?d"),
        ("/?", "/", ""),
        ("/a%20b%2Fc", "/a b/c", ""),
        ("/%c3%a4", "/\xc3\xa4", ""),
        ("/\xc3\xa4", "/\xc3\xa4", ""),
        ("/%", "/%", ""),
        ("/%zz%4", "/%zz%4", ""),
        ("/a+b", "/a+b", ""),
        ("/%25%32%30", "/%20", ""),
        ("//evil.example/x", "/evil.example/x", ""),
        ("/%2f%2fevil", "/evil", ""),
        ("/a//b/../c", "/a//b/../c", ""),
        ("/a?%20%C3", "/a", "%20%C3"),
    ],
)
def test_paths(resource: str, path: str, query: str) -> None:
    """Percent-decoded once, carried as latin-1, slashes in front folded; the query as it was sent."""
    environ: Environ = {"QUERY_STRING": ""}
    describe_path(environ, resource, "")
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("/p", ""),
        ("/p/", "/"),
        ("/p/x", "/x"),
        ("/p?q", ""),
        ("/px", "/px"),
        ("/", "/"),
        ("/x/p/y", "/x/p/y"),
        ("/%70/x", "/x"),
    ],
)
def test_prefix(resource: str, path: str) -> None:
    """url_prefix is taken off where it stands as whole segments."""
    environ: Environ = {"QUERY_STRING": ""}
    describe_path(environ, resource, "/p")
    assert environ["PATH_INFO"] == path


def test_body() -> None:
    """A chunked body has a length for the application, and no transfer coding."""
    body = io.BytesIO(b"hello")
    environ: Environ = {"HTTP_TRANSFER_ENCODING": "chunked"}
    describe_body(environ, 5, body)
    assert environ == {"wsgi.input": body, "CONTENT_LENGTH": "5"}


def test_no_body() -> None:
    """The shared empty input is at its end, whatever is asked, and survives close()."""
    for _ in range(2):
        assert (
            EMPTY_BODY.read()
            == EMPTY_BODY.read(5)
            == EMPTY_BODY.read(-1)
            == EMPTY_BODY.readline()
            == EMPTY_BODY.readline(1)
            == b""
        )
        assert EMPTY_BODY.readlines() == EMPTY_BODY.readlines(1) == list(EMPTY_BODY) == []
        assert EMPTY_BODY.readinto(bytearray(1)) == 0
        assert EMPTY_BODY.readable()
        assert not EMPTY_BODY.closed
        EMPTY_BODY.close()
    assert io.TextIOWrapper(io.BytesIO(EMPTY_BODY.read())).read() == ""


def test_listener_variables() -> None:
    """What PEP 3333 requires is there, with the types it requires."""
    variables = listener_variables(
        server_name="s", server_port="80", software="w", scheme="https", prefix="/p", threads=True, processes=False
    )
    assert variables["wsgi.version"] == (1, 0)
    assert (variables["wsgi.url_scheme"], variables["SCRIPT_NAME"], variables["SERVER_PORT"]) == ("https", "/p", "80")
    assert (variables["wsgi.multithread"], variables["wsgi.multiprocess"], variables["wsgi.run_once"]) == (
        True,
        False,
        False,
    )
    assert variables["wsgi.input_terminated"] is True
    assert all(type(value) is str for key, value in variables.items() if key.isupper())
