"""The bytes of a request head → method, target, version and CGI variables (RFC 9112 §2.1, §3, §5).

`parse_head` writes the fields straight into the dictionary that becomes the environ: the engine copies the connection's
own variables, this function adds the request's. One request then costs one dictionary and no intermediate list.
"""

from typing import Any, Final

from wiverno.http import grammar
from wiverno.http.errors import ProtocolError
from wiverno.http.fields import CONTROL, interned_line, merge, parse_line

# RFC 9110 §9.1 and RFC 5789; other tokens are valid methods and cost one more check.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})


def parse_head(
    block: bytes, variables: dict[str, Any], max_line: int, max_fields: int
) -> tuple[str, str, str, int, bool]:
    """Parse a request head without its final empty line and add the fields to `variables`.

    Args:
        block: the bytes before CRLF CRLF, leading empty line already removed.
        variables: takes HTTP_*, CONTENT_TYPE and CONTENT_LENGTH.
        max_line: bytes allowed in the request line.
        max_fields: field lines allowed.

    Returns:
        As a bare tuple, which is what the hot path can afford: the method; the target as it was sent; path and query
        in origin form (RFC 9112 §3.2.1); 0 for HTTP/1.0, 1 for HTTP/1.1; whether the request is plain: HTTP/1.1 and
        no field of fields.CONTROL, so no body, persistent, no expectation, no proxy's word.

    Raises:
        ProtocolError: 400, 414, 431, 501 or 505.
    """
    lines = block.decode("latin-1").split("\r\n")
    if len(lines) > max_fields + 1:
        raise ProtocolError(431, "too many header fields")
    first = lines[0]
    del lines[0]
    parts = first.split(" ")
    if len(first) > max_line or len(parts) != 3:
        raise request_line_error(first, max_line)
    method, target, version = parts
    if version == "HTTP/1.1":
        minor = 1
        is_plain = True
    elif version == "HTTP/1.0":
        minor = 0
        is_plain = False
    else:
        raise request_line_error(first, max_line)
    if method not in _METHODS:
        _check_method(method, target, first, max_line)

    expected = len(variables) + len(lines)
    for line in lines:
        pair = interned_line(line)
        if pair is None:
            pair = parse_line(line)
            if pair[0] in CONTROL:
                is_plain = False
        variable, value = pair
        variables[variable] = value
    if len(variables) != expected or (not is_plain and "" in variables):
        # A field is repeated or must be dropped: one count at the end costs less than a test for each line.
        merge(variables, lines)

    if minor and "HTTP_HOST" not in variables:
        raise ProtocolError(400, "missing Host header")
    if not target or target[0] != "/" or "#" in target:
        return method, target, _other_form(method, target, variables), minor, is_plain
    if not target.isprintable() and not grammar.is_target(target):
        raise ProtocolError(400, "invalid request target")
    return method, target, target, minor, is_plain


def request_line_error(line: str, max_line: int) -> ProtocolError:
    """Tell what is wrong with a request line, or with the part of one that came (RFC 9112 §3, RFC 9110 §15.5.15)."""
    if len(line) > max_line:
        return ProtocolError(414, "request line too long")
    method, _, rest = line.partition(" ")
    if not grammar.is_method(method):
        return ProtocolError(400, "invalid method")
    target, _, version = rest.rpartition(" ")
    if grammar.is_target(target) and grammar.is_version(version) and not version.startswith("HTTP/1"):
        return ProtocolError(505, "HTTP version not supported")
    return ProtocolError(400, "invalid request line")


def _other_form(method: str, target: str, variables: dict[str, Any]) -> str:
    """Return path and query for a target that is not in origin form (RFC 9112 §3.2.2–§3.2.4).

    The authority of an absolute-form target replaces Host (RFC 9112 §3.2.2).
    """
    match = grammar.split_absolute(target)
    if match is None:
        return check_target(method, target)
    if not grammar.is_target(target) or "#" in target or not is_uri_authority(match["authority"]):
        raise ProtocolError(400, "invalid request target")
    variables["HTTP_HOST"] = match["authority"]
    rest = match["rest"]
    return rest if rest.startswith("/") else "/" + rest


def check_target(method: str, target: str) -> str:
    """Return path and query of a target in origin form or asterisk form (RFC 9112 §3.2.1, §3.2.4).

    These are the two forms that ``:path`` may have in HTTP/2 (RFC 9113 §8.3.1).

    Raises:
        ProtocolError: 400.
    """
    if grammar.is_target(target) and "#" not in target:
        if target[0] == "/":
            return target
        if target == "*" and method == "OPTIONS":
            return "/"
    raise ProtocolError(400, "invalid request target")


def is_uri_authority(text: str) -> bool:
    """Tell whether `text` is the authority of an http or https URI: it has a host (RFC 9110 §4.2)."""
    return text[:1] not in ("", ":") and grammar.is_authority(text)


def check_method(method: str) -> None:
    """Reject what is not a method, and CONNECT: an origin server has no tunnel to offer (RFC 9110 §9.3.6).

    Raises:
        ProtocolError: 400 or 501.
    """
    if method in _METHODS:
        return
    if not grammar.is_method(method):
        raise ProtocolError(400, "invalid method")
    if method == "CONNECT":
        raise ProtocolError(501, "CONNECT is not implemented")


def _check_method(method: str, target: str, line: str, max_line: int) -> None:
    """Reject what `check_method` rejects, and other errors of the line (RFC 9112 §3.2.3)."""
    if not grammar.is_method(method):
        raise request_line_error(line, max_line)
    if method == "CONNECT":
        match = grammar.split_authority(target)
        if match is None or not match["port"] or not match["host"] or not grammar.is_authority(target):
            raise ProtocolError(400, "invalid request target")
    check_method(method)
