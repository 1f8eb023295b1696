"""HTTP/1.1 and HTTP/2 agree about fields, targets and authorities: what one takes or refuses, so does the other."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from wiverno.http.errors import ProtocolError
from wiverno.http.head import parse_head
from wiverno.http2.fields import BadRequest, Request, build_request, make_entry
from wiverno.wsgi.environ import describe_path

_names = st.sampled_from(
    ["x-a", "x_b", "proxy", "host", "cookie", "accept", "content-length", "content-type", "authorization", "x y", ""]
) | st.text("abz-_!~ \x00\x7f\xe9", max_size=6)
_values = st.sampled_from(["", "1", "a.example", "a=1; b=2", "a b", "x\ty", "caf\xe9"]) | st.text(
    "ab1 \t\x00\r\n\x7f\x85\xff:,", max_size=6
)
_fields = st.lists(st.tuples(_names, _values), max_size=5)
_targets = st.sampled_from(["/", "/a?b", "*", "/%20", "//a/b", "/a/../b", "a", ""]) | st.text(
    "/?#%2 \x00\x7f\xe9a*:", max_size=8
).filter(lambda text: "\r\n" not in text)
_methods = st.sampled_from(["GET", "POST", "OPTIONS", "BREW", "get", "G T", ""])
_hosts = st.sampled_from(["a.example", "A:80", "[::1]", "a b", "u@a", "a:99999", "a,b", "[::g]"])


def by_http1(method: str, target: str, host: str, fields: list[tuple[str, str]]) -> dict[str, Any] | int:
    """Return the variables that HTTP/1.1's parser sets, or the status that it refuses the request with."""
    variables: dict[str, Any] = {}
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
    try:
        found = parse_head("\r\n".join(lines).encode("latin-1"), variables, 8192, 100)
    except ProtocolError as error:
        return error.status
    describe_path(variables, found[2], "")
    return variables | {"REQUEST_METHOD": method, "REQUEST_URI": target}


def by_http2(method: str, target: str, host: str, fields: list[tuple[str, str]]) -> dict[str, Any] | int:
    """Return the same of HTTP/2."""
    pseudo = [(":method", method), (":scheme", "https"), (":path", target), ("host", host)]
    found = build_request([make_entry(*field) for field in [*pseudo, *fields]], "")
    if isinstance(found, BadRequest):
        return found.status
    assert isinstance(found, Request)
    return found.variables


def _is_comparable(method: str, target: str, fields: list[tuple[str, str]]) -> bool:
    """Leave out what the two versions write differently: line ends, blanks around values, folding, and colons."""
    return (
        not any(
            "\r\n" in value or value != value.strip(" \t") or name[:1] in ("", " ", ":") or ":" in name
            for name, value in fields
        )
        and " " not in method + target
    )


@given(_methods, _targets, _hosts, _fields)
@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_versions_agree(method: str, target: str, host: str, fields: list[tuple[str, str]]) -> None:
    """The same request in both versions gives the same variables, or is refused by both."""
    first = by_http1(method, target, host, fields)
    second = by_http2(method, target, host, fields)
    if not _is_comparable(method, target, fields):
        # What HTTP/2 takes can be written in HTTP/1.1 with the same meaning.
        assert isinstance(second, int) or first == second
        return
    if isinstance(first, int) or isinstance(second, int):
        # Content-Length is looked at by HTTP/1.1's framing, a step later.
        is_length = isinstance(first, dict) and "CONTENT_LENGTH" in first
        assert is_length or (isinstance(first, int) and isinstance(second, int)), (first, second)
    else:
        assert first == second
