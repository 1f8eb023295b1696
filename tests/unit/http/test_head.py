"""Request heads, from the tables under tests/data/requests."""

from typing import Any

import pytest

from tests.support.request_tables import InvalidRequest, ValidRequest, invalid_requests, valid_requests
from wiverno.http import framing
from wiverno.http.errors import ProtocolError
from wiverno.http.head import check_method, check_target, is_uri_authority, parse_head

VALID = valid_requests()
# Bodies have their own tests; a head that a bare line feed ends is only seen by who looks for its end.
INVALID_HEADS = [
    request
    for request in invalid_requests()
    if b"\r\n\r\n" in request.data.lstrip(b"\r\n") and not request.name.startswith("chunked:")
]


def parse(block: bytes, variables: dict[str, Any], max_line: int = 16384, max_fields: int = 100) -> Any:
    return parse_head(block, variables, max_line, max_fields)


@pytest.mark.parametrize("request_", VALID, ids=lambda request: request.name)
def test_valid(request_: ValidRequest) -> None:
    """A valid head means what the table says, the first time and from the intern tables."""
    for _ in range(2):
        variables: dict[str, Any] = {}
        method, target, resource, minor, is_plain = parse(request_.head, variables)
        assert (method, resource, minor, variables) == (
            request_.method,
            request_.resource,
            request_.minor,
            request_.fields,
        )
        assert target.encode("latin-1") == request_.data.split(b" ")[1]
        decided = framing.decide(variables, minor)
        assert decided == (request_.length, request_.keep_alive, request_.expects_continue)
        if is_plain:  # the shortcut says that framing has nothing to add
            assert decided == (0, True, False)


def parse_and_decide(block: bytes) -> None:
    variables: dict[str, Any] = {}
    _, _, _, minor, is_plain = parse(block, variables)
    assert not is_plain
    framing.decide(variables, minor)


@pytest.mark.parametrize("request_", INVALID_HEADS, ids=lambda request: request.name)
def test_invalid(request_: InvalidRequest) -> None:
    """An invalid head is refused with one of the statuses of the table, however often it comes."""
    for _ in range(2):
        with pytest.raises(ProtocolError) as raised:
            parse_and_decide(request_.data.removeprefix(b"\r\n").partition(b"\r\n\r\n")[0])
        assert raised.value.status in request_.statuses
        assert raised.value.message.isascii()


def test_the_connections_variables_stay() -> None:
    """Fields are added to what the connection says of itself."""
    variables: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}
    parse(b"GET / HTTP/1.1\r\nHost: a\r\nRemote-Addr: 6.6.6.6", variables)
    assert variables == {"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "a", "HTTP_REMOTE_ADDR": "6.6.6.6"}


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"GET /" + b"x" * 86 + b" HTTP/1.1\r\nHost: a", None),
        (b"GET /" + b"x" * 87 + b" HTTP/1.1\r\nHost: a", 414),
        (b"GET " + b"x" * 1000, 414),
        (b"x" * 1000, 414),
        (b"GET / HTTP/1.1\r\nHost: a" + b"\r\nX: y" * 3, None),
        (b"GET / HTTP/1.1\r\nHost: a" + b"\r\nX: y" * 4, 431),
        (b"GET / HTTP/1.1\r\n" + b"\r\n".join(b"X%d: y" % n for n in range(10000)), 431),
    ],
)
def test_limits(block: bytes, status: int | None) -> None:
    """A request line of 100 bytes and four fields pass limits of 100 and 4; one more of either does not."""
    if status is None:
        parse(block, {}, 100, 4)
        return
    with pytest.raises(ProtocolError) as raised:
        parse(block, {}, 100, 4)
    assert raised.value.status == status


@pytest.mark.parametrize("name", ["Connection", "connection"])
def test_keep_alive_said_aloud_is_plain(name: str) -> None:
    """HTTP/1.1's default, said as browsers and load generators say it, stays on the short path."""
    variables: dict[str, Any] = {}
    *_, is_plain = parse(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: keep-alive".encode(), variables)
    assert is_plain
    assert variables["HTTP_CONNECTION"] == "keep-alive"


@pytest.mark.parametrize(
    "field", ["Connection: close", "Content-Length: 1", "Transfer-Encoding: chunked", "Expect: 100-continue"]
)
def test_control_fields_are_not_plain(field: str) -> None:
    """Whatever steers framing is never skipped, also after keep-alive and from the intern tables."""
    for _ in range(2):
        *_, is_plain = parse(f"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n{field}".encode(), {})
        assert not is_plain


@pytest.mark.parametrize(("method", "target", "resource"), [("GET", "/a?b", "/a?b"), ("OPTIONS", "*", "/")])
def test_targets_that_both_versions_share(method: str, target: str, resource: str) -> None:
    """Origin form stays as it is, the asterisk of OPTIONS is the root."""
    assert check_target(method, target) == resource


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", ""), ("GET", "*"), ("GET", "a"), ("GET", "/a b"), ("GET", "/#f"), ("GET", "/\0"), ("GET", "http://a/")],
)
def test_targets_that_neither_version_takes(method: str, target: str) -> None:
    """What is in neither form, or holds white space, control bytes or a fragment, is a 400."""
    with pytest.raises(ProtocolError) as raised:
        check_target(method, target)
    assert raised.value.status == 400


@pytest.mark.parametrize(("method", "status"), [("get", 400), ("G T", 400), ("", 400), ("CONNECT", 501)])
def test_methods_that_neither_version_takes(method: str, status: int) -> None:
    """What is no method is a 400; CONNECT is not implemented."""
    check_method("BREW")
    with pytest.raises(ProtocolError) as raised:
        check_method(method)
    assert raised.value.status == status


def test_authority_of_a_uri_has_a_host() -> None:
    """Host may be empty in HTTP/1.1, the authority of an http URI may not."""
    assert [is_uri_authority(text) for text in ("a", "a:1", "", ":1", "a@b")] == [True, True, False, False, False]
