"""The client of the TLS handshakes against Python's own server."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.apps import GREETING
from benchmarks.servers import CERTIFICATE, CERTIFICATES, KEY
from benchmarks.tls_handshakes import connect, press


class _Greet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(GREETING)))
        self.end_headers()
        self.wfile.write(GREETING)

    def log_message(self, *arguments: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server over TLS with session tickets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Greet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_session_is_resumed_on_the_second_connection(port: int) -> None:
    """The first connection brings the ticket, the second one uses it."""
    context = ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")
    first = connect(port, context, None)
    assert first is not None
    assert connect(port, context, first) is not None


def test_new_connections_resume_nothing(port: int) -> None:
    """The rate of full handshakes has no resumed one in it."""
    counts = press(port, 0.2, resumes=False)
    assert counts.done > 0
    assert counts.resumed == 0
