"""Listeners → acceptors in the loop, each with the context of what its clients are served."""

from collections.abc import Callable, Sequence

from wiverno.config.settings import Adjustments
from wiverno.core.accept.acceptor import Acceptor, ConnectionLimit
from wiverno.core.context import ServerContext, redirect_context, variables_of
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.poller import READ
from wiverno.core.net.listener_kinds import Listener


def open_acceptors(
    listeners: Sequence[Listener], settings: Adjustments, context: ServerContext, loop: Loop, limit: ConnectionLimit,
    should_defer: Callable[[], bool] | None,
) -> None:  # fmt: skip
    """Begin to accept the clients of listeners.

    Args:
        listeners: bound and listening.
        settings: the server's.
        context: what connections share; listeners that redirect get another one.
        loop: where clients are served.
        limit: bounds the clients, and keeps the acceptors.
        should_defer: where other processes accept from the same sockets, whether one of them should accept first.
    """
    redirecting = None
    for listener in listeners:
        served = context
        if listener.redirects:
            served = redirecting = redirecting or redirect_context(context, settings, listeners)
        variables = variables_of(listener, settings, served, processes=should_defer is not None)
        acceptor = Acceptor(listener, variables, served, loop, limit)
        if should_defer is not None:
            acceptor.burst = 1  # the next client may find another process with less to do
            acceptor.should_defer = should_defer
        limit.acceptors.append(acceptor)
        loop.handlers[acceptor.fd] = acceptor
        loop.poller.register(acceptor.fd, READ)
