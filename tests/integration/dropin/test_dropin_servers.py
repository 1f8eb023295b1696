"""The servers of create_server as waitress's users know them: addresses, sockets, run, close, and what lies inside."""

import errno
import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.dropin import GET, ask, hello, open_descriptors, running
from tests.support.processes import Child, run
from tests.support.sockets import LOOPBACK, RawClient, busy_port, free_port
from tests.support.waiting import PATIENCE, wait_until
from wiverno import RunServer, create_server
from wiverno.config.settings import Adjustments
from wiverno.core.server import BaseWSGIServer, MultiSocketServer, TcpWSGIServer, UnixWSGIServer, WSGIServer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets and signals")

HAS_IPV6 = Path("/proc/net/if_inet6").exists() or os.uname().sysname != "Linux"


# ---------------------------------------------------------------- kinds and addresses


def test_tcp() -> None:
    """One TCP address is a TcpWSGIServer, alias WSGIServer; its port is the real one, an int, before run()."""
    server = create_server(hello, host=LOOPBACK, port=0)
    assert type(server) is TcpWSGIServer is WSGIServer
    assert server.effective_host == LOOPBACK
    assert isinstance(server.effective_port, int)
    assert server.effective_port
    assert server.effective_listen == [(LOOPBACK, server.effective_port)]
    assert server.socket.getsockname() == (LOOPBACK, server.effective_port)
    with running(server):
        assert ask((LOOPBACK, server.effective_port))[2] == b"hello"


def test_unix(tmp_path: Path) -> None:
    """A Unix socket is a UnixWSGIServer whose host is the path; the peer is called localhost, its port None."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(dict(environ))
        return list(hello(environ, start_response))

    path = str(tmp_path / "s")
    server = create_server(application, unix_socket=path)
    assert type(server) is UnixWSGIServer
    assert (server.effective_host, server.effective_port) == (path, 0)
    with running(server):
        assert ask(path)[0] == 200
    assert (seen[0]["REMOTE_ADDR"], seen[0]["REMOTE_PORT"]) == ("localhost", "None")
    assert seen[0]["SERVER_NAME"] == "wiverno.invalid"
    assert not Path(path).exists()


def test_both_kinds_in_one_server(tmp_path: Path) -> None:
    """TCP and Unix listeners of one server answer side by side, which waitress cannot do."""
    path = str(tmp_path / "s")
    server = create_server(hello, listen=f"{LOOPBACK}:0 unix:{path}")
    assert type(server) is MultiSocketServer
    assert isinstance(server, BaseWSGIServer)
    assert [host for host, _ in server.effective_listen] == [LOOPBACK, path]
    assert (server.effective_host, server.effective_port) == server.effective_listen[0]
    with running(server):
        for host, port in server.effective_listen:
            assert ask((host, port) if port else host)[2] == b"hello"


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 on this machine")
@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        ({"listen": "*:0"}, {"0.0.0.0", "::"}),
        ({"host": "*", "port": 0}, {"0.0.0.0", "::"}),
        ({"listen": "*:0", "ipv6": False}, {"0.0.0.0"}),
        ({"listen": "*:0", "ipv4": False}, {"::"}),
        ({"listen": "[::1]:0"}, {"::1"}),
        ({"host": "::1", "port": 0}, {"::1"}),
        ({"listen": f"{LOOPBACK}:0 [::1]:0"}, {LOOPBACK, "::1"}),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),  # the order of a set is chance
)
def test_families(settings: dict[str, Any], hosts: set[str]) -> None:
    """Names and * stand for all their addresses in the families that are on; IPv6 sockets take IPv6 only."""
    server = create_server(hello, **settings)
    assert {host for host, _ in server.effective_listen} == hosts
    with running(server):
        for host, port in server.effective_listen:
            assert ask(({"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host), port))[2] == b"hello"


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 on this machine")
def test_one_port_for_all_families() -> None:
    """Port 0 of a host with several addresses is one port, so one URL reaches each of them."""
    with create_server(hello, host="*", port=0) as server:
        ports = {port for _, port in server.effective_listen}
    assert len(server.effective_listen) == 2
    assert len(ports) == 1


def test_equal_addresses_are_bound_once() -> None:
    """An address that is named twice, in whatever way, is one listener."""
    port = free_port()
    with create_server(hello, listen=f"{LOOPBACK}:{port} localhost:{port} {LOOPBACK}:{port}", ipv6=False) as server:
        assert server.effective_listen == [(LOOPBACK, port)]


def test_a_taken_port_leaves_nothing_open(tmp_path: Path) -> None:
    """If one of several addresses can't be bound, the others are given back and the error says which it was."""
    path = tmp_path / "s"
    with busy_port() as port:
        with pytest.raises(OSError, match=f"Address already in use: {LOOPBACK}:{port}"):
            create_server(hello, listen=f"unix:{path} {LOOPBACK}:{port}")
    assert not path.exists()


def test_a_host_that_does_not_resolve() -> None:
    """The error names the host."""
    with pytest.raises(OSError, match=r"host 'nowhere\.invalid' can't be resolved"):
        create_server(hello, host="nowhere.invalid", port=0)


# ---------------------------------------------------------------- Unix sockets


WATCHED = """
import os, sys
from wiverno import RunServer, create_server
path, mode = sys.argv[1:]
os.umask(0)
seen = []
# Nothing may have opened the file between bind() and chmod(): what it was created with is what counts.
sys.addaudithook(lambda event, args: seen.append(os.stat(path).st_mode & 0o777) if event == "os.chmod" else None)
server = create_server(lambda e, s: [], unix_socket=path, unix_socket_perms=mode)
print(oct(seen[0]), oct(os.stat(path).st_mode & 0o777), oct(os.umask(0)))
"""


@pytest.mark.parametrize("mode", ["600", "660", "666", "770"])
def test_unix_socket_never_wider_than_configured(tmp_path: Path, mode: str) -> None:
    """With a umask that allows everything, the file has no permission beyond the configured from its creation on."""
    done = run(["-c", WATCHED, str(tmp_path / "s"), mode])
    created, final, umask = (int(word, 8) for word in done.stdout.split())
    wanted = int(mode, 8)
    assert not created & ~wanted, done.stdout
    assert final == wanted
    assert umask == 0, "the umask came back"


def test_unix_socket_permissions_despite_umask(tmp_path: Path) -> None:
    """A strict umask does not take configured permissions away, and no umask is changed on Linux while binding."""
    path = tmp_path / "s"
    old = os.umask(0o777)
    try:
        with create_server(hello, unix_socket=str(path), unix_socket_perms="660"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(old)


def test_unix_socket_permissions_seen_by_a_watcher(tmp_path: Path) -> None:
    """A thread that looks at the file all the time never sees it wider than 600."""
    path, seen, stop = tmp_path / "s", set[int](), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            try:
                seen.add(stat.S_IMODE(path.lstat().st_mode))
            except FileNotFoundError:
                pass

    watcher = threading.Thread(target=watch, daemon=True)
    old = os.umask(0)
    try:
        watcher.start()
        for _ in range(50):
            create_server(hello, unix_socket=str(path)).close()
    finally:
        os.umask(old)
        stop.set()
        watcher.join(PATIENCE)
    assert seen <= {0o600}


def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """A socket file without a listener is left over from a server that has ended."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)
        old.listen()
    with running(create_server(hello, unix_socket=path)):
        assert ask(path)[2] == b"hello"


@pytest.mark.parametrize("is_full", [False, True], ids=["listening", "backlog full"])
def test_live_unix_socket_is_left_alone(tmp_path: Path, is_full: bool) -> None:
    """A socket that another program listens on is not taken away from it (waitress removes it)."""
    path = str(tmp_path / "s")
    waiting = []
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(0)
        if is_full:
            for _ in range(2):
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                try:
                    waiting[-1].connect(path)
                except BlockingIOError:
                    break
        with pytest.raises(OSError, match="a server answers on"):
            create_server(hello, unix_socket=path)
        assert Path(path).is_socket()
    for client in waiting:
        client.close()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Files, directories and links at the path are an error and stay as they are."""
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="exists and is not a socket; it was left alone"):
        create_server(hello, unix_socket=str(path))
    assert os.path.lexists(path)


def test_close_leaves_the_next_servers_socket(tmp_path: Path) -> None:
    """A server removes the file that it made, not the one that another server has put in its place."""
    path = tmp_path / "s"
    first = create_server(hello, unix_socket=str(path), _start=False)
    with running(create_server(hello, unix_socket=str(path))):
        first.close()
        assert ask(str(path))[2] == b"hello"
    assert not path.exists()


# ---------------------------------------------------------------- sockets that others have bound


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
def test_pre_bound_sockets(tmp_path: Path, family: socket.AddressFamily) -> None:
    """`sockets` takes bound sockets, one listener each; a Unix socket's file stays its maker's."""
    made = [socket.socket(family) for _ in range(2)]
    for number, one in enumerate(made):
        one.bind((LOOPBACK, 0) if family == socket.AF_INET else str(tmp_path / f"s{number}"))
    addresses = [one.getsockname() for one in made]
    server = create_server(hello, sockets=made)
    assert type(server) is MultiSocketServer
    with running(server):
        for address in addresses:
            assert ask(address)[2] == b"hello"
    if family == socket.AF_UNIX:
        assert all(Path(address).exists() for address in addresses)


def test_one_pre_bound_socket_of_each_kind(tmp_path: Path) -> None:
    """One socket alone gives the server of its kind."""
    tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
    tcp.bind((LOOPBACK, 0))
    unix.bind(str(tmp_path / "s"))
    with create_server(hello, sockets=[tcp]) as server:
        assert type(server) is TcpWSGIServer
    with create_server(hello, sockets=[unix]) as server:
        assert type(server) is UnixWSGIServer
        assert server.effective_host == str(tmp_path / "s")


@pytest.mark.parametrize("is_bound", [True, False])
def test_sock(is_bound: bool) -> None:
    """`_sock` is used instead of a new socket, and bound if it is not yet."""
    sock = socket.socket()
    if is_bound:
        sock.bind((LOOPBACK, 0))
    server = create_server(hello, _sock=sock, host=LOOPBACK, port=0)
    assert server.socket is sock
    with running(server):
        assert ask((LOOPBACK, server.effective_port))[2] == b"hello"


def test_dispatcher_is_accepted() -> None:
    """`_dispatcher` is taken and not used: the engine has its own thread pool."""
    with running(create_server(hello, host=LOOPBACK, port=0, _dispatcher=object())) as server:
        assert ask((LOOPBACK, server.effective_port))[2] == b"hello"


def test_start_false_binds_without_listening() -> None:
    """With _start=False clients are refused until accept_connections() or run()."""
    server = create_server(hello, host=LOOPBACK, port=0, _start=False)
    address = (LOOPBACK, server.effective_port)
    with pytest.raises(ConnectionRefusedError):
        RawClient(address)
    server.accept_connections()
    with RawClient(address) as client:
        client.send(GET)
        with running(server):
            assert client.response()[2] == b"hello"
    with running(create_server(hello, host=LOOPBACK, port=0, _start=False)) as server:
        wait_until(lambda: server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        assert ask((LOOPBACK, server.effective_port))[2] == b"hello"


ACTIVATED = """
import os, socket, sys
sockets = []
for address in sys.argv[1], sys.argv[2], ("127.0.0.1", 0):
    sock = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
    sock.bind(address)
    sockets.append(sock)
print("port", sock.getsockname()[1], flush=True)
for place, sock in enumerate(sockets):
    os.dup2(sock.fileno(), 40 + place)
for place in range(3):
    os.dup2(40 + place, 3 + place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "admin:web:web"}
os.execv(sys.executable, [sys.executable, "-m", "wiverno", *sys.argv[3:]])
"""

APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--listen=fd:web", "shop:application"],
        ["run", "--listen", "fd:web", "shop:application"],
        ["run", "--config", "shop.toml"],
        ["run", "--config", "shop.ini"],
        ["run", "--listen", "fd:4 fd:5", "shop:application"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_listen_fds_by_name(tmp_path: Path, arguments: list[str]) -> None:
    """systemd's sockets are found by name (several may share one) or by descriptor, and the others stay untouched."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "shop.toml").write_text('[server]\nlisten = ["fd:web"]\n[app]\nuse = "shop:application"\n')
    (tmp_path / "shop.ini").write_text(
        "[server:main]\nuse = egg:wiverno#main\nlisten = fd:web\n"
        "[app:main]\nuse = egg:wiverno\napp = shop:application\n"
    )
    paths = [str(tmp_path / "admin"), str(tmp_path / "web")]
    environment = {"PYTHONPATH": str(tmp_path)}
    with Child(["-c", ACTIVATED, *paths, *arguments], cwd=tmp_path, env=environment) as child:
        port = int(child.wait_for(r"port (\d+)")[1])
        child.wait_for(f"Serving on http://{LOOPBACK}:{port}")
        assert ask(paths[1])[2] == b"hello"
        assert ask((LOOPBACK, port))[2] == b"hello"
        with socket.socket(socket.AF_UNIX) as client:
            assert client.connect_ex(paths[0]) == errno.ECONNREFUSED
        assert child.stop() == 0
    assert Path(paths[1]).exists(), "the socket is systemd's"


def test_an_unknown_inherited_name() -> None:
    """A name that systemd has not given is an error of the start."""
    with pytest.raises(OSError, match="no inherited socket is named 'web'"):
        create_server(hello, listen="fd:web")
    with pytest.raises(OSError, match="descriptor 9999 is no socket: Bad file descriptor"):
        create_server(hello, listen="fd:9999")


# ---------------------------------------------------------------- run and close


def test_close_is_idempotent_from_any_thread() -> None:
    """close() before, during and after run(), twice each, from several threads: nothing fails, run() returns."""
    server = create_server(hello, host=LOOPBACK, port=0)
    with running(server):
        assert ask((LOOPBACK, server.effective_port))[0] == 200
        closers = [threading.Thread(target=server.close) for _ in range(4)]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join(PATIENCE)
    server.close()
    server.run()
    server.close()


def test_close_before_run() -> None:
    """run() of a closed server returns at once, and its port is free."""
    server = create_server(hello, host=LOOPBACK, port=0)
    port = server.effective_port
    server.close()
    server.run()
    with create_server(hello, host=LOOPBACK, port=port) as again:
        assert again.effective_port == port


@pytest.mark.parametrize("threads", [1, 4])
def test_close_races_with_run(threads: int) -> None:
    """Whichever comes first, close() or run(), the server ends and leaks no descriptor."""
    before = open_descriptors()
    for _ in range(20):
        server = create_server(hello, host=LOOPBACK, port=0, threads=threads)
        runner = threading.Thread(target=server.run, daemon=True)
        runner.start()
        server.close()
        runner.join(PATIENCE)
        assert not runner.is_alive()
    assert len(open_descriptors()) <= len(before)


@pytest.mark.parametrize("threads", [1, 4])
def test_close_with_idle_keep_alive_clients(threads: int) -> None:
    """Clients that keep their connections do not hold the end up."""
    with running(create_server(hello, host=LOOPBACK, port=0, threads=threads)) as server:
        clients = [RawClient((LOOPBACK, server.effective_port)) for _ in range(3)]
        for client in clients:
            client.send(GET)
            assert client.response()[0] == 200
        started = time.monotonic()
    assert time.monotonic() - started < PATIENCE / 2
    for client in clients:
        assert client.is_closed()
        client.close()


@pytest.mark.parametrize("threads", [1, 4])
def test_close_lets_the_request_under_way_finish(threads: int) -> None:
    """The response that is being made arrives whole, with Connection: close."""
    entered, go = threading.Event(), threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        entered.set()
        go.wait(PATIENCE)
        return list(hello(environ, start_response))

    with running(create_server(application, host=LOOPBACK, port=0, threads=threads)) as server:
        with RawClient((LOOPBACK, server.effective_port)) as client:
            client.send(GET)
            assert entered.wait(PATIENCE)
            server.close()
            go.set()
            status, _, body = client.response()
    assert (status, body) == (200, b"hello")


def test_with_statement() -> None:
    """A server closes at the end of its block."""
    with create_server(hello, host=LOOPBACK, port=0) as server:
        address = (LOOPBACK, server.effective_port)
    with pytest.raises(ConnectionRefusedError):
        RawClient(address)


OWN_HANDLER = """
import signal, sys, threading
from wiverno import create_server
signalled = threading.Event()
def application(environ, start_response):
    print("entered", flush=True)
    signalled.wait(30)
    start_response("200 OK", [])
    return [b"hello"]
def leave(*_):
    signalled.set()
    sys.exit(7)
signal.signal(signal.SIGTERM, leave)
server = create_server(application, host="127.0.0.1", port=0, threads=int(sys.argv[1]))
print("Serving on http://127.0.0.1:%d" % server.effective_port, flush=True)
server.run()
print("returned", flush=True)
"""


def test_system_exit_of_the_programs_own_handler() -> None:
    """run() takes SystemExit from a handler for the wish to end, as waitress does: requests finish, it returns."""
    with Child(["-c", OWN_HANDLER, "4"]) as child:
        with RawClient(child.address()) as client:
            client.send(GET)
            child.wait_for("entered")
            child.send(signal.SIGTERM)
            assert client.response()[2] == b"hello"
        child.wait_for("returned")
        assert child.wait() == 0


# ---------------------------------------------------------------- what lies inside


def test_constructed_without_create_server(tmp_path: Path) -> None:
    """The classes take waitress's arguments, because programs subclass them."""
    adjustments = Adjustments.from_keywords(host=LOOPBACK, port=0)
    for server in (
        TcpWSGIServer(hello, host=LOOPBACK, port=0),
        TcpWSGIServer(hello, {}, True, None, None, adjustments),
        UnixWSGIServer(hello, unix_socket=str(tmp_path / "s")),
    ):
        with running(server):
            host, port = server.effective_listen[0]
            assert ask((host, port) if port else host)[2] == b"hello"


def test_map_closes_the_server() -> None:
    """A map that is handed in has the server in it: closing what is there ends run(), and empties the map."""
    sockets: dict[int, Any] = {}
    server = create_server(hello, map=sockets, host=LOOPBACK, port=0)
    assert server.map is sockets
    assert sockets
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ask((LOOPBACK, server.effective_port))[0] == 200
    for channel in list(sockets.values()):
        channel.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not sockets


@pytest.mark.parametrize("is_running", [True, False])
def test_dispatcher_shutdown(is_running: bool) -> None:
    """task_dispatcher.shutdown() ends the server and waits for its threads, after close() or alone."""
    server = create_server(hello, host=LOOPBACK, port=0)
    if is_running:
        threading.Thread(target=server.run, daemon=True).start()
        assert ask((LOOPBACK, server.effective_port))[0] == 200
    assert server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)
    with pytest.raises(ConnectionRefusedError):
        RawClient((LOOPBACK, server.effective_port))


def test_dispatcher_shutdown_is_forced_in_the_end() -> None:
    """What has not finished in time is cut off."""
    go = threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        go.wait(PATIENCE)
        return list(hello(environ, start_response))

    server = create_server(application, host=LOOPBACK, port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with RawClient((LOOPBACK, server.effective_port)) as client:
        client.send(GET)
        wait_until(lambda: server.active_channels)
        started = time.monotonic()
        assert server.task_dispatcher.shutdown(timeout=0.2)
        assert time.monotonic() - started < PATIENCE / 2
        go.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_asyncore_loop() -> None:
    """`server.asyncore.loop(map=server._map)` runs the server; rounds can't be counted."""
    server = create_server(hello, host=LOOPBACK, port=0)
    with pytest.raises(ValueError, match="count has no meaning"):
        server.asyncore.loop(0.1, map=server._map, count=1)
    runner = threading.Thread(target=server.asyncore.loop, args=(0.5,), kwargs={"map": server._map}, daemon=True)
    runner.start()
    assert ask((LOOPBACK, server.effective_port))[2] == b"hello"
    server.close()
    runner.join(PATIENCE)
    assert not runner.is_alive()


def test_several_servers_in_one_map() -> None:
    """A shared map is accepted; one loop for several servers is not."""
    sockets: dict[int, Any] = {}
    with create_server(hello, map=sockets, host=LOOPBACK, port=0) as one:
        with create_server(hello, map=sockets, host=LOOPBACK, port=0):
            with pytest.raises(ValueError, match="several servers share this map"):
                one.asyncore.loop(map=sockets)
    assert not sockets


def test_application_can_be_replaced() -> None:
    """`server.application = …` after create_server serves the next connections."""

    def other(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"other"]

    server = create_server(hello, host=LOOPBACK, port=0)
    assert server.application is hello
    server.application = other
    with running(server):
        assert ask((LOOPBACK, server.effective_port))[2] == b"other"
        server.application = hello
        assert ask((LOOPBACK, server.effective_port))[2] == b"hello"
        with pytest.raises(ValueError, match="the application is None"):
            server.application = None  # type: ignore[assignment]


def test_known_attributes() -> None:
    """adj, server_name, active_channels, pull_trigger, maintenance and log_info are there as programs use them."""
    with running(create_server(hello, host=LOOPBACK, port=0, server_name="shop")) as server:
        assert server.adj.threads == 4
        assert server.server_name == "shop"
        assert server.active_channels == {}
        server.pull_trigger()
        server.maintenance(0)
        with RawClient((LOOPBACK, server.effective_port)) as client:
            client.send(GET)
            client.response()
            assert len(server.active_channels) == 1


@pytest.mark.parametrize(("application", "message"), [(None, "is None"), ("app", "a str, which can't be called")])
def test_no_application(application: Any, message: str) -> None:
    """None, and what can't be called, are refused before anything is bound."""
    for make in (create_server, TcpWSGIServer):
        with pytest.raises(ValueError, match=message):
            make(application, host=LOOPBACK, port=0)


@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.001, 0.005])
def test_run_server_stopped_while_it_starts(pause: float) -> None:
    """stop() that comes while start() is binding is not lost, and one before it does not prevent it."""
    server = RunServer(hello, LOOPBACK, 0)
    server.stop()
    thread = threading.Thread(target=server.start, daemon=True)

    def has_ended() -> bool:
        server.stop()
        return not thread.is_alive()

    thread.start()
    time.sleep(pause)  # not to wait for something, but to come at another moment
    wait_until(has_ended)
