"""DevServer: watches, restarts, and keeps the socket.

    parent: listening socket, watcher ──(change)──→ ends the child, then starts another one with the same socket
    child:  imports the application and serves (child.py)

The parent never imports the application and never accepts a connection. A client that connects while
no child runs waits in the accept queue and the next child answers it, so a restart refuses no connection.
"""

from __future__ import annotations

import importlib.util
import logging
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wiverno.config.environment import read_environment
from wiverno.config.settings import Adjustments
from wiverno.core.loop.signals import STOP_SIGNALS
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.net.listeners import open_listeners
from wiverno.dev.child import GRACE, Order
from wiverno.dev.handover import Handover, python
from wiverno.dev.hosts import AllowedHosts
from wiverno.dev.terminal import Terminal
from wiverno.dev.watching import Relevant, bursts
from wiverno.foreign_code import guarded_logger
from wiverno.importer import ImportTargetError
from wiverno.static.mounts import Mount

# The accept queue while a child starts; the kernel uses a lower limit if it has one.
BACKLOG = 1024

logger = guarded_logger("wiverno.dev")


class DevServer:
    """Serves an application during development.

    Args:
        app_module: The module of the application, like ``"run"`` or ``"shop.wsgi"``.
        app_name: Its attribute there.
        host: Where to listen.
        port: The port; 0 lets the system choose, and ``port`` then says which.
        watch_dirs: Folders to watch; the current one by default.
        ignore_patterns: Names and paths to ignore, like ``"*.tmp"`` or ``"build/*"``.
        debounce_seconds: The longest time to collect changes before the restart; a pause of a tenth of a second
            ends a burst earlier.
        factory: The attribute is a function that makes the application.
        allowed_hosts: Hosts to answer beside those of this machine, as ``allowed_hosts`` names them; ``"*"`` for all.
        live: Let pages in the browser reload themselves after a restart.
        threads: How many threads serve; 1 is what ``RunServer`` does.
        listen: Addresses to listen on, in place of ``host`` and ``port``, like ``"127.0.0.1:8000"`` or
            ``"unix:/tmp/shop.sock"``.
        arguments: The arguments of a factory; values of JSON.
        shown_as: The application's name in messages; by default module and attribute.
        static: Mounts of directories; their files are served without caching.

    Raises:
        ValueError: An allowed host is none.
    """

    def __init__(
        self,
        app_module: str,
        app_name: str = "app",
        host: str = "localhost",
        port: int = 8000,
        watch_dirs: Iterable[str | Path] | None = None,
        ignore_patterns: Iterable[str] | None = None,
        debounce_seconds: float = 1.0,
        *,
        factory: bool = False,
        allowed_hosts: Iterable[str] = (),
        live: bool = False,
        threads: int = 4,
        listen: Iterable[str] = (),
        arguments: Mapping[str, Any] | None = None,
        shown_as: str = "",
        static: Iterable[Mount] = (),
    ) -> None:
        self.app_module = app_module
        self.app_name = app_name
        self.host = host
        self.port = port
        self.watch_dirs = [Path(folder) for folder in watch_dirs or (".",)]
        self.ignore_patterns = list(ignore_patterns or ())
        self.debounce_seconds = debounce_seconds
        self.factory = factory
        self.allowed_hosts = tuple(allowed_hosts)
        AllowedHosts(self.allowed_hosts)  # a mistake is reported here, not by the child
        self.live = live
        self.threads = threads
        self.listen = list(listen)
        self.static = [asdict(mount) for mount in static]
        self.arguments = dict(arguments or {})
        self.shown_as = shown_as or f"{app_module}:{app_name}"
        # Relative names start here, also after the folder is replaced.
        self._folder = Path.cwd()
        self._terminal = Terminal()
        self._stopping = threading.Event()
        self._sockets: Sequence[socket.socket] = ()
        self._child: subprocess.Popen[bytes] | None = None
        self._handover: Handover | None = None  # to this child

    @staticmethod
    def serve(
        app_module: str = "run",
        app_name: str = "app",
        host: str = "localhost",
        port: int = 8000,
        watch_dirs: Iterable[str | Path] | None = None,
        ignore_patterns: Iterable[str] | None = None,
        debounce_seconds: float = 1.0,
        **options: Any,
    ) -> None:
        """Make a ``DevServer`` and serve until Ctrl-C; takes what the class takes, and logs to the terminal.

        Raises:
            ImportTargetError, NotADirectoryError, OSError: as ``start``.
        """
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        # It logs every change, relevant or not.
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        DevServer(app_module, app_name, host, port, watch_dirs, ignore_patterns, debounce_seconds, **options).start()

    def start(self) -> None:
        """Serve until ``stop`` or a signal that stops.

        Raises:
            ImportTargetError: the module does not exist.
            NotADirectoryError: a folder to watch does not exist.
            OSError: it cannot listen on the address.
        """
        self._require_module()
        for folder in self.watch_dirs:
            if not folder.is_dir():
                raise NotADirectoryError(f"{folder}: no such folder to watch")
        where = {"listen": self.listen} if self.listen else {"host": self.host, "port": self.port}
        settings = Adjustments.from_keywords(mode="simple", backlog=BACKLOG, **where)
        listeners = open_listeners(settings)
        try:
            for listener in listeners:
                listener.listen(BACKLOG)
            self.port = listeners[0].port
            self._announce(listeners)
            self._sockets = [listener.socket for listener in listeners]
            with _signals(self.stop):
                self._watch()
        finally:
            for listener in listeners:
                listener.close()

    def stop(self) -> None:
        """End ``start``: the child finishes its requests first. From any thread and from signal handlers."""
        self._stopping.set()

    def _require_module(self) -> None:
        """Raise ImportTargetError for a missing module; after the start, a page in the browser reports it."""
        top = self.app_module.partition(".")[0]
        if not top.isidentifier() or (
            importlib.util.find_spec(top) is None and not Path(top).is_dir() and not Path(f"{top}.py").is_file()
        ):
            raise ImportTargetError(f"there is no module {top!r} in {Path.cwd()}; name yours: module:attribute")

    def _announce(self, listeners: list[Listener]) -> None:
        folders = ", ".join(str(folder.resolve()) for folder in self.watch_dirs)
        places = (
            [_address_of(listener) for listener in listeners] if self.listen else [f"http://{self.host}:{self.port}"]
        )
        for place in places:
            logger.info("Wiverno development server started on %s", place)
        logger.info("Watching %s", folders)
        logger.info("Press Ctrl+C to stop the server")

    def _hosts(self) -> list[str]:
        """Return the host names of ``listen``."""
        return [address.rpartition(":")[0].strip("[]") for address in self.listen if not address.startswith("unix:")]

    def _watch(self) -> None:
        order = Order(
            f"{self.app_module}:{self.app_name}", self.factory, (), -1,
            (self.host, *self._hosts(), *self.allowed_hosts), self.live, self.threads,
            arguments=self.arguments, shown_as=self.shown_as, static=tuple(self.static),
        )  # fmt: skip
        relevant = Relevant(self.watch_dirs, self.ignore_patterns, with_assets=self.live)
        self._child = self._spawn(order)
        try:
            for changed in bursts(self.watch_dirs, relevant, self.debounce_seconds, self._stopping):
                if changed:
                    logger.info("%s changed, restarting", self._named(changed))
                    self._end_child()
                    self._child = self._spawn(order)
                elif self._child is not None and (status := self._child.poll()) is not None:
                    self._terminal.restore()
                    logger.error("the application's process ended with status %d; waiting for a change", status)
                    self._child = self._spawn(order, ended=f"Its process ended with status {status}.")
        finally:
            self._end_child()
            logger.info("Server stopped successfully.")

    def _end_child(self) -> None:
        child, handover = self._child, self._handover
        if child is None or handover is None:
            return
        handover.end(child)
        try:
            child.wait(GRACE + 1)
        except subprocess.TimeoutExpired:
            logger.warning("the application does not stop; killing it")
            child.kill()
            child.wait()
        handover.close()
        self._terminal.restore()

    def _spawn(self, order: Order, ended: str = "") -> subprocess.Popen[bytes] | None:
        """Start a child; it gets the sockets, the lifeline and the terminal.

        Returns:
            None where it cannot be started: clients wait, and the next change is the next try.
        """
        # -B: Python compares a .pyc with its source by size and second, so it could serve the first of two quick saves.
        if self._handover is not None:
            self._handover.close()
        self._handover = handover = Handover(self._sockets)
        order = replace(order, descriptors=handover.descriptors, lifeline=handover.lifeline, ended=ended)
        program, variables = python(read_environment().variables)
        command = [program, "-B", "-m", "wiverno.dev.child", order.to_text()]
        try:
            with _interrupt_held_back():
                child = subprocess.Popen(command, close_fds=False, cwd=self._folder, env=variables)
        except OSError as error:
            logger.error("the application's process cannot be started (%s); waiting for a change", error)
            return None
        handover.send(child.pid)
        return child

    def _named(self, changed: list[Path]) -> str:
        here = self._folder
        names = [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in changed[:3]]
        names = [str(here) if name == "." else name for name in names]
        return ", ".join(names) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")


def _address_of(listener: Listener) -> str:
    return listener.url()


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Block SIGINT, and so in a process that is started in the block: Python there would end with a traceback.

    The child ignores the signal and lets it through (child.py); for this process it waits until the block ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the signals that stop a server call ``stop`` in the block, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {number: signal.signal(number, lambda *_: stop()) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
