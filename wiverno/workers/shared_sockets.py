"""The supervisor's listening sockets: bound once, kept across reloads while the configuration names them."""

import contextlib
from collections.abc import Iterable

from wiverno.config.settings import Address, Adjustments, TcpAddress
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.net.listeners import adopt, as_redirect, open_address
from wiverno.core.ownership import future_owner


class SharedSockets:
    """Addresses and their listeners. The supervisor owns them; each worker has copies."""

    def __init__(self) -> None:
        self._open: dict[str, list[Listener]] = {}

    def open(self, settings: Adjustments) -> list[Listener]:
        """Return the listeners that the settings name, binding those that are new.

        Raises:
            OSError: an address can't be bound; the listeners that were open stay open, new ones are closed.
        """
        opened: dict[str, list[Listener]] = {}
        found: list[Listener] = []
        try:
            if settings.sockets:
                if "sockets" not in self._open:
                    opened["sockets"] = [adopt(sock) for sock in settings.sockets]
                found += (self._open | opened)["sockets"]
            for address in settings.addresses:
                found += self._at(address, settings, opened)
            for address in settings.redirect_addresses:
                # The same socket, if the address has served the application until now.
                found += map(as_redirect, self._at(address, settings, opened, is_redirect=True))
        except OSError:
            _close(listener for listeners in opened.values() for listener in listeners)
            raise
        self._open |= opened
        return found

    def _at(
        self, address: Address, settings: Adjustments, opened: dict[str, list[Listener]], *, is_redirect: bool = False
    ) -> list[Listener]:
        """Return the listeners of an address, and add them to `opened` if they are bound now."""
        key = str(address)
        if is_redirect and isinstance(address, TcpAddress) and not address.port:
            key = f"redirect {key}"  # the system chooses another port
        if key not in self._open and key not in opened:
            opened[key] = open_address(address, settings)
            for listener in opened[key]:
                listener.listen(settings.backlog)
        return (self._open | opened)[key]

    def release(self, kept: Iterable[Listener]) -> None:
        """Close this process's copies of all other listeners, in a child after a fork."""
        numbers = {listener.socket.fileno() for listener in kept}
        for listeners in self._open.values():
            for listener in listeners:
                if listener.socket.fileno() not in numbers:
                    listener.socket.close()

    def keep_only(self, wanted: Iterable[Listener]) -> None:
        """Close all other listeners."""
        kept = {listener.socket for listener in wanted}
        for key, listeners in list(self._open.items()):
            if not any(listener.socket in kept for listener in listeners):
                _close(self._open.pop(key))

    def adjust(self, settings: Adjustments) -> None:
        """Apply the backlog and the permissions of new settings to the open sockets."""
        for listeners in self._open.values():
            for listener in listeners:
                with contextlib.suppress(OSError):
                    listener.socket.listen(settings.backlog)
                    listener.give(settings.unix_socket_perms, future_owner(settings))

    def close(self) -> None:
        """Close all."""
        self.keep_only(())


def _close(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.close()


def copy_listeners(listeners: Iterable[Listener]) -> list[Listener]:
    """Return listeners for a child process: the same sockets, whose files the parent removes."""
    return [listener.copy() for listener in listeners]
