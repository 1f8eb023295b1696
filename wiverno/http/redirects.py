"""From a request on the plain port to the address of the same page over TLS: pure text.

Host and target come from the client, so only what the grammar of URIs allows is repeated, and the rest is escaped.
"""

import re
from typing import Final
from urllib.parse import quote

from wiverno.http.errors import ProtocolError
from wiverno.http.grammar import split_absolute, split_authority

HTTPS_PORT: Final = 443

CHALLENGES: Final = "/.well-known/acme-challenge/"

# RFC 3986 §2: a percent sign that begins no escape, and every character that is neither reserved nor unreserved.
_escaped: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]").sub

# RFC 8555 §8.3: a token has only characters of base64url. A file's name has at most 255 bytes.
_is_token: Final = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch


def https_location(authority: str, target: str, port: int) -> str:
    """Return the address over TLS of what a request asks for.

    Args:
        authority: the request's host, with the port of the plain listener or without one; checked before.
        target: the request target in any form that was accepted (RFC 9112 §3.2).
        port: where TLS is spoken.

    Raises:
        ProtocolError: 400, there is no host.
    """
    match = split_authority(authority)
    if match is None or not match["host"].strip("."):
        raise ProtocolError(400, "the request names no host, so there is no address to redirect to")
    host = _escaped(_escape, match["host"])
    absolute = split_absolute(target)
    path = target if absolute is None else absolute["rest"]
    if path == "*":
        path = ""  # RFC 9112 §3.3: the target URI of the asterisk-form has no path
    elif path[:1] != "/":
        path = "/" + path
    return f"https://{host}{'' if port == HTTPS_PORT else f':{port}'}{_escaped(_escape, path)}"


def _escape(match: re.Match[str]) -> str:
    """Return a character, which stands for one byte, as an escape."""
    return quote(match[0].encode("latin-1"), safe="")


def challenge_token(path: str) -> str | None:
    """Return the token that a path below /.well-known/acme-challenge/ names; "" if it is none, None for other paths.

    Args:
        path: the decoded path.
    """
    if not path.startswith(CHALLENGES):
        return None
    token = path[len(CHALLENGES) :]
    return token if _is_token(token) else ""
