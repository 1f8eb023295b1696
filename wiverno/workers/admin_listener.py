"""The admin listener: an engine of the main process, apart from the served application."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from wiverno.config.settings import Adjustments, TcpAddress, UnixAddress
from wiverno.core.engine import Engine
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.net.listeners import bind_tcp, bind_unix
from wiverno.core.ownership import future_owner
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

ADMIN_MODE: Final = 0o600
JOIN_TIMEOUT: Final = 2.0  # seconds that the admin thread gets to end


class Admin(Protocol):
    """The admin application."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Any:
        """Answer a request."""

    def sample(self) -> None:
        """Add to its history."""


def admin_engine(settings: Adjustments, admin: Admin) -> Engine:
    """Return the engine of the admin listener, with one thread; without `admin_listen` it has no listener.

    Raises:
        OSError: the address can't be bound.
    """
    adjustments = Adjustments.from_keywords(
        threads=1, connection_limit=64, channel_timeout=60, header_timeout=5, body_timeout=5, graceful_timeout=1,
        max_request_body_size=65536, ident=settings.ident, ipv4=settings.ipv4, ipv6=settings.ipv6,
    )  # fmt: skip
    listeners = _admin_listeners(settings)
    engine = Engine(admin, adjustments, listeners)
    engine.listen()  # from now on the kernel queues clients instead of refusing them
    for listener in listeners:
        logger.info("admin listener on %s", listener.url())
    return engine


def _admin_listeners(settings: Adjustments) -> list[Listener]:
    address = settings.admin_address
    if isinstance(address, UnixAddress):
        # A client that can connect can stop the server: only the owner may, from the first moment.
        return [bind_unix(address.path, ADMIN_MODE, future_owner(settings))]
    if isinstance(address, TcpAddress):
        return bind_tcp(address, ipv4=settings.ipv4, ipv6=settings.ipv6)
    return []


@contextmanager
def run_beside(engine: Engine, on_failure: Callable[[BaseException], None]) -> Iterator[None]:
    """Run the admin engine in another thread, so that it answers whatever the served application does.

    `on_failure` is called in that thread with the exception that ends the engine.
    """

    def run() -> None:
        try:
            engine.run()
        except BaseException as error:  # noqa: BLE001 - an admin listener that fails must end the service
            on_failure(error)

    thread = threading.Thread(target=run, name="wiverno-admin", daemon=True)
    thread.start()
    try:
        yield
    finally:
        engine.stop(force=True)
        thread.join(JOIN_TIMEOUT)
