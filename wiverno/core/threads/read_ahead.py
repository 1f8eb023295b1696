"""What the leader does between calls of the application: it waits, reads several requests, and sends their responses.

It reads the requests of several connections before it calls the application for the first of them. A framework's code
and the server's push one another out of the processor's caches: so each of the two runs several times in a row, and is
loaded once. The requests are called in the order in which they came, which is the order without reading ahead, too. If
the lead changes hands, the next leader goes on with those that wait in `Loop.begun`.

A connection whose request waits there is in the same state as one that waits for its next request. So nothing else may
happen meanwhile that ends connections: no wait, which has deadlines and draining after it, and no event of a listening
socket, which may evict clients. Nor is the same connection asked twice: its next request, or the next stream of
HTTP/2, comes after those of others. In a server of one thread an event may continue a suspended response, which is the
application's code, too: so nothing is read past a connection whose output waits for its client.

The responses of those requests leave in the same way, one after the other, when the last one has been called: the
kernel's code for sending is loaded once for several of them, and a client that has been woken for the first response
finds the others. Only small responses that are complete are held back, for LONGEST_HOLD and to the end of the call that
follows. If that call takes long, the monitor thread passes the lead on after a millisecond or two, as it does for the
requests that wait; the first thing that the next leader does is to send them. A connection whose response is held back
is in the state in which it waits for its next request, and the loop neither reads nor waits before it has been sent.
"""

import time
from typing import Any, Final, Protocol

from wiverno.core.loop.event_loop import Loop
from wiverno.core.threads.exchange import Exchange
from wiverno.core.threads.recovery import Recovery
from wiverno.foreign_code import is_from_signal

LONGEST_HOLD: Final = 0.001  # seconds; a response waits for so long at most, and to the end of the call that follows
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
    if loop.held:
        send_held(leaders.recovery, loop)
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
    loop.hold_until = time.monotonic() + LONGEST_HOLD
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


def send_held(recovery: Recovery, loop: Loop) -> None:
    """Send the responses that are held back (leader)."""
    held = loop.held
    loop.hold_until = time.monotonic() + LONGEST_HOLD
    while held:
        try:
            held[0].send_held()
            held.popleft()
        except BaseException as error:  # noqa: BLE001 - nothing may end the leader
            connection = held.popleft()
            if is_from_signal(error):  # which `drop` raises again
                connection.close()
            recovery.drop(connection, error)


def _has_large_body(exchange: Exchange) -> bool:
    """Tell whether a request has a body of 10,000 bytes or more, by the digits of its length.

    The memory of one such body serves the next one as long as it is in the processor's caches: to hold several costs
    more than reading ahead gains, 40 % more processor time for bodies of 1 MiB.
    """
    length = exchange.environ.get("CONTENT_LENGTH")
    return length is not None and len(length) > 4
