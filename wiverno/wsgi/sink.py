"""The interface between a gateway and the connection that sends its bytes: four methods and one exception."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from wiverno.wsgi.file_wrapper import FileWrapper


class ClientDisconnected(OSError):
    """The client went away while a response was being written."""


class Sink(Protocol):
    """Where the bytes go. Methods that send raise ClientDisconnected when the client is gone.

    Attributes:
        lock: reentrant; one thread at a time is in the application's write() and early_hints().
    """

    lock: AbstractContextManager[object, Any]

    def write(self, data: bytes, last: bool = False) -> bool:
        """Send or keep `data`; return False if an iteration should be suspended.

        It may wait for a client that is slow to read, unless these are the `last` bytes of the response.
        """

    def write_pieces(self, pieces: list[bytes], last: bool = False) -> bool:
        """Send or keep several pieces without joining them first; return as write() does."""

    def write_file(self, file: FileWrapper, descriptor: int, offset: int, count: int) -> None:
        """Send `count` bytes from `offset` of the regular file behind `descriptor`.

        The sink closes `file` whatever happens.
        """

    def is_disconnected(self) -> bool:
        """Tell whether the client is gone."""


class ResponseSink(Sink, Protocol):
    """A sink that sends whole responses of one connection after the other."""

    def write_response(self, data: bytes, last: bool = True) -> bool:
        """Send or keep a whole response, head and content, as write() does; it may leave with those of others.

        If the leader runs the request, it may be held back while further ones are answered, for a millisecond or two.
        `last` is False if the application's iterable has still to end.
        """
