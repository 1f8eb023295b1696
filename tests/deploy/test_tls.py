"""The real HAProxy in front of a server that speaks TLS itself: passing it through, and speaking TLS to the server."""

import http.client
import json
import ssl
from pathlib import Path

import pytest

from tests.support.processes import Child
from tests.support.programs import program
from tests.support.serving import Recorder, serving
from tests.support.sockets import LOOPBACK, free_port
from tests.support.waiting import wait_until

DATA = Path(__file__).resolve().parents[1] / "data" / "tls"
CONFIGURATION = """
defaults
    timeout connect 5s
    timeout client 10s
    timeout server 10s

listen through
    bind {front}
    mode {mode}
    server one {back} {options} check inter 100ms
"""


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("tcp", "send-proxy"),
        ("tcp", "send-proxy-v2"),
        ("http", f"send-proxy-v2 ssl verify required verifyhost localhost ca-file {DATA / 'ca.pem'}"),
    ],
)
def test_the_client_is_known_behind_haproxy(tmp_path: Path, mode: str, options: str) -> None:
    """The server sees the client's address and speaks TLS, whether HAProxy or the client shakes hands."""
    recorder = Recorder()
    with serving(
        recorder, certfile=str(DATA / "first.pem"), keyfile=str(DATA / "first.key"), proxy_protocol=True,
        trusted_proxies="127.0.0.1", threads=2,
    ) as served:  # fmt: skip
        front = free_port()
        file = tmp_path / "haproxy.cfg"
        back = f"{LOOPBACK}:{served.address[1]}"
        file.write_text(CONFIGURATION.format(front=f"{LOOPBACK}:{front}", mode=mode, back=back, options=options))
        with Child([program("haproxy"), "-db", "-f", str(file)], cwd=tmp_path):
            seen = wait_until(lambda: answer(front, is_secure=mode == "tcp"), what="an answer through HAProxy") or {}
    assert seen["REMOTE_ADDR"] == "127.0.0.9"
    assert (seen["wsgi.url_scheme"], seen["HTTPS"]) == ("https", "on")


def answer(port: int, *, is_secure: bool) -> dict[str, str] | None:
    """Return the environ of a request from 127.0.0.9, None if there is no answer yet."""
    source = ("127.0.0.9", 0)
    connection: http.client.HTTPConnection
    if is_secure:
        context = ssl.create_default_context(cafile=DATA / "ca.pem")
        context.check_hostname = False  # the certificate is for localhost
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=5, source_address=source, context=context)
    else:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5, source_address=source)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        found: dict[str, str] | None = json.loads(response.read())["environ"] if response.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()
    return found
