"""Listener, connection and request line → the environ of PEP 3333.

The variables that hold for a listener are made once, those of a connection once a connection; a request copies the
connection's dictionary and adds its own. The connection's dictionary contains the names of the request's variables from
the start, so that the copy has room for them and for a browser's headers without growing.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from wiverno.standard_streams import error_stream
from wiverno.wsgi.file_wrapper import FileWrapper
from wiverno.wsgi_types import Environ


class EmptyBody:
    """``wsgi.input`` of a request without a body: at its end from the start, shared by all, immune to close()."""

    __slots__ = ()

    def read(self, size: int | None = -1, /) -> bytes:
        """Return b"", the end of input."""
        return b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return b"", the end of input."""
        return b""

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Return no lines."""
        return []

    def readinto(self, buffer: Any, /) -> int:
        """Put nothing into `buffer`."""
        return 0

    def readable(self) -> bool:
        """Tell io.BufferedReader that it may wrap this input."""
        return True

    closed: Final = False

    def close(self) -> None:
        """Do nothing: the next request shares the object."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


EMPTY_BODY: Final = EmptyBody()


def listener_variables(
    *, server_name: str, server_port: str, software: str, scheme: str, prefix: str, threads: bool, processes: bool
) -> Environ:
    """Return the variables that are the same for all connections of a listener.

    Args:
        server_name: SERVER_NAME.
        server_port: SERVER_PORT as text.
        software: SERVER_SOFTWARE.
        scheme: wsgi.url_scheme.
        prefix: SCRIPT_NAME, "" or "/x".
        threads: wsgi.multithread.
        processes: wsgi.multiprocess.
    """
    return {
        "REQUEST_METHOD": "",
        "SCRIPT_NAME": prefix,
        "PATH_INFO": "",
        "QUERY_STRING": "",
        "REQUEST_URI": "",
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": software,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": error_stream(),
        "wsgi.multithread": threads,
        "wsgi.multiprocess": processes,
        "wsgi.run_once": False,
        "wsgi.input": EMPTY_BODY,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }


def describe_path(environ: Environ, resource: str, prefix: str) -> None:
    """Set PATH_INFO and QUERY_STRING, which is "" before, from path and query in origin form.

    PATH_INFO is percent-decoded to bytes and carried as latin-1 (PEP 3333, "Unicode Issues"). Leading slashes are
    folded into one, so that no application takes ``//host/`` for another host.
    """
    path = resource
    if "?" in resource:
        path, _, environ["QUERY_STRING"] = resource.partition("?")
    if "%" in path:
        path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    if "//" in path and path[1] == "/":  # in this order it costs less
        path = "/" + path.lstrip("/")
    if prefix:
        if path == prefix:
            path = ""
        elif path.startswith(prefix + "/"):
            path = path[len(prefix) :]
    environ["PATH_INFO"] = path


def describe_body(environ: Environ, length: int, body: Any) -> None:
    """Set wsgi.input and CONTENT_LENGTH for a request whose body has been received in full.

    A chunked body has been decoded, so Transfer-Encoding no longer holds (RFC 9112 §7.1.3).
    """
    environ["wsgi.input"] = body
    environ["CONTENT_LENGTH"] = str(length)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
