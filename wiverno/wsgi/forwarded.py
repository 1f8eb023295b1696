"""What trusted proxies say of the client → the environ; the same fields of other peers are removed.

Proxies speak in header fields, ``Forwarded`` (RFC 7239) or the older ``X-Forwarded-*`` family; what they say in front
of a connection's first request is read by `wiverno.http.proxy_protocol`. The fields are read strictly: a client can
forge all that its nearest trusted proxy did not write, so a value that is not understood is an error, never a guess.

The trusted fields are read into one value before anything is written; an environ is rewritten whole or not at all. Who
is trusted, and with which fields, is decided in proxy_policy.py.
"""

import re
from ipaddress import IPv6Address
from typing import NamedTuple

from wiverno.foreign_code import guarded_logger
from wiverno.http.errors import ProtocolError
from wiverno.http.grammar import is_authority
from wiverno.wsgi.proxy_fields import FIELD_NAMES

logger = guarded_logger("wiverno")

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LOGGED_VALUE_LENGTH = 200

# RFC 7239 section 4: forwarded-pair = token "=" value. An unquoted value is taken wider than a token, because proxies
# write ``host=example.com:8080`` and ``for=[::1]`` without the quotes that the grammar wants.
_PAIR = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;\\]+))""")
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")

# RFC 7239 section 6: node = nodename [":" node-port]. A name is "unknown", an obfuscated identifier that starts with
# "_", or a host name, which some proxies write into X-Forwarded-For; so is text that only resembles an address.
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_NODE = re.compile(
    rf"(?:(?P<v4>{_OCTET}(?:\.{_OCTET}){{3}})|\[(?P<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>[\w.-]+))"
    r"(?::(?P<port>\d{1,5}|_[\w.-]+))?",
    re.ASCII,
)
_BARE_V6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?", re.ASCII)
# RFC 9110 section 7.2: Host = uri-host [":" port].
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-fv:.]+\]|[\w.~!$&'()*+;=%-]+)(?::(?P<port>\d{0,5}))?", re.ASCII)


class _Malformed(ValueError):
    """A trusted field that can't be read; `field` is its name, the text says why."""

    def __init__(self, field: str, reason: str, value: str) -> None:
        super().__init__(reason)
        self.field = field
        self.value = value


class _Hop(NamedTuple):
    """What one trusted party said; an empty text is "said nothing"."""

    client: str = ""
    host: str = ""
    scheme: str = ""
    port: str = ""


def rewrite(environ: dict[str, object], names: frozenset[str], count: int) -> None:
    """Rewrite the environ from the trusted fields.

    Args:
        environ: a complete environ; REMOTE_ADDR is still the peer.
        names: the trusted fields in lower case, as in `ProxyPolicy`.
        count: how many entries, counted from the right, trusted proxies have appended.

    Raises:
        ProtocolError: 400, a trusted field is malformed; the environ is as it was.
    """
    kept: dict[str, str] = {}
    try:
        if "forwarded" in names:
            hop = _read_forwarded(environ, count, kept)
        else:
            hop = _read_x_forwarded(environ, names, count, kept)
        changes = _changes(hop, environ)
    except _Malformed as error:
        shown = ascii(error.value[:_LOGGED_VALUE_LENGTH])[1:-1]
        peer = environ["REMOTE_ADDR"]
        logger.warning('Malformed proxy header "%s" from "%s": %s value: %s', error.field, peer, error, shown)
        raise ProtocolError(400, f'Header "{error.field}" malformed.') from None
    environ.update(kept)
    environ.update(changes)


def _read_forwarded(environ: dict[str, object], count: int, kept: dict[str, str]) -> _Hop:
    """Read ``Forwarded``: the oldest trusted hop that says a thing is the one believed about it.

    Later proxies may have rewritten the host or the scheme; the oldest trusted one saw what the client asked for.
    """
    value = str(environ.get("HTTP_FORWARDED", ""))
    hops = _forwarded_hops(value)[-count:]
    kept_value = value[hops[0][0] :].strip() if hops else ""
    if value:
        kept["HTTP_FORWARDED"] = kept_value
    said: dict[str, str] = {}
    for _start, pairs in reversed(hops):
        said.update((name, text) for name, text in pairs.items() if text)
    host = said.get("host", "")
    return _Hop(
        client=_checked("Forwarded", _NODE, said.get("for", ""), value),
        host=_checked("Forwarded", _HOST, host, value).lower(),
        scheme=_scheme("Forwarded Proto=", said.get("proto", "")),
    )


def _forwarded_hops(value: str) -> list[tuple[int, dict[str, str]]]:
    """Take ``Forwarded`` apart (RFC 7239 section 4) → for each element where it starts, and its pairs.

    Raises:
        _Malformed: a pair without "=", white space inside an element, unbalanced quotes, a parameter given twice.
    """
    hops: list[tuple[int, dict[str, str]]] = []
    position, end = 0, len(value)
    while position < end:
        start = position
        while position < end and value[position] in " \t":
            position += 1
        pairs: dict[str, str] = {}
        while position < end and value[position] not in " \t,":
            if value[position] == ";":
                position += 1
                continue
            match = _PAIR.match(value, position)
            if match is None:
                raise _Malformed("Forwarded", "not a token, '=' and a value without white space", value)
            position = match.end()
            if position < end and value[position] not in " \t,;":
                raise _Malformed("Forwarded", "something follows a value", value)
            _add_pair(pairs, match, value)
        while position < end and value[position] in " \t":
            position += 1
        if position < end and value[position] != ",":
            raise _Malformed("Forwarded", "white space inside an element", value)
        position += 1
        if pairs:  # RFC 9110 section 5.6.1.2: empty list elements are ignored
            hops.append((start, pairs))
    return hops


def _add_pair(pairs: dict[str, str], match: re.Match[str], value: str) -> None:
    name = match[1].lower()
    if name in pairs:
        raise _Malformed("Forwarded", f"{name} given twice in one element", value)
    if name not in ("by", "for", "host", "proto"):
        logger.warning("Unknown Forwarded token: %s", name)
    pairs[name] = match[3] if match[2] is None else _QUOTED_PAIR.sub(r"\1", match[2])


def _read_x_forwarded(environ: dict[str, object], names: frozenset[str], count: int, kept: dict[str, str]) -> _Hop:
    """Read the trusted ones of the ``X-Forwarded-*`` family."""
    client = host = scheme = port = ""
    if "x-forwarded-for" in names:
        hop = _unquoted_tail(environ, "HTTP_X_FORWARDED_FOR", count, kept)
        # A bare IPv6 address has no port: its last group must not be taken for one.
        bracketed = f"[{hop}]" if _BARE_V6.fullmatch(hop) else hop
        client = _checked("X-Forwarded-For", _NODE, bracketed, hop)
    if "x-forwarded-host" in names:
        hop = _unquoted_tail(environ, "HTTP_X_FORWARDED_HOST", count, kept)
        host = _checked("X-Forwarded-Host", _HOST, hop, hop)
    if "x-forwarded-proto" in names:
        scheme = _scheme("X-Forwarded-Proto", _single(environ, "HTTP_X_FORWARDED_PROTO"))
        _refuse_conflict(scheme, str(environ.get("HTTP_X_FORWARDED_SSL", "")))
    if "x-forwarded-port" in names:
        port = _single(environ, "HTTP_X_FORWARDED_PORT")
        if port and not _is_port(port):
            raise _Malformed("X-Forwarded-Port", "not a port", port)
    return _Hop(client, host, scheme, port)


def _unquoted_tail(environ: dict[str, object], key: str, count: int, kept: dict[str, str]) -> str:
    """Cut a list field to its last `count` entries and return the leftmost of them, unquoted, or "" if none."""
    value = environ.get(key)
    if value is None:
        return ""
    # RFC 9110 section 5.6.1.2: empty list elements are ignored, so a client can't shift the count with commas.
    entries = [(entry, _unquoted(FIELD_NAMES[key], entry.strip())) for entry in str(value).split(",") if entry.strip()]
    tail = entries[-count:]
    kept[key] = ",".join(entry for entry, _ in tail).strip()
    return tail[0][1] if tail else ""


def _single(environ: dict[str, object], key: str) -> str:
    value = _unquoted(FIELD_NAMES[key], str(environ.get(key, "")).strip())
    if "," in value:
        raise _Malformed(FIELD_NAMES[key], "Unspecified behavior for multiple values found in header", value)
    return value


def _unquoted(field: str, text: str) -> str:
    """Return a quoted string's content (RFC 9110 section 5.6.4), any other text as it is."""
    if '"' not in text:
        return text
    match = _QUOTED_STRING.fullmatch(text)
    if match is None:
        raise _Malformed(field, "Invalid quoting in value", text)
    return _QUOTED_PAIR.sub(r"\1", match[1])


def _checked(field: str, pattern: re.Pattern[str], text: str, value: str) -> str:
    """Return the text if it is empty or matches, and names a port that exists or an obfuscated one."""
    if not text:
        return text
    match = pattern.fullmatch(text)
    port = match["port"] or "0" if match else ""
    if not port.startswith("_") and not _is_port(port):
        raise _Malformed(field, "not a node or host with an optional port", value)
    if pattern is _HOST and not is_authority(text):  # the rule of Host fields, which this replaces
        raise _Malformed(field, "not a host", value)
    if match and pattern is _NODE and match["v6"]:
        try:
            IPv6Address(match["v6"])
        except ValueError:
            raise _Malformed(field, "not an IPv6 address", value) from None
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535


def _scheme(field: str, text: str) -> str:
    scheme = text.lower()
    if scheme and scheme not in _DEFAULT_PORTS:
        raise _Malformed(field, "unsupported proto value", text)
    return scheme


def _refuse_conflict(scheme: str, ssl: str) -> None:
    """Refuse two fields that disagree about the scheme: an application might believe either."""
    if scheme and ssl and (ssl.strip().lower() in ("on", "1", "true", "yes")) != (scheme == "https"):
        raise _Malformed("X-Forwarded-Proto", "X-Forwarded-Ssl says otherwise", ssl)


def _changes(hop: _Hop, environ: dict[str, object]) -> dict[str, object]:
    """Say which keys of the environ take which values, given what the trusted proxies said."""
    changes: dict[str, object] = {}
    port = hop.port
    scheme = environ["wsgi.url_scheme"]
    if hop.scheme:
        scheme = changes["wsgi.url_scheme"] = hop.scheme
        port = port or _DEFAULT_PORTS[hop.scheme]
    if hop.host:
        match = _HOST.fullmatch(hop.host)
        name, host_port = (match["host"], match["port"]) if match else (hop.host, None)
        changes["SERVER_NAME"] = name
        changes["HTTP_HOST"] = hop.host
        if host_port:  # believed over X-Forwarded-Port: it is what the client wrote into its address line
            port = host_port
        elif port and port != _DEFAULT_PORTS.get(str(scheme)):
            changes["HTTP_HOST"] = f"{name}:{port}"
    if port:
        changes["SERVER_PORT"] = port
    if hop.client:
        node = _NODE.fullmatch(hop.client)
        assert node is not None  # _checked has seen it
        # RFC 3875 section 4.1.8: REMOTE_ADDR is an address. "unknown", an obfuscated identifier (RFC 7239 section 6.2
        # and 6.3) and a host name are none: the connection's own address stays, as nginx and mod_remoteip have it.
        # Applications compare REMOTE_ADDR with networks and count by it; the field still tells them the name.
        address = node["v4"] or node["v6"]
        if address:
            changes["REMOTE_ADDR"] = changes["REMOTE_HOST"] = address
            if node["port"] and node["port"].isdigit():
                changes["REMOTE_PORT"] = node["port"]
    return changes
