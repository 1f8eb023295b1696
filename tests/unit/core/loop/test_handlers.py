"""What may stand in the loop's table of clients: every class that does is asked the same, and none for its class."""

import ast
import fcntl
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from tests.support.rig import Rig, variables
from tests.support.rig import rig as made_rig
from tests.support.waiting import PATIENCE
from wiverno.core.http1.connection import Connection
from wiverno.core.loop.handlers import Client, Eviction
from wiverno.core.net.certificates import Certificates
from wiverno.core.net.lingering_close import Lingering
from wiverno.core.net.proxy_protocol import PreambleReader
from wiverno.core.net.tls import Handshake, TlsSocket

CORE = Path(__file__).resolve().parents[4] / "wiverno" / "core"
DATA = Path(__file__).resolve().parents[3] / "data" / "tls"


def connection(made: Rig, sock: socket.socket) -> Client:
    return Connection(sock, variables(), made.context, made.loop, trusted=False)


def busy(made: Rig, sock: socket.socket) -> Client:
    """A connection whose request runs in another thread."""
    client = Connection(sock, variables(), made.context, made.loop, trusted=False)
    client.hand_off()
    return client


def lingering(made: Rig, sock: socket.socket) -> Client:
    return Lingering(sock, made.loop, is_registered=False)


def preamble(made: Rig, sock: socket.socket) -> Client:
    return PreambleReader(sock, made.loop, 30, lambda *_: None)


def handshake(made: Rig, sock: socket.socket) -> Client:
    return Handshake(sock, made.loop, cast("Certificates", None), 10.0, lambda *_: None, lambda _: b"")


STAGES: dict[str, Callable[[Rig, socket.socket], Client]] = {
    "connection": connection, "busy": busy, "lingering": lingering, "preamble": preamble, "handshake": handshake,
}  # fmt: skip
each_stage = pytest.mark.parametrize("stage", STAGES)


@contextmanager
def client_in(stage: str) -> Iterator[tuple[Rig, Client, socket.socket]]:
    """Have a client in a stage, in the tables of a loop; its far end is the last of the three."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(PATIENCE)
    with theirs, made_rig() as made:
        client = STAGES[stage](made, ours)
        made.loop.handlers[client.fd] = client
        made.loop.connections.add(client)
        yield made, client, theirs
        if client in made.loop.connections:
            client.close()


@each_stage
def test_every_stage_is_a_client(stage: str) -> None:
    """It answers all that may be asked, and says in a traceback or debugger what it is."""
    with client_in(stage) as (_, client, _far):
        assert isinstance(client, Client)
        assert client.sock.fileno() == client.fd
        assert isinstance(client.deadline(), float)
        assert isinstance(client.eviction(), Eviction | None)
        assert client.has_input() is False
        assert f"fd={client.fd}" in repr(client)
        client.begin_drain()


@each_stage
def test_an_evicted_client_is_gone(stage: str) -> None:
    with client_in(stage) as (made, client, far):
        client.evict()
        assert not made.loop.connections
        assert not made.loop.handlers
        assert far.recv(1000) == b""


@each_stage
def test_a_drained_client_is_gone_unless_its_request_runs(stage: str) -> None:
    with client_in(stage) as (made, client, _):
        client.drain()
        assert bool(made.loop.connections) == (stage == "busy")


@each_stage
def test_an_abandoned_client_loses_only_this_copy(stage: str) -> None:
    """The descriptor is closed, nothing is sent, the tables stay; locks that another thread held do no harm."""
    with client_in(stage) as (made, client, far):
        copy = os.dup(client.fd)
        with made.loop.arming, made.loop.deadlines._lock:
            client.abandon()
            client.abandon()
        with pytest.raises(OSError):
            fcntl.fcntl(client.fd, fcntl.F_GETFD)
        assert client in made.loop.connections
        made.loop.connections.clear()
        far.send(b"to the parent")
        assert os.read(copy, 1000) == b"to the parent"
        if stage != "lingering":  # its end has been told before
            os.write(copy, b"from the parent")
            assert far.recv(1000) == b"from the parent"
        os.close(copy)


def test_an_abandoned_client_of_tls_sends_no_end() -> None:
    """Closing it as usual would tell the parent's client that the connection ends."""
    ours, theirs = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "first.pem", DATA / "first.key")
    context.num_tickets = 0
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    for sock in (ours, theirs):
        sock.settimeout(PATIENCE)
    far: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: far.append(trusting.wrap_socket(theirs)))
    thread.start()
    secure = context.wrap_socket(ours, server_side=True)
    thread.join(PATIENCE)
    with far[0], made_rig() as made:
        secure.setblocking(False)
        copy = os.dup(secure.fileno())
        client = Connection(TlsSocket(secure), variables(), made.context, made.loop, trusted=False)  # type: ignore[arg-type]
        client.abandon()
        with pytest.raises(OSError):
            fcntl.fcntl(client.fd, fcntl.F_GETFD)
        assert not select.select([far[0]], [], [], 0)[0]
        os.close(copy)


def test_no_code_asks_which_class_a_client_has() -> None:
    """The type checker knows which methods a client needs, so that a new class of clients needs no change elsewhere."""
    names = {"Connection", "Lingering", "PreambleReader", "Handshake", "Acceptor"}
    found = []
    for path in sorted(CORE.parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("isinstance", "type", "getattr", "hasattr"):
                continue
            text = ast.unparse(node)
            asks = {word.strip("()") for word in text.replace("|", " ").replace(",", " ").split()}
            is_class_asked = node.func.id in ("isinstance", "type") and bool(names & asks)
            is_guessed = node.func.id in ("getattr", "hasattr") and ast.unparse(node.args[0]) in (
                "handler", "client", "connection", "item",
            )  # fmt: skip
            if is_class_asked or (is_guessed and CORE in path.parents):
                found.append(f"{path.name}:{node.lineno}: {text}")
    assert not found
    declared = [
        node
        for node in ast.walk(ast.parse((CORE / "loop" / "event_loop.py").read_text()))
        if isinstance(node, ast.AnnAssign)
    ]
    types = {ast.unparse(node.target): ast.unparse(node.annotation) for node in declared}
    assert types["self.connections"] == "set[Client]"
