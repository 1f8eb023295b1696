"""An HTTP/2 connection on a socket pair, led step by step, with the `h2` library as its client."""

import socket
from typing import Any

from tests.support.h2_client import Answer, H2Client
from tests.support.rig import Rig, variables
from wiverno.core.http2.connection import Http2Connection
from wiverno.core.loop.poller import READ


class LedClient(H2Client):
    """A client whose server the test leads: it receives what has come and never waits."""

    def receive(self, timeout: float = 0.0) -> None:
        """Take what has come, if anything has."""
        self.sock.setblocking(False)
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        finally:
            self.sock.setblocking(True)
        if not data:
            self.is_closed = True
            return
        for event in self.state.receive_data(self._take_goaways(data)):
            self._take(event)
        if self.acknowledges:
            self.flush()

    def answer(self, made: Rig, stream: int) -> Answer:
        """Lead and receive until a stream has ended."""

        def is_over() -> bool:
            self.receive()
            return self.answers[stream].is_complete or self.answers[stream].reset is not None or self.is_closed

        made.until(is_over)
        return self.answers[stream]


def connect(made: Rig, *, buffer: int = 0, **more: Any) -> tuple[Http2Connection, LedClient]:
    """Make a connection as the acceptor does, whose preface has been exchanged."""
    ours, theirs = socket.socketpair()
    if buffer:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    ours.setblocking(False)
    connection = Http2Connection(ours, variables(), made.context, made.loop, trusted=False)
    made.loop.handlers[connection.fd] = connection
    made.loop.connections.add(connection)
    made.loop.watch(connection, connection.deadline())
    made.loop.ready.append((connection.fd, READ))
    client = LedClient(theirs, **more)
    made.clients.append(client)  # type: ignore[arg-type]
    made.until(lambda: connection.protocol.has_preface)
    client.receive()
    return connection, client
