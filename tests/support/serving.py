"""A server of this project in a thread of the test, and an application that remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE
from wiverno.core.server import create_server
from wiverno.tables import has_gil

MODES: dict[str, dict[str, Any]] = {"threads": {"threads": 4}, "simple": {"threads": 1}}
"""Both engines' settings: a thread pool, and everything on one thread as RunServer does it."""
if not has_gil():
    MODES["loops"] = {"threads": 4, "event_loops": 2}


@dataclass
class Served:
    """A running server."""

    address: tuple[str, int]
    server: Any

    def client(self, timeout: float = PATIENCE) -> RawClient:
        """Connect to it."""
        return RawClient(self.address, timeout)


@contextmanager
def serving(application: Callable[..., Any], **settings: Any) -> Iterator[Served]:
    """Serve `application` on a free port for the length of the block; the server has ended when the block has.

    It has one event loop on every Python, unless the settings say otherwise: many tests look into it.
    """
    server = create_server(application, **{"host": LOOPBACK, "port": 0, "event_loops": 1, **settings})
    thread = threading.Thread(target=server.run, name="server under test", daemon=True)
    thread.start()
    try:
        yield Served((server.effective_host, int(server.effective_port)), server)
    finally:
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not end"


@dataclass
class Call:
    """One call of the application: a copy of the environ, and the body that was read from it."""

    environ: dict[str, Any]
    body: bytes

    @property
    def path(self) -> str:
        """PATH_INFO."""
        return str(self.environ["PATH_INFO"])


@dataclass
class Recorder:
    """An application that reads the body, remembers the call and answers with what it saw, as JSON."""

    calls: list[Call] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 200 with method, path, fields and the body's length."""
        call = Call(dict(environ), environ["wsgi.input"].read())
        self.calls.append(call)
        seen = {key: value for key, value in environ.items() if isinstance(value, str)}
        content = json.dumps({"environ": seen, "length": len(call.body)}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    @property
    def paths(self) -> list[str]:
        """The paths it was asked for, in order."""
        return [call.path for call in self.calls]
