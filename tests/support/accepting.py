"""A listening socket whose clients are accepted when the test says so."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.support.rig import POLLERS, Rig, service_for, variables
from tests.support.sockets import LOOPBACK, RawClient
from wiverno.core.accept.acceptor import Acceptor, ConnectionLimit
from wiverno.core.loop.poller import READ
from wiverno.core.net.listener_kinds import Listener


class Accepting:
    """A listening socket in a loop that the test leads."""

    def __init__(self, poller: str, limit: int, **settings: Any) -> None:
        self.rig = Rig(service_for(**settings), POLLERS[poller]())
        self.loop = self.rig.loop
        self.socket = socket.create_server((LOOPBACK, 0), backlog=1000)
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()
        self.limit = ConnectionLimit(limit, self.loop)
        self.loop.on_connection_closed = self.limit.check
        listener = Listener(self.socket, LOOPBACK, self.address[1])
        self.acceptor = Acceptor(listener, variables(), self.rig.context, self.loop, self.limit)
        self.limit.acceptors.append(self.acceptor)
        self.loop.handlers[self.acceptor.fd] = self.acceptor
        self.loop.poller.register(self.acceptor.fd, READ)

    def connect(self, stack: ExitStack, count: int) -> list[RawClient]:
        return [stack.enter_context(RawClient(self.address)) for _ in range(count)]


@contextmanager
def accepting(poller: str = "epoll", limit: int = 1000, **settings: Any) -> Iterator[tuple[Accepting, ExitStack]]:
    made = Accepting(poller, limit, **settings)
    with ExitStack() as stack:
        try:
            yield made, stack
        finally:
            made.rig.close()
            made.socket.close()


def has_answer(client: RawClient) -> bool:
    return bool(select.select([client.socket], [], [], 0)[0])
