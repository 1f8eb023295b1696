"""The public entry points: create_server and its classes, whose shape waitress's users know, and RunServer.

create_server(app, …) → TcpWSGIServer | UnixWSGIServer | MultiSocketServer     threads, Adjustments' defaults
RunServer(app, host, port).start()                                             one thread, the same engine
"""

import contextlib
import logging
import signal
import socket as sockets
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from wiverno.config.settings import Adjustments
from wiverno.core.engine import FORCED_WAIT, Engine
from wiverno.core.loop.signals import stop_signals
from wiverno.core.net.listener_kinds import Listener, UnixListener
from wiverno.core.net.listeners import adopt, open_listeners
from wiverno.core.waitress_compat import Asyncore, TaskDispatcher, entries
from wiverno.foreign_code import guarded_logger
from wiverno.wsgi_types import Application

# Settings that concern the whole process, or make it several.
MAIN_PROCESS = ("workers", "admin_listen", "pid_file", "user", "group", "umask")
FOR_APPLICATION = ("chdir", "pythonpath", "env", "hooks")

logger = guarded_logger(__name__)
channel_logger = guarded_logger("wiverno")


class BaseWSGIServer:
    """A bound server: `run` serves, `close` ends it.

    `run` belongs to one thread; `close` may be called from any thread, from a signal handler, and more than once.
    In the main thread `run` takes SIGINT and SIGTERM: the first lets requests finish, the second ends at once.
    """

    asyncore = Asyncore
    logger = logging.getLogger("wiverno")

    def __init__(
        self,
        application: Application,
        map: MutableMapping[int, Any] | None = None,
        _start: bool = True,
        _sock: sockets.socket | None = None,
        dispatcher: Any = None,
        adj: Adjustments | None = None,
        sockinfo: Any = None,
        bind_socket: bool = True,
        *,
        _listeners: list[Listener] | None = None,
        **kw: Any,
    ) -> None:
        """Bind a server, in the shape that subclasses of waitress's servers call; see `create_server`.

        Args:
            application: the WSGI application.
            map: gets an entry for each listener, whose close() and handle_close() close the server.
            _start: listen at once; otherwise `run` begins to listen.
            _sock: a socket to use instead of binding one.
            dispatcher: accepted for compatibility with waitress.
            adj: settings that are complete, instead of `kw`.
            sockinfo: accepted for compatibility with waitress.
            bind_socket: accepted for compatibility with waitress; a `_sock` that is bound is not bound again.
            _listeners: bound already; they belong to the server from here on.
            **kw: settings of Adjustments.
        """
        check_application(application)
        self.adj = adj if adj is not None else Adjustments.from_keywords(**kw)
        self._listeners = _listeners if _listeners is not None else bound_listeners(self.adj, _sock)
        self._engine = Engine(application, self.adj, self._listeners)
        self._map: MutableMapping[int, Any] = {} if map is None else map
        self._leave_map = entries(self._map, self, [listener.socket.fileno() for listener in self._listeners])
        self.task_dispatcher = TaskDispatcher(self)
        if _start:
            try:
                self.accept_connections()
            except OSError:
                self.close()
                raise

    @property
    def application(self) -> Application:
        """The application; one that is set later serves the connections accepted from then on."""
        return self._engine.application

    @application.setter
    def application(self, application: Application) -> None:
        check_application(application)
        self._engine.application = application

    @property
    def map(self) -> MutableMapping[int, Any]:
        """The map of sockets that the server was given."""
        return self._map

    @property
    def socket(self) -> sockets.socket:
        """The first listener's socket."""
        return self._listeners[0].socket

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self._engine

    @property
    def listeners(self) -> list[Listener]:
        """The listeners."""
        return self._listeners

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
        return {connection.fd: connection for connection in self._engine.connections}

    def accept_connections(self) -> None:
        """Start listening now rather than in `run`."""
        self._engine.listen()

    def run(self) -> None:
        """Serve until `close`, SIGINT or SIGTERM; returns when requests have finished."""
        self.serve()

    def serve(self, announce: Callable[[], None] = lambda: None) -> None:
        """Do what `run` does, for subclasses that override `run`.

        Args:
            announce: called when signals are handled and before anything is served: a reader of its message may stop
                the server at once.
        """
        with stop_signals(self._on_signal):
            announce()
            # A second SystemExit or KeyboardInterrupt, while requests finish after the first, ends it at once.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                try:
                    self._engine.run()
                finally:
                    self.close()

    def _on_signal(self, number: signal.Signals) -> None:
        self._engine.take_signal(number)

    def close(self) -> None:
        """End the server: requests in progress finish, `run` returns. Harmless when done before."""
        self._engine.close()
        self._leave_map()

    def end_within(self, timeout: float) -> bool:
        """End the server; by force what is not over after `timeout` seconds. False if even that has not ended it."""
        self.close()
        if self._engine.wait_ended(timeout):
            return True
        self._engine.stop(force=True)
        return self._engine.wait_ended(FORCED_WAIT)

    def maintenance(self, now: float) -> None:
        """Do nothing: the loop closes idle connections at their deadlines."""

    def pull_trigger(self) -> None:
        """Wake the loop up."""
        self._engine.loop.poller.wake()

    def log_info(self, message: str, type: str = "info") -> None:
        """Log a message under logger ``wiverno``."""
        channel_logger.log(logging.getLevelNamesMapping().get(type.upper(), logging.INFO), message)

    def print_listen(self, format_str: str) -> None:
        """Log at INFO where the server listens: `format_str` takes host and port, or "unix" and the path."""
        for listener in self._listeners:
            if listener.redirects:
                channel_logger.info("%s", listener.announcement())
            else:
                channel_logger.info(format_str.format(*listener.host_and_port()))

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


class MultiSocketServer(BaseWSGIServer):
    """A server on several listeners, of both kinds if need be; host and port are the first one's."""


def create_server(
    application: Application,
    map: MutableMapping[int, Any] | None = None,
    _start: bool = True,
    _sock: sockets.socket | None = None,
    _dispatcher: Any = None,
    **kw: Any,
) -> BaseWSGIServer:
    """Bind a server for `application` with the settings in `kw`.

    Args:
        application: the WSGI application.
        map: gets an entry for each listener, whose close() closes the server; the engine does not use it.
        _start: listen at once; otherwise `run` begins to listen.
        _sock: a socket to use instead of binding one.
        _dispatcher: accepted for compatibility with waitress.
        **kw: settings of Adjustments.

    Raises:
        ValueError: no application, or settings that are wrong (ConfigError, with all of them).
        OSError: an address can't be bound.
    """
    check_application(application)
    adjustments = Adjustments.from_keywords(**kw)
    foreign = [name for name in (*MAIN_PROCESS, *FOR_APPLICATION) if getattr(adjustments, name)]
    if foreign:
        raise ValueError(
            f"{', '.join(foreign)}: not for one server among others in a program; serve(), wiverno run and pserve have "
            "the whole process to themselves"
        )
    return build_server(application, adjustments, start=_start, sock=_sock, map=map)


def build_server(
    application: Application,
    adjustments: Adjustments,
    *,
    start: bool = True,
    sock: sockets.socket | None = None,
    map: MutableMapping[int, Any] | None = None,
) -> BaseWSGIServer:
    """Bind a server from settings that are complete; see `create_server`."""
    check_application(application)
    listeners = bound_listeners(adjustments, sock)
    kind: type[BaseWSGIServer] = MultiSocketServer
    if len(listeners) == 1:
        kind = UnixWSGIServer if isinstance(listeners[0], UnixListener) else TcpWSGIServer
    return kind(application, map, start, adj=adjustments, _listeners=listeners)


def bound_listeners(adjustments: Adjustments, sock: sockets.socket | None = None) -> list[Listener]:
    """Return what the settings name, bound, or `sock` alone if it is given."""
    return open_listeners(adjustments) if sock is None else [_adopt_bound(sock, adjustments)]


def _adopt_bound(sock: sockets.socket, adjustments: Adjustments) -> Listener:
    """Take a socket from `_sock`; one that is not bound yet is bound to the settings' host and port, as in waitress."""
    listener = adopt(sock)
    if not listener.is_bound:
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
        """Prepare to serve an application.

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
        """Serve until `stop`, SIGINT or SIGTERM; the request in progress is finished.

        Raises:
            OSError: the address can't be bound; the operating system's text is in the message.
            ValueError: the application can't be called, or host or port is none.
        """
        check_application(self.application)
        self._is_stopped = False
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
        if self._is_stopped:
            server.close()
        try:
            server.serve(self._announce)
        except Exception:
            logger.exception("Unexpected error in server")
            raise
        finally:
            self._server = None
        logger.info("Server stopped successfully.")

    def _announce(self) -> None:
        logger.info("Wiverno server started on http://%s:%s", self.host, self.port)
        logger.info("Request queue size: %s", self.request_queue_size)
        logger.info("Press Ctrl+C to stop the server")

    def stop(self) -> None:
        """Let the request in progress finish and make `start` return; harmless if the server does not run."""
        self._is_stopped = True  # read by a `start` that is binding at this moment
        server = self._server
        if server is not None:
            server.close()
