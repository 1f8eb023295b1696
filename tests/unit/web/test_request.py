"""The request is a lazy view of the environ; what a client got wrong is 400 or 413, never an empty answer."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from werkzeug.datastructures import ImmutableMultiDict

from wiverno.web.errors import HTTPError
from wiverno.web.forms import Limits
from wiverno.web.request import Request
from wiverno.web.values import MissingValue


def request_with(body: bytes = b"", limits: Limits | None = None, **environ: Any) -> Request:
    complete = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http",
        "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": "server", "SERVER_PORT": "8000", **environ,
    }  # fmt: skip
    return Request(complete, {}, limits or Limits())


def status_of(request: Request, attribute: str) -> int:
    with pytest.raises(HTTPError) as caught:
        getattr(request, attribute)
    return caught.value.status


def test_what_was_asked_for() -> None:
    request = request_with(
        PATH_INFO="/ä b".encode().decode("latin-1"),
        SCRIPT_NAME="/m",
        QUERY_STRING="a=1&a=2&b=%C3%A9&c",
        HTTP_HOST="h:1",
    )
    assert (request.method, request.path, request.raw_path, request.root_path) == (
        "POST",
        "/ä b",
        "/m/%C3%A4%20b",
        "/m",
    )
    assert request.query_params.getlist("a") == ["1", "2"]
    assert (request.query_params["b"], request.query_params["c"]) == ("é", "")
    assert request.query_params is request.query_params, "read once"
    assert request.url == "http://h:1/m/%C3%A4%20b?a=1&a=2&b=%C3%A9&c"
    assert repr(request) == "<Request POST /m/%C3%A4%20b>"


@pytest.mark.parametrize(
    ("environ", "host", "url"),
    [
        ({"HTTP_HOST": "example.org"}, "example.org", "http://example.org/"),
        ({}, "server:8000", "http://server:8000/"),
        ({"SERVER_PORT": "80"}, "server", "http://server/"),
        ({"SERVER_PORT": "443", "wsgi.url_scheme": "https"}, "server", "https://server/"),
    ],
)
def test_host(environ: dict[str, Any], host: str, url: str) -> None:
    request = request_with(**environ)
    assert (request.host, request.url, request.is_secure) == (host, url, url.startswith("https"))


def test_who_asked() -> None:
    request = request_with(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="1.2.3.4", HTTP_COOKIE='a=1; b="x y"; a=2; bad')
    assert request.client_ip == "10.0.0.1", "forwarded headers are the server's to judge"
    assert (request.headers["x-forwarded-for"], request.headers.get("X-Nothing")) == ("1.2.3.4", None)
    assert (request.cookies["a"], request.cookies.getlist("a"), request.cookies["b"]) == ("1", ["1", "2"], "x y")
    assert request_with().client_ip is None
    assert request_with(HTTP_COOKIE="a=\xff; b=2").cookies == ImmutableMultiDict([("a", "\ufffd"), ("b", "2")])


def test_the_id_is_the_clients_if_harmless() -> None:
    assert request_with(HTTP_X_REQUEST_ID="abc-1.2_3~").id == "abc-1.2_3~"
    for harmful in ("", "a b", "a\nb", "<x>", "x" * 65, "é"):
        assert request_with(HTTP_X_REQUEST_ID=harmful).id.isalnum()
    request = request_with()
    assert request.id == request.id


@pytest.mark.parametrize("query", ["a=%FF", "\xff=1", "%C3=1"])
def test_a_query_that_is_no_utf8_is_400(query: str) -> None:
    assert status_of(request_with(QUERY_STRING=query), "query_params") == 400


def test_a_query_of_a_hundred_thousand_keys_is_413() -> None:
    assert status_of(request_with(QUERY_STRING="&".join(f"k{n}" for n in range(100_000))), "query_params") == 413
    assert len(request_with(QUERY_STRING="&".join(f"k{n}" for n in range(1000))).query_params) == 1000


def test_the_body_as_bytes_text_and_pieces() -> None:
    assert request_with(b"abc").body == b"abc"
    assert request_with("é".encode()).text == "é"
    assert request_with(b"\xe9", CONTENT_TYPE="text/plain; charset=ISO-8859-1").text == "é"
    assert list(request_with(b"abcdef").iter_body(4)) == [b"abcd", b"ef"]
    assert request_with(b"abc").stream.read() == b"abc"
    assert request_with(b"abcXXX", CONTENT_LENGTH="3").body == b"abc"
    assert request_with(b"no length", CONTENT_LENGTH="").body == b""
    chunked: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    assert request_with(b"chunked", **chunked).body == b"chunked"


@pytest.mark.parametrize(
    ("body", "environ", "attribute", "status"),
    [
        (b"\xff", {}, "text", 400),
        (b"x", {"CONTENT_TYPE": "text/plain; charset=klingon"}, "text", 400),
        (b"x", {"CONTENT_TYPE": "text/plain; charset=hex"}, "text", 400),
        (b"abc", {"CONTENT_LENGTH": "9"}, "body", 400),
        (b"x" * 11, {}, "body", 413),
        (b"x" * 11, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, "body", 413),
        (b"x", {"CONTENT_LENGTH": "9" * 18}, "body", 413),
    ],
)
def test_bodies_that_are_refused(body: bytes, environ: dict[str, Any], attribute: str, status: int) -> None:
    assert status_of(request_with(body, Limits(body_bytes=10), **environ), attribute) == status


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9" * 19, "٣"])
def test_a_content_length_that_is_none(text: str) -> None:
    assert request_with(CONTENT_LENGTH=text).content_length is None


def test_json() -> None:
    assert request_with(b'\xef\xbb\xbf{"a": [1, 2.5, null, "\xc3\xa9"]}').json == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"a":1} x', 400),
        (b"NaN", 400),
        (b"[Infinity]", 400),
        (b'"\xff"', 400),
        (b"[" * 100 + b"]" * 100, 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 400),
        (b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}", 413),
        (b"9" * 5000, 400),
    ],
)
def test_json_that_is_refused(body: bytes, status: int) -> None:
    assert status_of(request_with(body), "json") == status


@pytest.mark.parametrize("body", [b'["title"]', b"[]", b"5", b"-2.5", b'"title"'])
def test_json_that_is_no_object_has_no_members(body: bytes) -> None:
    """Asking it for a member is the client's mistake; otherwise it is the value that it is."""
    value = request_with(body).json
    with pytest.raises(MissingValue, match="'title'") as caught:
        _ = value["title"]
    assert caught.value.status == 400
    assert (value, json.dumps(value)) == (json.loads(body), json.dumps(json.loads(body)))
    assert isinstance(value, type(json.loads(body)))


def test_items_of_a_json_array() -> None:
    value = request_with(b"[1, 2]").json
    assert (value[0], value[-1], value[:1]) == (1, 2, [1])
    with pytest.raises(MissingValue, match="no item 2"):
        _ = value[2]
    assert request_with(b'"ab"').json[1] == "b"


def test_brackets_in_strings_are_no_depth() -> None:
    text = '"' + "[" * 1000 + '\\"' + "{:" * 1000 + '"'
    assert request_with(f"[{text}]".encode()).json == ["[" * 1000 + '"' + "{:" * 1000]


def test_where_json_went_wrong_is_said() -> None:
    with pytest.raises(HTTPError, match=r"The body is not JSON \(line 2, column 3\)"):
        _ = request_with(b"{\n  x").json


def test_urlencoded_forms() -> None:
    request = request_with(b"a=1&a=2&b=%C3%A9+x", CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8")
    assert (request.form.getlist("a"), request.form["b"], len(request.files)) == (["1", "2"], "é x", 0)
    assert request.data is request.form


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"a=\xff", 400), (b"a=%FF", 400), (b"&".join(b"k%d=1" % n for n in range(100_000)), 413)],
)
def test_urlencoded_forms_that_are_refused(body: bytes, status: int) -> None:
    assert status_of(request_with(body, CONTENT_TYPE="application/x-www-form-urlencoded"), "form") == status


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Encode parts of (further disposition, content)."""
    pieces = [
        b"--B\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (head.encode(), body) for head, body in parts
    ]
    return b"".join(pieces) + b"--B--\r\n"


MULTIPART: dict[str, Any] = {"CONTENT_TYPE": "multipart/form-data; boundary=B"}


def test_multipart_forms() -> None:
    body = multipart(('name="a"', "é".encode()), ('name="f"; filename="x.txt"', b"content"), ('name="a"', b"2"))
    request = request_with(body, **MULTIPART)
    assert request.form == ImmutableMultiDict([("a", "é"), ("a", "2")])
    file = request.files["f"]
    assert (file.filename, file.read()) == ("x.txt", b"content")
    assert request.data is request.form
    assert request.has_files
    request.close()
    assert file.stream.closed


def test_a_large_upload_goes_to_a_temporary_file() -> None:
    body = multipart(('name="f"; filename="x"', b"x" * 2_000_000))
    request = request_with(body, **MULTIPART)
    file = request.files["f"]
    assert isinstance(file.stream.fileno(), int), "no longer in memory"
    assert len(file.read()) == 2_000_000
    request.close()


@pytest.mark.parametrize(
    ("body", "environ", "status"),
    [
        (b"", MULTIPART, 400),
        (b"nothing of the kind", MULTIPART, 400),
        (multipart(('name="a"', b"1"))[:-8], MULTIPART, 400),
        (multipart(('name="a"', b"\xff")), MULTIPART, 400),
        (multipart(("x", b"1")), MULTIPART, 400),
        (b"--B\r\nX: y\r\n\r\n1\r\n--B--\r\n", MULTIPART, 400),
        (b"--B\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n1\r\n--B--\r\n", MULTIPART, 400),
        (multipart(('name="a"', b"1")), {"CONTENT_TYPE": "multipart/form-data"}, 400),
        (multipart(('name="a"', b"1")), {"CONTENT_TYPE": "multipart/form-data; boundary=é"}, 400),
        (multipart(('name="a"', b"1")), {"CONTENT_TYPE": f"multipart/form-data; boundary={'x' * 300}"}, 400),
        (multipart(('name="a"', b"1")), {**MULTIPART, "CONTENT_LENGTH": "9999"}, 400),
        (multipart(*(('name="a"', b"") for _ in range(100_000))), MULTIPART, 413),
        (multipart(*(('name="a"; filename="f"', b"") for _ in range(1001))), MULTIPART, 413),
        (multipart(('name="a"', b"x" * 2_000_000)), MULTIPART, 413),
        (multipart(*(('name="a"', b"x" * 300_000) for _ in range(5))), MULTIPART, 413),
        (b"--B\r\nContent-Disposition: form-data; name=" + b"x" * 2_000_000, MULTIPART, 413),
        (b"x" * 2_000_000, MULTIPART, 413),
    ],
)  # fmt: skip
def test_multipart_forms_that_are_refused(body: bytes, environ: dict[str, Any], status: int) -> None:
    assert status_of(request_with(body, **environ), "form") == status


def test_a_body_of_another_kind_has_no_form() -> None:
    request = request_with(b"abc", CONTENT_TYPE="text/plain")
    assert (len(request.form), len(request.files), request.data) == (0, 0, b"abc")


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json; charset=utf-8"])
def test_data_follows_the_content_type(kind: str) -> None:
    assert request_with(b'{"a":1}', CONTENT_TYPE=kind).data == {"a": 1}
    assert status_of(request_with(b"", CONTENT_TYPE=kind), "data") == 400


def test_making_a_request_reads_nothing() -> None:
    request = Request({})
    assert request._cache is None
    assert not request.has_files
    request.close()


def test_properties_tell_about_themselves() -> None:
    assert "cookies" in (Request.cookies.__doc__ or "")
    assert Request.query_params.__doc__


def test_a_broken_upload_leaves_no_file_open() -> None:
    """ResourceWarning is an error here: half a form, a full disk."""
    body = multipart(('name="f"; filename="x"', b"x" * 700_000), ('name="g"; filename="y"', b"y" * 700_000))
    assert status_of(request_with(body[:-100], **MULTIPART), "files") == 400

    class FullDisk(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError("disk full")
            return super().read(size)

    request = request_with(**MULTIPART)
    request.environ.update({"wsgi.input": FullDisk(body), "wsgi.input_terminated": True})
    with pytest.raises(OSError, match="disk full"):
        _ = request.files
