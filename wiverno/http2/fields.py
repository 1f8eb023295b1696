"""The field section of a request → the CGI variables it sets (RFC 9113 §8.2, §8.3).

A decoded field is an `Entry`. `make_entry` checks everything that can be said of one field alone, with HTTP/1.1's own
functions; HPACK's table then keeps the entry, so that a field that is sent by its index costs no further check.
`build_request` checks what holds between fields, and makes the part of the environ that the request decides.

A bad field does not stop the decoding, which must go on to keep both ends' tables alike (RFC 9113 §4.3): its entry
carries the variable MALFORMED and the reason as its value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from wiverno.http.errors import ProtocolError
from wiverno.http.fields import CONTROL, combine, interned_line, parse_line
from wiverno.http.framing import decide
from wiverno.http.head import check_method, check_target, is_uri_authority
from wiverno.wsgi.environ import describe_path

Entry = tuple[str, str, int, str]
"""CGI variable, value, size in bytes as RFC 7541 §4.1 counts it, field name."""

MALFORMED: Final = "!"

# RFC 9113 §8.2.1: a name has no upper case, no colon but the first of a pseudo-field, and is a token (RFC 9110 §5.1).
_is_name: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch

# RFC 9113 §8.2.2.
_CONNECTION_SPECIFIC: Final = frozenset(
    {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
)

# RFC 9113 §8.3.1. `:protocol` is extended CONNECT's (RFC 8441), which we have not offered.
_PSEUDO: Final = frozenset({":method", ":scheme", ":authority", ":path"})

UNKNOWN: Final = -1
"""Stands for the length of a body that no Content-Length tells."""


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request head."""

    variables: dict[str, Any]
    """REQUEST_METHOD, REQUEST_URI, PATH_INFO, QUERY_STRING if there is a query, and the variables of the fields."""
    length: int
    """Bytes of body as Content-Length tells, or UNKNOWN."""
    expects_continue: bool
    is_plain: bool
    """True: no field of http.fields.CONTROL, so there is nothing that a proxy policy would have to look at."""


@dataclass(frozen=True, slots=True)
class BadRequest:
    """Why a request is not served. With status 400 it is malformed in the sense of RFC 9113 §8.1.1."""

    status: int
    message: str


def make_entry(name: str, value: str) -> Entry:
    """Check one field; both texts are latin-1."""
    size = len(name) + len(value) + 32
    try:
        variable, value = _check(name, value)
    except ProtocolError as error:
        return MALFORMED, error.message, size, name
    return variable, value, size, name


def _check(name: str, value: str) -> tuple[str, str]:
    """Return the variable and value of one field.

    Raises:
        ProtocolError: 400 for a field that makes a request malformed.
    """
    if name[:1] == ":":
        if name not in _PSEUDO:
            raise ProtocolError(400, "unknown pseudo-header field")
        if name == ":authority" and value and not is_uri_authority(value):
            raise ProtocolError(400, "invalid :authority")
        return name, value
    if not _is_name(name):
        raise ProtocolError(400, "invalid header field name")
    if name in _CONNECTION_SPECIFIC:
        raise ProtocolError(400, f"connection-specific header {name}")
    if name == "te" and value.lower() != "trailers":
        raise ProtocolError(400, "te may only be trailers")
    line = f"{name}: {value}"
    pair = interned_line(line) or parse_line(line)
    if len(pair[1]) != len(value):
        raise ProtocolError(400, "white space around a header field value")
    return pair


def build_request(entries: Sequence[Entry], prefix: str) -> Request | BadRequest:
    """Make a request of its decoded fields, or say what is wrong with them.

    Args:
        entries: the fields in their order.
        prefix: the part of the path that becomes SCRIPT_NAME, "" for none.
    """
    variables: dict[str, Any] = {variable: value for variable, value, _, _ in entries}
    try:
        if MALFORMED in variables:
            raise ProtocolError(400, variables[MALFORMED])
        if len(variables) != len(entries) or "" in variables:
            variables = _merge(entries)
        return _build(variables, entries, prefix)
    except ProtocolError as error:
        return BadRequest(error.status, error.message)


def _build(variables: dict[str, Any], entries: Sequence[Entry], prefix: str) -> Request:
    method = variables.pop(":method", None)
    target = variables.pop(":path", None)
    scheme = variables.pop(":scheme", None)
    authority = variables.pop(":authority", None)
    if method is None:
        raise ProtocolError(400, "missing :method")
    check_method(method)  # CONNECT has neither :scheme nor :path (RFC 9113 §8.5)
    if target is None or scheme is None:
        raise ProtocolError(400, "missing :path" if scheme else "missing :scheme")
    if scheme not in ("https", "http"):
        raise ProtocolError(400, "invalid :scheme")
    # RFC 9113 §8.3: pseudo-fields come first. None comes twice, so it is enough to look at as many as there are.
    for entry in entries[: 3 if authority is None else 4]:
        if entry[0][:1] != ":":
            raise ProtocolError(400, "pseudo-header field after a header field")
    if authority is not None:
        if not authority:
            raise ProtocolError(400, "empty :authority")
        # RFC 9113 §8.3.1: a Host that says otherwise makes the request malformed.
        if variables.setdefault("HTTP_HOST", authority).lower() != authority.lower():
            raise ProtocolError(400, "Host and :authority disagree")
    elif "HTTP_HOST" not in variables:
        raise ProtocolError(400, "neither :authority nor Host")
    resource = check_target(method, target)
    variables["REQUEST_METHOD"] = method
    variables["REQUEST_URI"] = target
    describe_path(variables, resource, prefix)
    if CONTROL.isdisjoint(variables):
        return Request(variables, UNKNOWN, False, True)
    framing = decide(variables, 1)
    length = framing.length if "CONTENT_LENGTH" in variables else UNKNOWN
    return Request(variables, length, framing.expects_continue, False)


def _merge(entries: Sequence[Entry]) -> dict[str, Any]:
    """Join fields that stand more than once, cookie crumbs among them (RFC 9113 §8.2.3), and leave out dropped ones.

    Raises:
        ProtocolError: 400 if a field that may stand only once stands twice, as every pseudo-field may.
    """
    found: dict[str, Any] = {}
    repeated: dict[str, list[str]] = {}
    for variable, value, _, name in entries:
        if variable not in found:
            found[variable] = value
        elif variable[:1] == ":":
            raise ProtocolError(400, f"more than one {name}")
        else:
            repeated.setdefault(variable, [found[variable]]).append(value)
    found.pop("", None)
    repeated.pop("", None)
    for variable, values in repeated.items():
        found[variable] = combine(variable, values)
    return found


def check_trailers(entries: Sequence[Entry]) -> str:
    """Return what is wrong with a trailer section (RFC 9113 §8.1), "" for nothing."""
    for variable, value, _, _ in entries:
        if variable == MALFORMED:
            return value
        if variable[:1] == ":":
            return "pseudo-header field in trailers"
    return ""
