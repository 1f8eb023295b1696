"""A connection that refuses requests for other hosts, where `allowed_hosts` is set: elsewhere nothing is asked.

The request is refused when its head is known, before its body is received, and after what a trusted proxy says of the
host has replaced the Host field.
"""

from wiverno.core.http1.connection import Connection
from wiverno.core.http1.followed import FollowedConnection
from wiverno.http.errors import ProtocolError


class HostCheckedConnection(Connection):
    """The same connection for some hosts."""

    __slots__ = ()

    def _parse(self, block: bytes) -> Connection | None:
        exchange = super()._parse(block)
        if exchange is not None:
            try:
                self._check_host()
            except ProtocolError as error:
                self.answer(error.status, error.message)
                return None
        return exchange

    def _begin_body(self, length: int, *, waits: bool) -> Connection | None:
        self._check_host()
        return super()._begin_body(length, waits=waits)

    def _check_host(self) -> None:
        hosts = self._context.allowed_hosts
        assert hosts is not None
        hosts.check(self.environ.get("HTTP_HOST"), self.environ["wsgi.url_scheme"])


class FollowedHostCheckedConnection(FollowedConnection, HostCheckedConnection):
    """The same, with lines in the debug log."""

    __slots__ = ()
