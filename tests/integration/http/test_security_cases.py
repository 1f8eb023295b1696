"""Security cases 1 to 24: what comes in malformed is refused, and nothing behind it is served.

One named test a case; the inputs without a peculiarity stand in tests/data/requests/invalid with their case's number.
Every case runs against a thread pool and against a single thread.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.request_tables import invalid_requests
from tests.support.serving import MODES, Recorder, Served, serving
from tests.support.sockets import RawClient
from wiverno.http.errors import ProtocolError
from wiverno.http.head import parse_head

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Target:
    """A running server with a recorder behind it."""

    served: Served
    recorder: Recorder = field(default_factory=Recorder)

    def exchange(self, *pieces: bytes) -> list[tuple[int, dict[str, str], bytes]]:
        """Send the pieces and return the responses that come until the server closes."""
        with self.served.client() as client:
            for piece in pieces:
                try:
                    client.send(piece)
                except ConnectionError:  # refused already
                    break
            return responses(client)

    def refuses(self, data: bytes, statuses: frozenset[int] | set[int]) -> None:
        """Assert that `data` gets one answer, an error, and the end; alone, followed by a request, and byte by byte."""
        before = len(self.recorder.calls)
        for pieces in ([data], [data + SMUGGLED], [data, SMUGGLED], [data[at : at + 1] for at in range(len(data))]):
            answers = self.exchange(*pieces)
            assert [status in statuses for status, _, _ in answers] == [True], (data, answers)
            ((_, fields, _),) = answers
            assert fields["connection"] == "close"
        assert len(self.recorder.calls) == before, data

    def serves(self, data: bytes) -> dict[str, Any]:
        """Assert that `data` is answered 200, and return the texts of the environ that the application saw."""
        with self.served.client() as client:
            client.send(data)
            status, _, body = client.response()
            assert status == 200, body
            seen: dict[str, Any] = json.loads(body)["environ"]
            return seen


def responses(client: RawClient) -> list[tuple[int, dict[str, str], bytes]]:
    """Read responses until the server closes."""
    found = []
    while True:
        try:
            found.append(client.response())
        except (EOFError, ConnectionError):
            assert not client.buffer, client.buffer
            return found


@pytest.fixture(params=MODES, scope="module")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    recorder = Recorder()
    with serving(recorder, **MODES[request.param]) as served:
        yield Target(served, recorder)
        with served.client() as client:  # nothing above has hurt the server
            client.send(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response()[0] == 200


def refuses_the_table(target: Target, case: int) -> None:
    """Assert that every request of the table with this case's number is refused as the table says."""
    requests = invalid_requests(case)
    assert requests, "the table has none"
    for request in requests:
        target.refuses(request.data, request.statuses)


def test_case_01_length_and_chunks(target: Target) -> None:
    """Content-Length beside Transfer-Encoding is a 400; what follows is never served."""
    refuses_the_table(target, 1)


def test_case_02_two_lengths(target: Target) -> None:
    """Two Content-Lengths are a 400, equal or not."""
    refuses_the_table(target, 2)


def test_case_03_odd_lengths(target: Target) -> None:
    """A Content-Length that is not digits alone is a 400."""
    refuses_the_table(target, 3)


def test_case_04_length_of_5000_digits(target: Target) -> None:
    """A Content-Length that int() would refuse gets an answer."""
    target.refuses(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", {400, 413})
    refuses_the_table(target, 4)


def test_case_05_other_transfer_codings(target: Target) -> None:
    """Any transfer coding but one chunked is a 501 or 400; a Content-Length is no way out."""
    refuses_the_table(target, 5)


def test_case_06_control_bytes_around_chunked(target: Target) -> None:
    """White space that is none does not hide a transfer coding."""
    refuses_the_table(target, 6)


def test_case_07_empty_transfer_coding(target: Target) -> None:
    """An empty Transfer-Encoding, or an empty member in it, is a 400."""
    refuses_the_table(target, 7)


def test_case_08_chunks_in_http_1_0(target: Target) -> None:
    """HTTP/1.0 knows no transfer codings: 400 and close."""
    refuses_the_table(target, 8)


def test_case_09_space_before_colon(target: Target) -> None:
    """White space between field name and colon is a 400."""
    refuses_the_table(target, 9)


def test_case_10_bare_line_ends(target: Target) -> None:
    """A line feed or carriage return alone ends nothing: 400, and at once."""
    begin = time.monotonic()
    refuses_the_table(target, 10)
    assert time.monotonic() - begin < 10  # the head's deadline is 30 s


def test_case_11_control_bytes_and_names(target: Target) -> None:
    """Control bytes in values and names that are no tokens are a 400."""
    refuses_the_table(target, 11)


def test_case_12_folding(target: Target) -> None:
    """Obsolete line folding is a 400."""
    refuses_the_table(target, 12)


def test_case_13_chunk_sizes(target: Target) -> None:
    """A chunk size is hexadecimal digits and nothing else."""
    refuses_the_table(target, 13)


def test_case_14_chunk_extensions(target: Target) -> None:
    """Line ends and control bytes in chunk extensions are a 400."""
    refuses_the_table(target, 14)


def test_case_15_chunk_ends(target: Target) -> None:
    """Chunk data ends with CRLF, and no empty line stands before a size."""
    refuses_the_table(target, 15)


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 5, 8, 10, 11, 12])
def test_case_16_body_cut_short(target: Target, cut: int) -> None:
    """A chunked body that ends before its last CRLF reaches no application."""
    before = len(target.recorder.calls)
    with target.served.client() as client:
        client.send(
            b"POST /cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n0\r\n\r\n"[:cut]
        )
        client.end()
        assert [status for status, _, _ in responses(client)] in ([], [400])
    assert len(target.recorder.calls) == before


def test_case_17_trailers(target: Target) -> None:
    """Malformed and forbidden trailers are a 400; the others never reach the environ."""
    refuses_the_table(target, 17)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX-Own: head\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen = target.serves(head + b"1\r\nx\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\nX-Own: trailer\r\nX-More: trailer\r\n\r\n")
    assert seen["HTTP_X_OWN"] == "head"
    assert "HTTP_X_MORE" not in seen
    assert "HTTP_X_FORWARDED_FOR" not in seen
    assert seen["REMOTE_ADDR"] == "127.0.0.1"


def test_case_18_host(target: Target) -> None:
    """HTTP/1.1 needs exactly one valid Host."""
    refuses_the_table(target, 18)


def test_case_19_absolute_form_with_another_host(target: Target) -> None:
    """The authority of an absolute-form target replaces Host."""
    seen = target.serves(b"GET http://b.example:81/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert (seen["HTTP_HOST"], seen["PATH_INFO"], seen["QUERY_STRING"]) == ("b.example:81", "/x", "y")
    assert seen["REQUEST_URI"] == "http://b.example:81/x?y"


def test_case_20_targets(target: Target) -> None:
    """Targets in the wrong form for the method, with a fragment or empty are a 400."""
    refuses_the_table(target, 20)


def test_case_21_broken_authorities(target: Target) -> None:
    """An authority that can't be taken apart gets an answer."""
    refuses_the_table(target, 21)


def test_case_22_versions(target: Target) -> None:
    """Only HTTP/1.0 and HTTP/1.1, with single spaces, are served."""
    refuses_the_table(target, 22)


def test_case_23_methods(target: Target) -> None:
    """A method is upper case and a token, followed by a space."""
    refuses_the_table(target, 23)


@pytest.mark.parametrize("first", [True, False])
def test_case_24_underscores(target: Target, first: bool) -> None:
    """A field written with underscores never merges with, nor stands for, the dashed one."""
    pairs = [(b"X_Own: 6.6.6.6\r\n", b"X-Own: 1.2.3.4\r\n"), (b"Content_Length: 50\r\n", b"Content-Length: 2\r\n")]
    lines = b"".join(b"".join(pair if first else pair[::-1]) for pair in pairs)
    seen = target.serves(b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"X_Forwarded_For: 6.6.6.6\r\n\r\nhi")
    assert (seen["HTTP_X_OWN"], seen["CONTENT_LENGTH"]) == ("1.2.3.4", "2")
    assert not [key for key in seen if "FORWARDED" in key]
    assert target.recorder.calls[-1].body == b"hi"


def test_the_rest_of_the_table(target: Target) -> None:
    """What the table refuses without a case's number is refused on the wire as well."""
    for request in invalid_requests():
        if request.case is None:
            target.refuses(request.data, request.statuses)


@pytest.mark.parametrize("size", [64, 1024, 65536, 200000])
def test_case_28_linear_header_check(target: Target, size: int) -> None:
    """A long value that turns bad at its very end is a 400 within 50 ms of processor time."""
    for value in (b"x" * size + b"\x10", b" " * size + b"\x10", b"\t x" * (size // 3) + b"\x10"):
        block = b"GET / HTTP/1.1\r\nHost: a\r\nfoo: " + value
        times = []
        for _ in range(3):
            begin = time.thread_time()
            with pytest.raises(ProtocolError) as raised:
                parse_head(block, {}, 16384, 100)
            times.append(time.thread_time() - begin)
            assert raised.value.status == 400
        assert min(times) < 0.05
        assert [status for status, _, _ in target.exchange(block + b"\r\n\r\n" + SMUGGLED)] == [400]
    assert "/smuggled" not in target.recorder.paths
