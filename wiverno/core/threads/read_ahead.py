"""What the leader does between two calls of the application: it waits, and reads requests until some are complete.

It reads the requests of several connections before it calls the application for the first of them. A framework's code
and the server's push one another out of the processor's caches: so each of the two runs several times in a row, and is
loaded once. The requests are called in the order in which they came, which is the order without reading ahead, too. If
the lead changes hands, the next leader goes on with those that wait in `Loop.begun`.

A connection whose request waits there is in the same state as one that waits for its next request. So nothing else may
happen meanwhile that ends connections: no wait, which has deadlines and draining after it, and no event of a listening
socket, which may evict clients. Nor is the same connection asked twice: its next request, or the next stream of
HTTP/2, comes after those of others. In a server of one thread an event may continue a suspended response, which is the
application's code, too: so nothing is read past a connection whose output waits for its client.
"""

from typing import Any, Final, Protocol

from wiverno.core.loop.event_loop import Loop
from wiverno.core.threads.exchange import Exchange
from wiverno.core.threads.recovery import Recovery

MOST: Final = 16  # requests that are read before the first is called: it waits for the others, some microseconds each


class WaitingLeaders(Protocol):
    """The threads, as far as they are known here.

    Attributes:
        recovery: what happens to a connection after an exception.
    """

    recovery: Recovery

    def wait(self) -> bool:
        """Wait for events; False after the end."""


def receive(leaders: WaitingLeaders, loop: Loop) -> bool:
    """Read until a request is complete, and further ones that have come; False after the end (leader)."""
    ready, handlers, begun = loop.ready, loop.handlers, loop.begun
    while not begun:
        if not ready:
            if not leaders.wait():
                return False
            continue
        fd, handler = -1, None
        try:
            fd, events = ready.popleft()
            handler = handlers.get(fd)
            if handler is None:
                continue
            exchange: Any = handler.ready(events)
            if exchange is not None:
                begun.append(exchange)
                if ready and not _has_large_body(exchange):
                    _read_ahead(leaders, loop, handler)
        except BaseException as error:  # noqa: BLE001 - nothing may end the leader
            leaders.recovery.drop(handler or handlers.get(fd), error)
    return True


def _read_ahead(leaders: WaitingLeaders, loop: Loop, first: Any) -> None:
    """Read the next requests, one of each connection of the same class as the first one.

    It repeats what `receive` does with an event: one loop for both cost 700 instructions more for each request.
    """
    ready, handlers, begun = loop.ready, loop.handlers, loop.begun
    kind, asked, is_alone = type(first), {first}, loop.thread_pool is None
    for _ in range(MOST - 1):
        if not ready:
            return
        fd, events = ready[0]
        handler: Any = handlers.get(fd)
        if type(handler) is not kind or handler in asked or (is_alone and handler.has_waiting_output()):
            return
        asked.add(handler)
        try:
            ready.popleft()
            exchange: Any = handler.ready(events)
            if exchange is not None:
                begun.append(exchange)
                if _has_large_body(exchange):
                    return
        except BaseException as error:  # noqa: BLE001 - nothing may end the leader
            leaders.recovery.drop(handler, error)


def _has_large_body(exchange: Exchange) -> bool:
    """Tell whether a request has a body of 10,000 bytes or more, by the digits of its length.

    The memory of one such body serves the next one as long as it is in the processor's caches: to hold several costs
    more than reading ahead gains, 40 % more processor time for bodies of 1 MiB.
    """
    length = exchange.environ.get("CONTENT_LENGTH")
    return length is not None and len(length) > 4
