"""How long a request body is and whether the connection persists, decided from the head alone.

RFC 9112 §6.3 lets a server be lenient in places where leniency has let requests be smuggled past a front end. Each of
them is an error here, and the connection closes after the answer.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from wiverno.http.errors import ProtocolError, WebSocketRefusedError
from wiverno.http.grammar import is_digits, is_token

# More digits than a length of 10 ** 18 bytes needs; int() of a few thousand digits would be slow or refused.
_MAX_DIGITS: Final = 19

CHUNKED: Final = -1
"""The length of a chunked body, which is not known."""


class Framing(NamedTuple):
    """What a request head says about body and connection."""

    length: int
    """Bytes of body that follow the head; CHUNKED if chunks tell."""
    keep_alive: bool
    expects_continue: bool


def decide(variables: Mapping[str, Any], minor: int) -> Framing:
    """Decide the framing of a request (RFC 9112 §6.3, §9.3; RFC 9110 §10.1.1).

    Args:
        variables: the CGI variables that `head.parse_head` filled.
        minor: 0 for HTTP/1.0, 1 for HTTP/1.1.

    Raises:
        ProtocolError: 400, 413, 417 or 501.
        WebSocketRefusedError: the request is the opening handshake of a WebSocket.
    """
    length = _content_length(variables.get("CONTENT_LENGTH"))
    coding = variables.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        _check_transfer_encoding(coding, minor)
        if length is not None:
            raise ProtocolError(400, "both Content-Length and Transfer-Encoding")
        length = CHUNKED
    keep_alive = minor == 1  # RFC 9112 §9.3
    connection = variables.get("HTTP_CONNECTION")
    if connection is not None:
        options = {option.strip(" \t").lower() for option in connection.split(",")}
        keep_alive = "close" not in options and (minor == 1 or "keep-alive" in options)
        if "upgrade" in options and _is_websocket(variables, minor):
            raise WebSocketRefusedError
    return Framing(length or 0, keep_alive, _expectation(variables, minor))


def _content_length(value: str | None) -> int | None:
    """Return the length in bytes; 1*DIGIT and nothing else (RFC 9110 §8.6)."""
    if value is None:
        return None
    if not is_digits(value):
        raise ProtocolError(400, "invalid Content-Length header")
    value = value.lstrip("0") or "0"
    if len(value) > _MAX_DIGITS:
        raise ProtocolError(413, "request body too large")
    return int(value)


def _check_transfer_encoding(value: str, minor: int) -> None:
    """Accept exactly one ``chunked``, and only in HTTP/1.1 (RFC 9112 §6.1)."""
    if minor == 0:
        raise ProtocolError(400, "Transfer-Encoding in an HTTP/1.0 request")
    if value.lower() == "chunked":
        return
    codings = [coding.strip(" \t").partition(";")[0].rstrip(" \t").lower() for coding in value.split(",")]
    if not all(map(is_token, codings)) or codings.count("chunked") > 1:
        raise ProtocolError(400, "invalid Transfer-Encoding header")
    raise ProtocolError(501, "transfer coding not implemented")


def _is_websocket(variables: Mapping[str, Any], minor: int) -> bool:
    """Tell whether this is the opening handshake of RFC 6455 §4.1, whole.

    Any other Upgrade is ignored (RFC 9110 §7.8): `h2c`, one in an HTTP/1.0 request, and one without the handshake's
    key, which proxies send with every request if they are configured so.
    """
    protocols = {protocol.strip(" \t").lower() for protocol in variables.get("HTTP_UPGRADE", "").split(",")}
    is_complete = minor == 1 and "HTTP_SEC_WEBSOCKET_KEY" in variables
    return is_complete and "websocket" in protocols and variables.get("REQUEST_METHOD") == "GET"


def _expectation(variables: Mapping[str, Any], minor: int) -> bool:
    """Tell whether the client waits for 100 (RFC 9110 §10.1.1); from HTTP/1.0 the field is ignored."""
    value = variables.get("HTTP_EXPECT")
    if value is None or minor == 0:
        return False
    if {member.strip(" \t").lower() for member in value.split(",")} - {"100-continue", ""}:
        raise ProtocolError(417, "unknown expectation")
    return True
