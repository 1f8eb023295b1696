"""Server objects: what programs for waitress read and call, and RunServer; on real sockets of this machine."""

import logging
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import wiverno.server
from tests.support.sockets import LOOPBACK, RawClient, busy_port
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core import server as module
from wiverno.core.server import (
    BaseWSGIServer,
    MultiSocketServer,
    RunServer,
    TcpWSGIServer,
    UnixWSGIServer,
    create_server,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def other(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"other"]


@contextmanager
def in_thread(server: BaseWSGIServer) -> Iterator[BaseWSGIServer]:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def get(server: BaseWSGIServer) -> bytes:
    with RawClient((LOOPBACK, server.effective_port), PATIENCE) as client:
        client.send(GET)
        return client.response()[2]


def test_waitress_import_path_has_the_same_classes() -> None:
    assert wiverno.server.create_server is create_server
    assert wiverno.server.TcpWSGIServer is wiverno.server.WSGIServer is TcpWSGIServer


def test_one_tcp_address() -> None:
    """Its attributes are those that programs read; the map has an entry whose close() closes the server."""
    map: dict[int, Any] = {}
    server = create_server(hello, map, host=LOOPBACK, port=0, server_name="shop.example", threads=2)
    assert type(server) is TcpWSGIServer
    assert server.effective_host == LOOPBACK
    assert server.effective_listen == [(LOOPBACK, server.effective_port)]
    assert (server.socket.fileno(), server.map, server.server_name) == (next(iter(map)), map, "shop.example")
    assert (server.application, server.active_channels) == (hello, {})
    with in_thread(server):
        assert get(server) == b"hello"
        server.application = other
        server.pull_trigger()
        server.maintenance(0.0)
        assert get(server) == b"other"
        next(iter(map.values())).close()
        wait_until(lambda: not map)


def test_kinds_of_servers() -> None:
    """The class says how many addresses there are and of which kind."""
    with tempfile.TemporaryDirectory() as folder, create_server(hello, unix_socket=f"{folder}/a.sock") as unix:
        assert type(unix) is UnixWSGIServer
        assert (unix.effective_host, unix.effective_port) == (f"{folder}/a.sock", 0)
        both = create_server(hello, listen=f"{LOOPBACK}:0 unix:{folder}/b.sock")
        assert type(both) is MultiSocketServer
        both.close()


def test_where_it_listens_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with tempfile.TemporaryDirectory() as folder:
        with create_server(hello, listen=f"{LOOPBACK}:0 unix:{folder}/b.sock") as server:
            server.print_listen("on {}:{}")
            server.log_info("words", "warning")
            server.log_info("words", "no level")
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, f"on {LOOPBACK}:{server.effective_port}"),
        (logging.INFO, f"on unix:{folder}/b.sock"),
        (logging.WARNING, "words"),
        (logging.INFO, "words"),
    ]


@pytest.mark.parametrize("is_bound", [True, False])
def test_a_given_socket_is_used(is_bound: bool) -> None:
    """One that is bound stays so; one that is not gets the settings' address."""
    with busy_port() as port:
        pass
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_bound:
        sock.bind((LOOPBACK, 0))
    expected = sock.getsockname()[1] if is_bound else port
    with create_server(hello, _sock=sock, host=LOOPBACK, port=port) as server:
        assert server.effective_port == expected


def test_a_server_that_can_not_listen_is_closed() -> None:
    """The socket of another program may be of a kind that can't."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LOOPBACK, 0))
    with pytest.raises(OSError, match="not supported"):
        create_server(hello, _sock=sock)
    assert sock.fileno() == -1


@pytest.mark.parametrize(
    ("application", "settings", "words"),
    [
        (None, {}, "the application is None"),
        (17, {}, "the application is a int, which can't be called"),
        (hello, {"workers": 2}, "workers: not for one server among others in a program"),
        (hello, {"port": "x"}, "port"),
    ],
)
def test_mistakes_are_value_errors(application: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        create_server(application, **settings)


def test_an_application_is_replaced_only_by_another_one() -> None:
    with create_server(hello, host=LOOPBACK, port=0) as server:
        with pytest.raises(ValueError, match="the application is None"):
            server.application = None  # type: ignore[assignment]
        assert server.application is hello


def test_it_ends_within_a_time_or_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """False only if not even that has ended it."""
    with in_thread(create_server(hello, host=LOOPBACK, port=0)) as server:
        assert server.end_within(PATIENCE)
    held = create_server(hello, host=LOOPBACK, port=0)
    monkeypatch.setattr(module, "FORCED_WAIT", 0.01)
    monkeypatch.setattr(held.engine, "wait_ended", lambda timeout: False)
    assert not held.end_within(0.01)
    assert held.engine.is_stopping or held.engine.stop_by == 0.0


def test_a_signal_goes_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM in the main thread ends `run`, which returns after it has closed the server."""
    server = create_server(hello, host=LOOPBACK, port=0, threads=2)
    said: list[int] = []

    def say() -> None:
        said.append(1)
        signal.raise_signal(signal.SIGTERM)

    server.serve(say)
    assert said == [1]
    assert server.socket.fileno() == -1


def test_run_server_serves_in_one_thread_until_stop(caplog: pytest.LogCaptureFixture) -> None:
    """Constructing binds nothing; its three lines are logged, and the port that the system chose can be read."""
    caplog.set_level("INFO")
    server = RunServer(hello, LOOPBACK, 0, request_queue_size=7)
    server.stop()
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    wait_until(lambda: "Press Ctrl+C" in caplog.text)
    with RawClient((LOOPBACK, server.port), PATIENCE) as client:
        client.send(GET)
        assert client.response()[2] == b"hello"
    server.stop()
    thread.join(PATIENCE)
    assert [record.getMessage() for record in caplog.records if record.name.endswith("server")] == [
        f"Wiverno server started on http://{LOOPBACK}:{server.port}",
        "Request queue size: 7",
        "Press Ctrl+C to stop the server",
        "Server stopped successfully.",
    ]


def test_run_server_that_can_not_start_says_why(caplog: pytest.LogCaptureFixture) -> None:
    with busy_port() as port, pytest.raises(OSError, match="Address already in use"):
        RunServer(hello, LOOPBACK, port).start()
    assert "Failed to start server: " in caplog.text
    with pytest.raises(ValueError, match="the application is None"):
        RunServer(None).start()  # type: ignore[arg-type]


def test_an_error_while_run_server_serves_is_logged_and_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def serve(server: BaseWSGIServer, say: Callable[[], None]) -> None:
        server.close()
        raise RuntimeError("the engine failed")

    monkeypatch.setattr(BaseWSGIServer, "serve", serve)
    with pytest.raises(RuntimeError, match="the engine failed"):
        RunServer(hello, LOOPBACK, 0).start()
    assert "Unexpected error in server" in caplog.text


def test_a_stop_while_run_server_binds_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    server = RunServer(hello, LOOPBACK, 0)
    build = module.build_server

    def stop_and_build(*arguments: Any) -> BaseWSGIServer:
        server.stop()
        return build(*arguments)

    monkeypatch.setattr(module, "build_server", stop_and_build)
    server.start()
