"""What is known of a request that the server answers by itself: for the access log, where such requests must be found.

A head that breaks the protocol or a limit, or that did not come in time, has not been parsed. Its first line usually
says all the same what was asked for.
"""

import re
from typing import Final

from wiverno.http.buffer import HeadBuffer
from wiverno.wsgi.environ import Environ

MAX_LOOK: Final = 1024  # bytes of the first line that are looked at, and so the longest target in a log

_find_line: Final = re.compile(
    rb"(?:\r\n)?([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([^ \r\n]*)(?: +(HTTP/[0-9]\.[0-9])\r)?"
).match


def as_far_as_known(environ: Environ, received: bytes) -> Environ:
    """Return a copy of an environ, with method, target and version from the beginning of an unparsed head.

    Args:
        environ: the connection's variables, or those of a request whose parsing has begun.
        received: the first bytes of the head, at most MAX_LOOK of them; they need not be a whole line.
    """
    known = environ.copy()
    if known.get("REQUEST_URI"):
        return known
    found = _find_line(received[:MAX_LOOK] + b"\r")
    if found is not None:
        method, target, version = found.groups()
        known["REQUEST_METHOD"] = method.decode("ascii")
        known["REQUEST_URI"] = target.decode("latin-1")
        if version is not None:
            known["SERVER_PROTOCOL"] = version.decode("ascii")
    return known


def asked_by(base: Environ, partial: HeadBuffer | None) -> Environ:
    """Return what is known of a request of which `partial` has been received on the connection with these variables."""
    return as_far_as_known(base, partial.start(MAX_LOOK) if partial is not None else b"")
