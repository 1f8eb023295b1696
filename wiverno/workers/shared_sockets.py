"""The supervisor's listening sockets: bound once, kept across reloads while the configuration names them."""

import contextlib
import errno
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
                found += self._at(address, settings, opened, found)
            for address in settings.redirect_addresses:
                # The same socket, if the address has served the application until now.
                found += map(as_redirect, self._at(address, settings, opened, found, is_redirect=True))
        except OSError:
            _close(listener for listeners in opened.values() for listener in listeners)
            raise
        self._open |= opened
        return found

    def _at(
        self, address: Address, settings: Adjustments, opened: dict[str, list[Listener]], others: list[Listener], *,
        is_redirect: bool = False,
    ) -> list[Listener]:  # fmt: skip
        """Return the listeners of an address, and add them to `opened` if they are bound now.

        Two spellings may mean one address: "localhost:80 127.0.0.1:80". The second one is what `others` do not have,
        and is not mistaken for the whole of it when a later configuration names it alone.
        """
        key = str(address)
        if is_redirect and isinstance(address, TcpAddress) and not address.port:
            key = f"redirect {key}"  # the system chooses another port
        beside = f"{key} beside {', '.join(map(str, others))}"
        known = self._open | opened
        for name in (key, beside):
            if name in known:
                return known[name]
        try:
            found = open_address(address, settings)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not others:
                raise
            key, found = beside, open_address(address, settings, others)
        opened[key] = found
        for listener in found:
            listener.listen(settings.backlog)
        return found

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
