"""Requests in any pieces mean the same: the tables and generated requests, valid, mutated and refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import request_tables
from tests.support.examples import examples
from tests.support.generated import mutated_requests, valid_requests
from tests.support.reading import Reader, read, split
from tests.support.request_tables import InvalidRequest, ValidRequest
from tests.support.serving import MODES, Recorder, Served, serving

VALID = request_tables.valid_requests()
INVALID = request_tables.invalid_requests()
PERSISTENT = [request for request in VALID if request.keep_alive]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

cuts = st.sets(st.integers(1, 400), max_size=12)


def meaning(reader: Reader) -> tuple[Any, ...]:
    """What a reader has understood, without how."""
    return [vars(request) for request in reader.requests], reader.error is None, reader.is_over


def assert_read(reader: Reader, requests: list[ValidRequest]) -> None:
    found = [(r.method, r.resource, r.minor, r.variables, r.framing, r.body) for r in reader.requests]
    assert found == [
        (r.method, r.resource, r.minor, r.fields, (r.length, r.keep_alive, r.expects_continue), r.body)
        for r in requests
    ]


@given(st.lists(st.sampled_from(PERSISTENT), max_size=3), st.sampled_from(VALID), cuts)
def test_valid_requests(before: list[ValidRequest], last: ValidRequest, cut: set[int]) -> None:
    """Pipelined requests of the table mean what it says, whole, byte by byte and in random pieces."""
    data = b"".join(request.data for request in [*before, last])
    for pieces in ([data], split(data, cut), split(data, set(range(len(data))))):
        reader = read(*pieces)
        assert reader.error is None
        assert_read(reader, [*before, last])


@given(st.lists(st.sampled_from(PERSISTENT), max_size=2), st.sampled_from(INVALID), cuts)
def test_invalid_requests(before: list[ValidRequest], bad: InvalidRequest, cut: set[int]) -> None:
    """A refused request is refused in any pieces, after whatever came before it, and nothing after it is read."""
    data = b"".join(request.data for request in before) + bad.data + SMUGGLED
    for pieces in ([data], split(data, cut), split(data, set(range(len(data))))):
        reader = read(*pieces)
        assert reader.error is not None
        assert reader.error.status in bad.statuses
        assert_read(reader, before)


@given(mutated_requests() | st.binary(max_size=200), cuts)
@settings(max_examples=examples(400))
@example(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", {1})
@example(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", {2, 3})
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\n\r\n\r\n", {25})
def test_mutated_requests(data: bytes, cut: set[int]) -> None:
    """Whatever comes, only ProtocolError is raised, and the pieces make no difference."""
    whole = meaning(read(data))
    assert meaning(read(*split(data, cut))) == whole
    assert meaning(read(*split(data, set(range(len(data)))))) == whole


@given(valid_requests(), valid_requests(), cuts)
def test_generated_requests(
    first: tuple[bytes, dict[str, Any]], second: tuple[bytes, dict[str, Any]], cut: set[int]
) -> None:
    """Two generated requests are read as what they were made from."""
    data = first[0] + second[0]
    for pieces in ([data], split(data, cut)):
        reader = read(*pieces)
        assert reader.error is None
        found = [(request.method, request.target, request.body) for request in reader.requests]
        assert found == [(made["method"], made["target"], made["body"]) for _, made in (first, second)]


@pytest.fixture(params=MODES, scope="module")
def wire(request: pytest.FixtureRequest) -> Iterator[tuple[Served, Recorder]]:
    recorder = Recorder()
    with serving(recorder, **MODES[request.param]) as served:
        yield served, recorder


@pytest.mark.parametrize("request_", VALID, ids=lambda request: request.name)
def test_valid_requests_on_the_wire(wire: tuple[Served, Recorder], request_: ValidRequest) -> None:
    """The application sees what the table says, whole, byte by byte and cut in the middle of every line end."""
    served, recorder = wire
    data = request_.data
    line_ends = {at + 1 for at in range(len(data)) if data[at : at + 2] == b"\r\n"}
    expected = dict(request_.fields)
    if expected.pop("HTTP_TRANSFER_ENCODING", None):
        expected["CONTENT_LENGTH"] = str(len(request_.body))
    for pieces in ([data], split(data, line_ends), split(data, set(range(len(data))))):
        recorder.calls.clear()
        with served.client() as client:
            for piece in pieces:
                client.send(piece)
            status, fields, _ = client.response()
            while status == 100:
                status, fields, _ = client.response()
            assert status == 200
            assert (fields.get("connection") == "close") is not request_.keep_alive
        (call,) = recorder.calls
        seen = {key: value for key, value in call.environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
        length = seen.get("CONTENT_LENGTH")
        if request_.length > 0 and length != expected.get("CONTENT_LENGTH"):
            assert int(length or 0) == request_.length  # written again, without zeros in front
            seen["CONTENT_LENGTH"] = expected["CONTENT_LENGTH"]
        assert seen == expected
        assert call.body == request_.body
        assert call.environ["REQUEST_METHOD"] == request_.method
        assert call.environ["SERVER_PROTOCOL"] == f"HTTP/1.{request_.minor}"
        assert call.environ["QUERY_STRING"] == request_.resource.partition("?")[2]


@given(mutated_requests(), cuts)
@settings(max_examples=examples(60), deadline=None)
def test_mutated_requests_on_the_wire(wire: tuple[Served, Recorder], data: bytes, cut: set[int]) -> None:
    """The live server calls the application exactly for the requests that the reader read, and for nothing after."""
    served, recorder = wire
    recorder.calls.clear()
    data += SMUGGLED
    expected = read(data)
    statuses: list[int] = []
    with served.client() as client:
        try:
            for piece in split(data, cut):
                client.send(piece)
            client.end()
        except OSError:
            pass
        while True:
            try:
                # The method only matters for HEAD, which the recorder answers with a Content-Length and no content.
                number = len([status for status in statuses if status != 100])
                method = expected.requests[number].method if number < len(expected.requests) else "GET"
                statuses.append(client.response(method=method)[0])
            except (EOFError, ConnectionError):
                break
    calls = [call.environ["REQUEST_METHOD"] for call in recorder.calls]
    assert calls == [request.method for request in expected.requests]
    final = [status for status in statuses if status != 100]
    refused = [] if expected.error is None else [expected.error.status]
    assert final[: len(calls)] == [200] * len(calls)
    assert final[len(calls) :] in (refused, [])
