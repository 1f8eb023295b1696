"""The public doors: create_server and its classes, whose shape waitress's users know, and RunServer.

create_server(app, …) → TcpWSGIServer | UnixWSGIServer | MultiSocketServer     threads, Adjustments' defaults
RunServer(app, host, port).start()                                             one thread, the same engine
"""

import logging
import signal
import socket
from types import TracebackType
from typing import Any, Self

from wiverno.config.settings import Adjustments
from wiverno.core.engine import Engine
from wiverno.core.listeners import Listener, adopt, open_listeners
from wiverno.core.signals import stop_signals
from wiverno.wsgi.gateway import Application

logger = logging.getLogger(__name__)
channel_logger = logging.getLogger("wiverno")


class BaseWSGIServer:
    """A bound server: `run` serves, `close` ends it.

    `run` belongs to one thread; `close` may be called from any thread, from a signal handler, and more than once.
    In the main thread `run` takes SIGINT and SIGTERM: the first lets requests finish, the second ends at once.
    """

    def __init__(self, application: Application, adjustments: Adjustments, listeners: list[Listener]) -> None:
        """Serve `application` on `listeners`, which the server owns from here on."""
        self.application = application
        self.adj = adjustments
        self._listeners = listeners
        threads = 0 if adjustments.mode == "simple" or adjustments.threads == 1 else adjustments.threads
        self._engine = Engine(application, adjustments, listeners, threads=threads)

    @property
    def effective_host(self) -> str:
        """The host of the first listener; a Unix socket's path."""
        return self._listeners[0].host

    @property
    def effective_port(self) -> int:
        """The port of the first listener, as the system chose it for port 0; 0 for a Unix socket."""
        return self._listeners[0].port

    @property
    def effective_listen(self) -> list[tuple[str, int]]:
        """Host and port of every listener."""
        return [(listener.host, listener.port) for listener in self._listeners]

    @property
    def server_name(self) -> str:
        """SERVER_NAME where no better name is known."""
        return self.adj.server_name

    @property
    def active_channels(self) -> dict[int, Any]:
        """The connected clients by descriptor."""
        return {connection.fd: connection for connection in list(self._engine.loop.connections)}

    def accept_connections(self) -> None:
        """Start listening now rather than in `run`."""
        self._engine.listen()

    def run(self) -> None:
        """Serve until `close`, SIGINT or SIGTERM; returns when requests have finished."""
        with stop_signals(self._on_signal):
            try:
                self._engine.run()
            except (SystemExit, KeyboardInterrupt):
                self._engine.crew.end()
        self._engine.close()

    def _on_signal(self, number: signal.Signals) -> None:
        self._engine.stop(force=self._engine.is_stopping)

    def close(self) -> None:
        """End the server: requests under way finish, `run` returns. Harmless when done before."""
        self._engine.close()

    def pull_trigger(self) -> None:
        """Wake the loop up."""
        self._engine.loop.poller.wake()

    def log_info(self, message: str, type: str = "info") -> None:
        """Log a message under logger ``wiverno``."""
        channel_logger.log(logging.getLevelNamesMapping().get(type.upper(), logging.INFO), message)

    def print_listen(self, format_str: str) -> None:
        """Log at INFO where the server listens: `format_str` takes host and port, once a listener."""
        for listener in self._listeners:
            host = f"[{listener.host}]" if ":" in listener.host and not listener.is_unix else listener.host
            channel_logger.info(format_str.format(host, listener.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TcpWSGIServer(BaseWSGIServer):
    """A server on one TCP address."""


WSGIServer = TcpWSGIServer


class UnixWSGIServer(BaseWSGIServer):
    """A server on one Unix socket; `effective_host` is its path."""

    def print_listen(self, format_str: str) -> None:
        """Log at INFO where the server listens."""
        channel_logger.info(format_str.format("unix", self.effective_host))


class MultiSocketServer(BaseWSGIServer):
    """A server on several listeners, of both kinds if need be; host and port are the first one's."""


def create_server(
    application: Application,
    map: Any = None,
    _start: bool = True,
    _sock: socket.socket | None = None,
    _dispatcher: Any = None,
    **kw: Any,
) -> BaseWSGIServer:
    """Bind a server for `application` with the settings in `kw`.

    Args:
        application: the WSGI application.
        map: accepted for waitress's sake; the server has a table of its own.
        _start: listen at once; otherwise `run` begins to listen.
        _sock: a socket to use instead of binding one.
        _dispatcher: accepted for waitress's sake.
        **kw: settings of Adjustments.

    Raises:
        ValueError: no application, or settings that are wrong (ConfigError, with all of them).
        OSError: an address can't be bound.
    """
    check_application(application)
    return build_server(application, Adjustments.from_keywords(**kw), start=_start, sock=_sock)


def build_server(
    application: Application, adjustments: Adjustments, *, start: bool = True, sock: socket.socket | None = None
) -> BaseWSGIServer:
    """Bind a server from settings that are complete; see `create_server`."""
    check_application(application)
    listeners = open_listeners(adjustments) if sock is None else [_adopt_bound(sock, adjustments)]
    try:
        if start:
            for listener in listeners:
                listener.listen(adjustments.backlog)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    kind: type[BaseWSGIServer] = MultiSocketServer
    if len(listeners) == 1:
        kind = UnixWSGIServer if listeners[0].is_unix else TcpWSGIServer
    return kind(application, adjustments, listeners)


def _adopt_bound(sock: socket.socket, adjustments: Adjustments) -> Listener:
    """Take a socket from `_sock`; one that is not bound yet is bound to the settings' host and port, as in waitress."""
    listener = adopt(sock)
    if not listener.is_unix and not listener.port:
        sock.bind((adjustments.host, adjustments.port))
        listener = adopt(sock)
    return listener


def check_application(application: object) -> None:
    """Refuse what can't be called as an application.

    Raises:
        ValueError: it is None or not callable.
    """
    if application is None:
        raise ValueError(
            "the application is None: the function that makes it forgot to return it, or its name holds nothing"
        )
    if not callable(application):
        raise ValueError(f"the application is a {type(application).__name__}, which can't be called")


class RunServer:
    """A server in one thread: the application runs on the loop's own thread, one request after the other.

    Constructing does not bind; the attributes are readable from the start. `start` and `stop` may be called from any
    thread, `stop` from signal handlers too.
    """

    def __init__(
        self, application: Application, host: str = "localhost", port: int = 8000, request_queue_size: int = 5
    ) -> None:
        """Take what is to be served, and where.

        Args:
            application: the WSGI application.
            host: name or address to listen on.
            port: TCP port; 0 lets the system choose one.
            request_queue_size: clients that may wait to be accepted (listen(2)).
        """
        self.application = application
        self.host = host
        self.port = port
        self.request_queue_size = request_queue_size
        self._server: BaseWSGIServer | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Serve until `stop`, SIGINT or SIGTERM; the request under way is finished.

        Raises:
            OSError: the address can't be bound; the operating system's text is in the message.
            ValueError: the application can't be called, or host or port is none.
        """
        check_application(self.application)
        try:
            settings = Adjustments.from_keywords(
                mode="simple", host=self.host, port=self.port, backlog=self.request_queue_size
            )
            server = build_server(self.application, settings)
        except OSError as error:
            logger.error("Failed to start server: %s", error)
            raise
        self._server = server
        self.port = server.effective_port
        logger.info("Wiverno server started on http://%s:%s", self.host, self.port)
        logger.info("Request queue size: %s", self.request_queue_size)
        logger.info("Press Ctrl+C to stop the server")
        if self._is_stopped:
            server.close()
        try:
            server.run()
        except Exception:
            logger.exception("Unexpected error in server")
            raise
        finally:
            self._server = None
            self._is_stopped = False
        logger.info("Server stopped successfully.")

    def stop(self) -> None:
        """Let the request under way finish and make `start` return; harmless if the server does not run."""
        server = self._server
        if server is not None:
            server.close()
