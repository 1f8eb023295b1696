"""The narrow seam between a gateway and whatever sends its bytes: three methods and one exception."""

from typing import Protocol

from wiverno.wsgi.file_wrapper import FileWrapper


class ClientDisconnected(OSError):
    """The client went away while a response was being written."""


class Sink(Protocol):
    """Where the bytes go. All methods raise ClientDisconnected when nobody is there to read them."""

    def write(self, data: bytes, last: bool = False) -> bool:
        """Send or keep `data`; return False if an iteration should be suspended.

        It may wait for a client that is slow to read, unless these are the `last` bytes of the response.
        """

    def write_pieces(self, pieces: list[bytes], last: bool = False) -> bool:
        """Send or keep several pieces without joining them first; return as write() does."""

    def write_file(self, file: FileWrapper, offset: int, count: int) -> None:
        """Send `count` bytes from `offset` of a regular file; the sink closes `file` whatever happens."""
