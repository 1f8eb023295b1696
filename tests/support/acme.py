"""An ACME test server: Let's Encrypt's pebble, and a name server that sends every name to this machine."""

import json
import socket
import ssl
import struct
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import Child
from tests.support.programs import program
from tests.support.sockets import LOOPBACK, free_port
from tests.support.waiting import PATIENCE

TLS = Path(__file__).resolve().parents[1] / "data" / "tls"

ADDRESS_TYPE = 1  # RFC 1035 §3.2.2: A
ANSWERED = b"\x81\x80"  # RFC 1035 §4.1.1: a response, recursion available
NAME_IN_QUESTION = b"\xc0\x0c"  # RFC 1035 §4.1.4


def answer_name(query: bytes) -> bytes:
    """Return a DNS response that says 127.0.0.1 to a question for an IPv4 address, and nothing to any other."""
    end = 12
    while query[end]:
        end += query[end] + 1
    (kind,) = struct.unpack(">H", query[end + 1 : end + 3])
    answer = b""
    if kind == ADDRESS_TYPE:
        answer = NAME_IN_QUESTION + struct.pack(">HHIH", ADDRESS_TYPE, 1, 1, 4) + socket.inet_aton(LOOPBACK)
    counts = struct.pack(">HHHH", 1, bool(answer), 0, 0)
    return query[:2] + ANSWERED + counts + query[12 : end + 5] + answer


@contextmanager
def name_server() -> Iterator[str]:
    """Run the name server; give its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        address = "{}:{}".format(*sock.getsockname())

        def run() -> None:
            while True:
                query, client = sock.recvfrom(1500)
                if not query:
                    return
                sock.sendto(answer_name(query), client)

        thread = threading.Thread(target=run, name="name server", daemon=True)
        thread.start()
        try:
            yield address
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", sock.getsockname())
            thread.join(PATIENCE)


@dataclass(frozen=True)
class AcmeServer:
    """A running pebble: `directory` is what an ACME client is told, `root` the certificate that it signs with."""

    directory: str
    root: str


@contextmanager
def acme_server(folder: Path, http_port: int) -> Iterator[AcmeServer]:
    """Run pebble, which asks for http-01 challenges on `http_port` of this machine."""
    ports = {name: free_port() for name in ("listenAddress", "managementListenAddress")}
    settings = {name: f"{LOOPBACK}:{port}" for name, port in ports.items()}
    files = {"certificate": str(TLS / "first.pem"), "privateKey": str(TLS / "first.key")}
    configuration = {"pebble": {**settings, **files, "httpPort": http_port, "tlsPort": free_port()}}
    (folder / "pebble.json").write_text(json.dumps(configuration))
    with name_server() as names:
        command = [program("pebble"), "-config", str(folder / "pebble.json"), "-dnsserver", names]
        with Child(command, cwd=folder, env={"PEBBLE_VA_NOSLEEP": "1"}) as child:
            child.wait_for("ACME directory available")
            context = ssl.create_default_context(cafile=TLS / "ca.pem")
            url = f"https://{settings['managementListenAddress']}/roots/0"
            with urllib.request.urlopen(url, context=context, timeout=PATIENCE) as answer:
                root = answer.read().decode()
            yield AcmeServer(f"https://localhost:{ports['listenAddress']}/dir", root)
