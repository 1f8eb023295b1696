"""The same bytes through h11: what another strict implementation reads in a valid request, we read."""

from typing import Any

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.generated import valid_requests
from tests.support.reading import read
from wiverno.http.response import DateAndServer, check_head


def read_by_h11(data: bytes) -> tuple[h11.Request, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return request, body


def variables(request: h11.Request) -> dict[str, str]:
    """Return h11's fields as CGI variables, joined as RFC 9110 §5.3 joins them."""
    found: dict[str, str] = {}
    for name, value in request.headers:
        key = name.decode().upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            key = "HTTP_" + key
        text = value.decode("latin-1")
        separator = "; " if key == "HTTP_COOKIE" else ", "
        found[key] = found[key] + separator + text if key in found else text
    return found


@given(valid_requests())
@settings(max_examples=examples(300))
def test_requests(generated: tuple[bytes, dict[str, Any]]) -> None:
    """Method, target, fields and content agree."""
    data, _ = generated
    theirs, body = read_by_h11(data)
    reader = read(data)
    assert reader.error is None
    (ours,) = reader.requests
    assert ours.method == theirs.method.decode()
    assert ours.target == theirs.target.decode("latin-1")
    assert ours.variables == variables(theirs)
    assert ours.body == body


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.lists(st.binary(min_size=1, max_size=30), max_size=4),
    st.booleans(),
)
def test_requests_written_by_h11(method: str, pieces: list[bytes], has_length: bool) -> None:
    """What h11 writes, with a length or in chunks, we read."""
    content = b"".join(pieces)
    framing = ("Content-Length", str(len(content))) if has_length else ("Transfer-Encoding", "chunked")
    connection = h11.Connection(h11.CLIENT)
    data = connection.send(h11.Request(method=method, target="/x", headers=[("Host", "a"), framing])) or b""
    for piece in pieces:
        data += connection.send(h11.Data(data=piece)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    reader = read(data)
    assert reader.error is None
    assert [(r.method, r.target, r.body) for r in reader.requests] == [(method, "/x", content)]


names = st.text("abcXYZ019-!~", min_size=1, max_size=10).map(lambda name: "X" + name)
values = st.text("".join(map(chr, [*range(0x21, 0x7F), *range(0x80, 0x100), 0x20, 9])), max_size=20).map(
    lambda text: text.strip(" \t")
)


@given(st.integers(200, 599), st.lists(st.tuples(names, values), max_size=6))
def test_responses(code: int, headers: list[tuple[str, str]]) -> None:
    """Every head we write is read by h11 as what was meant."""
    head = check_head(f"{code} Any Reason", headers)
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.receive_data(head.prefix + DateAndServer("me").closing())
    response = connection.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == code
    read_back = [(name.decode(), value.decode("latin-1")) for name, value in response.headers.raw_items()]
    assert read_back[:-2] == headers
    assert [name for name, _ in read_back[-2:]] == ["Date", "Server"]
