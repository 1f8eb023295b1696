"""Hypothesis strategies after the grammar of RFC 9112: valid requests, and the same with mutations."""

from typing import Any

from hypothesis import strategies as st

TCHARS = "!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Without the underscore: fields that have one are dropped."""

_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_OBS_TEXT = "".join(map(chr, range(0x80, 0x100)))

# Fields with a meaning for the connection, and those that may stand only once or are dropped.
_RESERVED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "expect", "content-type", "authorization", "proxy"}
)

methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "M-SEARCH", "X!"])
paths = st.text(_VISIBLE.replace("#", ""), max_size=40).map(lambda text: "/" + text)
field_names = st.text(TCHARS, min_size=1, max_size=15).filter(lambda name: name.lower() not in _RESERVED)
field_values = st.text(_VISIBLE + _OBS_TEXT + " \t", max_size=30).map(lambda text: text.strip(" \t"))
fields = st.lists(st.tuples(field_names, field_values), max_size=8)
hosts = st.sampled_from(["a", "example.com:8080", "[::1]", "192.0.2.1:80", ""])


def _chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[tuple[str, str]], bytes, bytes]:
    """Return the fields that frame a body, the body's bytes on the wire, and its content."""
    kind = draw(st.sampled_from(["none", "length", "chunks"]))
    if kind == "none":
        return [], b"", b""
    if kind == "length":
        content = draw(st.binary(max_size=40))
        return [("Content-Length", str(len(content)))], content, content
    pieces = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    return [("Transfer-Encoding", "chunked")], _chunked(pieces), b"".join(pieces)


@st.composite
def valid_requests(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """Return a valid request that keeps its connection, and what it means."""
    method, target, others = draw(methods), draw(paths), draw(fields)
    framing, wire, content = draw(bodies())
    host = draw(hosts)
    lines = draw(st.permutations([("Host", host), *framing, *others]))
    space = draw(st.sampled_from([": ", ":", ":\t ", ": "]))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}{space}{value}\r\n" for name, value in lines) + "\r\n"
    meaning = {"method": method, "target": target, "fields": lines, "body": content}
    return head.encode("latin-1") + wire, meaning


# What has confused one parser or another.
_TRICKS = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\0", b" ", b"\t", b"\x0b", b"\xa0", b"\x85", b":", b",", b";",
           b'"', b"\\", b"-1", b"+1", b"0x", b"_", b"0\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
           b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding:\r\n chunked\r\n",
           b"Host: b\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0", b"HTTP/1.1",
           b"X_Y: z\r\n", b"GET / HTTP/1.1\r\n", b"#", b"*", b"http://b", b"\xff", b"\x7f", b"f" * 16]  # fmt: skip


@st.composite
def mutated_requests(draw: st.DrawFn) -> bytes:
    """Return one or two valid requests with bytes inserted, removed, replaced or doubled."""
    data = bytearray(b"".join(draw(valid_requests())[0] for _ in range(draw(st.integers(1, 2)))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 6))
        kind = draw(st.sampled_from(["insert", "remove", "replace", "double", "byte"]))
        if kind == "insert":
            data[at:at] = draw(st.sampled_from(_TRICKS))
        elif kind == "remove":
            del data[at : at + length]
        elif kind == "replace":
            data[at : at + length] = draw(st.sampled_from(_TRICKS))
        elif kind == "double":
            data[at:at] = data[at : at + 10 * length]
        elif at < len(data):
            data[at] = draw(st.integers(0, 255))
    return bytes(data)
