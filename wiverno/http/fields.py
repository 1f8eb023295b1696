"""Request header fields: one line → the CGI variable it sets (RFC 3875 §4.1.18) and its value.

Two bounded intern tables make the common case cheap. `_names` maps a field name as it was written to its variable and
only names that passed the token grammar enter it. `_lines` maps a whole line to (variable, value): only for fields of
few values that are no secret, so that a line found there needs no further check. Cookies, credentials and other
personal fields are parsed each time and kept nowhere.

Both tables are shared by all threads (see tables.py); losing a race costs one more parse.
"""

from collections.abc import MutableMapping
from typing import Any, Final

from wiverno.http.errors import ProtocolError
from wiverno.http.grammar import is_authority, is_field_value, is_token
from wiverno.tables import new_table

MAX_NAMES: Final = 1024
MAX_LINES: Final = 4096
MAX_INTERNED_NAME: Final = 64  # characters; clients choose the names, so the table is bounded in both directions
MAX_INTERNED_LINE: Final = 256  # characters

# Fields that are acted upon: by framing.decide(), by the policy for proxies; and "", which means all that are dropped.
# Never interned.
CONTROL: Final = frozenset(
    {
        "",
        "CONTENT_LENGTH",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONNECTION",
        "HTTP_EXPECT",
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_BY",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_FORWARDED_SSL",
    }
)

# RFC 9110 §5.3: more than one line of these is never a list.
SINGLETONS: Final = frozenset({"HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_AUTHORIZATION"})

# Few distinct values over many requests, and nothing in them that identifies a user.
_INTERNED: Final = frozenset(
    {
        "HTTP_HOST",
        "HTTP_USER_AGENT",
        "HTTP_ACCEPT",
        "HTTP_ACCEPT_ENCODING",
        "HTTP_ACCEPT_LANGUAGE",
        "HTTP_ACCEPT_CHARSET",
        "HTTP_CACHE_CONTROL",
        "HTTP_PRAGMA",
        "HTTP_DNT",
        "HTTP_PRIORITY",
        "HTTP_TE",
        "HTTP_UPGRADE_INSECURE_REQUESTS",
        "HTTP_SEC_FETCH_SITE",
        "HTTP_SEC_FETCH_MODE",
        "HTTP_SEC_FETCH_USER",
        "HTTP_SEC_FETCH_DEST",
        "HTTP_SEC_CH_UA",
        "HTTP_SEC_CH_UA_MOBILE",
        "HTTP_SEC_CH_UA_PLATFORM",
        "HTTP_SEC_GPC",
        "HTTP_X_REQUESTED_WITH",
    }
)

# An explicit `Connection: keep-alive`, HTTP/1.1's default, which nearly every client sends.
_PERSISTENT: Final = {
    line: ("HTTP_CONNECTION", line[12:])
    for line in ("Connection: keep-alive", "Connection: Keep-Alive", "connection: keep-alive")
}

_names: MutableMapping[str, str] = new_table()
_lines: MutableMapping[str, tuple[str, str]] = new_table(_PERSISTENT)

# head.py reads the table itself: a function call a line would cost more than the look-up.
interned_line: Final = _lines.get


def variable_name(name: str) -> str:
    """Return the CGI variable for a field name, "" for a field that is dropped.

    Dropped are names with an underscore, which would merge with the dashed field of the same letters, and ``Proxy``,
    whose variable HTTP_PROXY programs take for their own environment (CVE-2016-5385).

    Raises:
        ProtocolError: 400 if the name is no token (RFC 9110 §5.1), including white space before the colon.
    """
    if not is_token(name):
        if name[-1:] in (" ", "\t"):
            raise ProtocolError(400, "white space between field name and colon")
        raise ProtocolError(400, "invalid header field name")
    variable = name.upper().replace("-", "_")
    if "_" in name or variable == "PROXY":
        variable = ""
    elif variable not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        variable = "HTTP_" + variable
    if len(name) <= MAX_INTERNED_NAME:
        if len(_names) >= MAX_NAMES:
            _names.clear()
        _names[name] = variable
    return variable


def parse_line(line: str) -> tuple[str, str]:
    """Return (variable, value) of one field line without its CRLF; the variable is "" if the field is dropped.

    Raises:
        ProtocolError: 400 for a line that is no field-line (RFC 9112 §5), obsolete folding (§5.2) and bad Hosts.
    """
    name, colon, value = line.partition(":")
    variable = _names.get(name)
    if variable is None:
        if line[:1] in (" ", "\t"):
            raise ProtocolError(400, "obsolete line folding")
        if not colon:
            raise ProtocolError(400, "header line without a colon")
        variable = variable_name(name)
    elif not colon:
        raise ProtocolError(400, "header line without a colon")
    value = value.strip(" \t")
    # isprintable() is the quick test; the grammar decides about tabs, bytes above 0x7f and control bytes.
    if not value.isprintable() and not is_field_value(value):
        raise ProtocolError(400, "control character in a header field value")
    if variable == "HTTP_HOST" and not is_authority(value):
        raise ProtocolError(400, "invalid Host header")
    if variable in _INTERNED and len(line) <= MAX_INTERNED_LINE:
        _intern(line, variable, value)
    return variable, value


def _intern(line: str, variable: str, value: str) -> None:
    if len(_lines) >= MAX_LINES:
        forget_lines()
    _lines[line] = (variable, value)


def forget_lines() -> None:
    """Empty the table of lines, but for those that were in it from the start."""
    _lines.clear()
    _lines.update(_PERSISTENT)


def merge(variables: dict[str, Any], lines: list[str]) -> None:
    """Set `variables` from field lines, joining repeated fields and leaving out dropped ones.

    Raises:
        ProtocolError: 400 if a field that may occur only once is repeated.
    """
    seen: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for line in lines:
        variable, value = parse_line(line)
        if variable in seen:
            repeated.setdefault(variable, [seen[variable]]).append(value)
        elif variable:
            seen[variable] = value
    for variable, values in repeated.items():
        seen[variable] = combine(variable, values)
    variables.pop("", None)
    variables.update(seen)


def combine(variable: str, values: list[str]) -> str:
    """Join the values of one field (RFC 9110 §5.3); cookies are joined as RFC 9113 §8.2.3 has it.

    All at once: a cookie may come in thousands of pieces, and each copy would be longer than the one before.

    Raises:
        ProtocolError: 400 if the field may occur only once.
    """
    if variable in SINGLETONS:
        raise ProtocolError(400, f"more than one {field_name(variable)} header")
    return ("; " if variable == "HTTP_COOKIE" else ", ").join(values)


def field_name(variable: str) -> str:
    """Return the field name of a CGI variable, in the usual capitals."""
    return variable.removeprefix("HTTP_").replace("_", "-").title()
