"""The server of engine_server.py as a child process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.processes import ROOT, Child
from tests.support.sockets import RawClient


class EngineChild:
    """A running server.

    Attributes:
        address: where it listens.
        pid: its process.
        child: the process with its output.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self.address = child.address()
        self.pid = child.process.pid

    def client(self, timeout: float = 20.0) -> RawClient:
        """Connect to it."""
        return RawClient(self.address, timeout)

    def ask(self, path: str) -> bytes:
        """Make one request on a new connection, and return the body."""
        with self.client() as client:
            client.send(get(path, "Connection: close"))
            status, _, body = client.response()
            assert status == 200, status
            return body


def get(path: str, *fields: str) -> bytes:
    """Return the bytes of a GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


@contextmanager
def engine_child(descriptors: int = 0, **settings: Any) -> Iterator[EngineChild]:
    """Serve in a child process, with one event loop; after the block it must end on SIGTERM with status 0."""
    settings.setdefault("event_loops", 1)
    limit = [str(descriptors)] if descriptors else []
    with Child(["-m", "tests.support.engine_server", json.dumps(settings), *limit], cwd=ROOT) as child:
        yield EngineChild(child)
        assert child.stop() == 0, child.output
