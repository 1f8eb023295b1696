"""Servers as waitress's users run them: in a thread, until close(); and what they say to clients and to loggers."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer "hello"."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@contextmanager
def running(server: Any) -> Iterator[Any]:
    """Run a server in a thread for the length of the block; it has ended when the block has."""
    thread = threading.Thread(target=server.run, name="server under test", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not end"


def ask(address: tuple[str, int] | str, request: bytes = GET) -> tuple[int, dict[str, str], bytes]:
    """Make one request on a new connection."""
    with RawClient(address) as client:
        client.send(request)
        return client.response()


def open_descriptors() -> dict[str, str]:
    """Return this process's descriptors and what they are open on; nothing where there is no /proc."""
    folder, found = Path("/proc/self/fd"), {}
    for entry in folder.iterdir() if folder.exists() else ():
        with contextlib.suppress(OSError):  # the listing's own is gone by now
            found[entry.name] = str(entry.readlink())
    return found


class Messages(logging.Handler):
    """What a logger and its children are told, as (logger, level, message)."""

    def __init__(self, name: str = "wiverno") -> None:
        super().__init__()
        self.logger = logging.getLogger(name)
        self.found: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, with its traceback's last line behind the message."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" | {record.exc_info[1]!r}"
        self.found.append((record.name, record.levelname, text))

    def __enter__(self) -> "Messages":
        self._level = self.logger.level
        self.logger.setLevel(logging.INFO)
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self._level)

    def has(self, part: str) -> bool:
        """Whether a message contains this."""
        return any(part in text for _, _, text in self.found)
