"""What is known of a request whose head was not parsed: for the access log, where such requests must be found.

A head that breaks the protocol or a limit, or that did not arrive in time, has not been parsed. Its first line usually
names the method and the target all the same.
"""

import re
from typing import Final

from wiverno.http.buffer import HeadBuffer
from wiverno.wsgi_types import Environ

MAX_LINE: Final = 1024  # bytes of the request line that are read, and so the longest target in a log

_find_line: Final = re.compile(
    rb"(?:\r\n)?([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([^ \r\n]*)(?: +(HTTP/[0-9]\.[0-9])\r)?"
).match


def describe_partial(environ: Environ, received: bytes) -> Environ:
    """Return a copy of an environ, with method, target and version from the beginning of an unparsed head.

    Args:
        environ: the connection's variables, or those of a request whose parsing has begun.
        received: the first bytes of the head, at most MAX_LINE of them; the line need not be complete.
    """
    known = environ.copy()
    if known.get("REQUEST_URI"):
        return known
    found = _find_line(received[:MAX_LINE] + b"\r")
    if found is not None:
        method, target, version = found.groups()
        known["REQUEST_METHOD"] = method.decode("ascii")
        known["REQUEST_URI"] = target.decode("latin-1")
        if version is not None:
            known["SERVER_PROTOCOL"] = version.decode("ascii")
    return known


def describe_buffered(environ: Environ, partial: HeadBuffer | None) -> Environ:
    """Do the same with what a connection has received, if anything."""
    return describe_partial(environ, partial.start(MAX_LINE) if partial is not None else b"")
