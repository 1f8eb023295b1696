"""What happens to an exception that comes out of the engine: the connection is closed, or the server ends.

An error in one connection's event costs that connection. An error in a turn of the loop costs that turn, and the leader
continues. What can't be repaired ends the server with a line in the log and a failure that `Engine.run` raises: a
process that stays but serves no request is worse than one that a service manager starts again.
"""

from collections.abc import Callable
from typing import Any, Final

from wiverno.core.loop.descriptors import DescriptorLostError
from wiverno.core.loop.event_loop import Loop
from wiverno.core.threads.exchange import Exchange
from wiverno.foreign_code import guarded_logger, is_from_signal

logger = guarded_logger("wiverno")

MAX_ERRORS: Final = 8  # turns of the loop in a row that end with an exception


class ServerFailedError(Exception):
    """The server could not continue and has ended; the text says why, as the log does."""


class Recovery:
    """Closes, counts and decides. Any thread of the pool may call any method, and `fail` any thread at all.

    Attributes:
        failure: why the server can't continue; None as long as it can.
        errors: turns of the loop in a row that ended with an exception; the leader sets it to 0 after a good one.
    """

    def __init__(self, loop: Loop, end: Callable[[], None]) -> None:
        """`end` ends the threads."""
        self.failure: BaseException | None = None
        self.errors = 0
        self._loop = loop
        self._end = end

    def lead(self, turns: Callable[[], None]) -> bool:
        """Call what leads; True if an exception came out that the leader survives.

        Raises:
            SystemExit, KeyboardInterrupt: raised by a signal handler.
        """
        try:
            turns()
        except BaseException as error:
            if is_from_signal(error):
                raise
            self.errors += 1
            if self.errors < MAX_ERRORS and not isinstance(error, DescriptorLostError):
                self._loop.poller.wake()  # the turn may have taken a wake-up and not done what it was for
                self.log_error(error)
                return True
            self.fail(error)
        return False

    def finish_response(self, exchange: Exchange, outcome: int) -> None:
        """Continue after a response, or end the exchange if that fails."""
        try:
            exchange.finish_response(outcome)
        except BaseException as error:  # noqa: BLE001 - nothing may end a thread
            self.drop_exchange(exchange, error)

    def drop_exchange(self, exchange: Exchange, error: BaseException) -> None:
        """End an exchange that an exception has left in an unknown state: its connection in HTTP/1.1, its stream.

        Raises:
            SystemExit, KeyboardInterrupt: `error`, raised by a signal handler; the connection stays open.
        """
        self._drop(exchange.client, exchange, error)

    def drop(self, handler: Any, error: BaseException) -> None:
        """Close a connection that an exception has left in an unknown state; a listening socket stays.

        Raises:
            SystemExit, KeyboardInterrupt: `error`, raised by a signal handler; the connection stays.
        """
        if handler is None:  # the exception came between two events
            self.log_error(error)
        else:
            self._drop(handler, handler, error)

    def _drop(self, handler: Any, affected: Any, error: BaseException) -> None:
        if is_from_signal(error):
            self._loop.ready.appendleft((handler.fd, 0))
            raise error
        if isinstance(error, DescriptorLostError):
            self.fail(error)
            return
        logger.error("internal error, connection closed", exc_info=error)
        if affected is handler and handler not in self._loop.connections:
            return
        try:
            affected.close()
        except BaseException as another:
            logger.error("error while closing a connection", exc_info=another)
            self._forget(handler)
            if is_from_signal(another):
                raise
        else:
            if affected is handler:
                self._forget(handler)

    def _forget(self, handler: Any) -> None:
        """Finish what an interrupted `close` has left; a second `close` does nothing."""
        if handler in self._loop.connections:
            self._loop.forget(handler)
            handler.sock.close()

    def log_error(self, error: BaseException) -> None:
        """Log an exception that costs no connection.

        Raises:
            SystemExit, KeyboardInterrupt: `error`, raised by a signal handler.
        """
        if is_from_signal(error):
            raise error
        logger.error("internal error", exc_info=error)

    def fail(self, error: BaseException) -> None:
        """End the server because no more requests can be served, and log why."""
        if self.failure is None:
            self.failure = error
            logger.critical("the server ends, because it can serve no more requests: %s", error)
        self._end()
