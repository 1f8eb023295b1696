"""The protocol object behind a plain socket: as much of an owner as the tests of the room `http2` need."""

import socket
import threading
import time
from types import TracebackType
from typing import Self

from wiverno.http2.connection import ServerProtocol
from wiverno.http2.errors import ErrorCode
from wiverno.http2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    RequestRefused,
    StreamEnded,
    StreamReset,
    WindowOpened,
)
from wiverno.http2.response_fields import content_length_block, response_block

HELLO = b"Hello, World!"


class Owner:
    """Answers requests: GET with a greeting, anything with a body with the same bytes."""

    def __init__(self, protocol: ServerProtocol) -> None:
        self.protocol = protocol
        self.bodies: dict[int, bytearray] = {}
        self.waiting: dict[int, bytes] = {}
        self.seen: list[Event] = []
        self.is_over = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes; return bytes to send."""
        for event in self.protocol.receive(data, time.monotonic()):
            self.seen.append(event)
            self.act(event)
        return self.protocol.output.take()

    def act(self, event: Event) -> None:
        """Do what an event asks for."""
        if isinstance(event, RequestReceived):
            if event.ends:
                self.answer(event.stream_id, HELLO, 200, event.request.variables["REQUEST_METHOD"])
            else:
                self.bodies[event.stream_id] = bytearray()
        elif isinstance(event, RequestRefused):
            self.answer(event.stream_id, event.message.encode(), event.status)
            if not event.ends:
                self.protocol.output.reset(event.stream_id, ErrorCode.NO_ERROR)
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] += event.data
            self.protocol.acknowledge(event.stream_id, len(event.data))
        elif isinstance(event, StreamEnded):
            self.answer(event.stream_id, bytes(self.bodies.pop(event.stream_id)))
        elif isinstance(event, WindowOpened):
            content = self.waiting.pop(event.stream_id)
            self.keep(event.stream_id, content, self.protocol.output.data(event.stream_id, content, ends=True))
        elif isinstance(event, StreamReset):
            self.bodies.pop(event.stream_id, None)
            self.waiting.pop(event.stream_id, None)
            self.protocol.release(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self.is_over = True

    def answer(self, stream_id: int, content: bytes, status: int = 200, method: str = "GET") -> None:
        """Send a whole response."""
        block = response_block(status, [("Content-Type", "text/plain")]) + content_length_block(len(content))
        if method == "HEAD":
            content = b""
        self.keep(stream_id, content, self.protocol.output.respond(stream_id, block, content))

    def keep(self, stream_id: int, content: bytes, taken: int) -> None:
        """Keep what the windows did not take."""
        if 0 <= taken < len(content):
            self.waiting[stream_id] = content[taken:]


class Http2Server:
    """Serves on a free port of 127.0.0.1, a thread a connection, until the `with` block ends."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        owner = Owner(ServerProtocol(time.monotonic()))
        with sock:
            sock.settimeout(20)
            try:
                sock.sendall(owner.protocol.output.take())
                while not owner.is_over and (data := sock.recv(65536)):
                    sock.sendall(owner.receive(data))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                return
