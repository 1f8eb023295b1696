"""The parts of waitress's servers that programs use: the map of sockets, asyncore's loop, the task dispatcher.

wiverno has no asyncore and no dispatcher. Programs that stop a server through those (webtest's StopableWSGIServer is
the best known) find small substitutes here instead, whose few methods control the server: closing any of them closes
the server.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Protocol


class ControllableServer(Protocol):
    """The server that the substitutes control."""

    def close(self) -> None:
        """End it; requests in progress finish."""

    def end_within(self, timeout: float) -> bool:
        """End it and wait; True if it has ended within `timeout` seconds."""

    def serve(self) -> None:
        """Run it in the calling thread."""


class MapEntry:
    """A server's entry in the map of sockets: closing it closes the server."""

    __slots__ = ("server",)

    def __init__(self, server: ControllableServer) -> None:
        self.server = server

    def handle_close(self) -> None:
        """Close the server, which takes its entries out of the map."""
        self.server.close()

    def close(self) -> None:
        """Do the same under its other name."""
        self.server.close()


class TaskDispatcher:
    """The dispatcher as far as programs use it from outside: its end."""

    __slots__ = ("_server",)

    def __init__(self, server: ControllableServer) -> None:
        self._server = server

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the server and wait until its threads have finished.

        Args:
            cancel_pending: drop what still waits when the time is over.
            timeout: seconds.

        Returns:
            Whether nothing is left to be done.
        """
        has_ended = self._server.end_within(timeout)
        return has_ended or cancel_pending


class Asyncore:
    """``server.asyncore``: the module's `loop`, for classes whose own `run` calls it."""

    @staticmethod
    def loop(
        timeout: float = 30.0,
        use_poll: bool = False,
        map: MutableMapping[int, Any] | None = None,
        count: int | None = None,
    ) -> None:
        """Run the server whose map this is until it is closed; `timeout` and `use_poll` have no meaning here.

        Raises:
            ValueError: `count` is given (the engine has no rounds to count), or the map holds several servers.
        """
        if count is not None:
            raise ValueError("count has no meaning in wiverno: call run() in a thread, and close() to end it")
        servers = {entry.server for entry in (map or {}).values() if isinstance(entry, MapEntry)}
        if len(servers) > 1:
            raise ValueError("several servers share this map: in wiverno each runs in its own thread")
        for server in servers:
            server.serve()


def entries(map: MutableMapping[int, Any], server: ControllableServer, descriptors: list[int]) -> Callable[[], None]:
    """Enter a server into a map under its listeners' descriptors; return what takes it out again."""
    entry = MapEntry(server)
    map.update(dict.fromkeys(descriptors, entry))

    def leave() -> None:
        for number in descriptors:
            if map.get(number) is entry:
                map.pop(number, None)

    return leave
