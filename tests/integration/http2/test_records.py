"""What is recorded of an exchange over HTTP/2 is what is recorded of the same one over HTTP/1.1."""

import http.client
from pathlib import Path

import pytest

from tests.integration.http2.site import PIECE, Site
from tests.support.h2_client import h2_client
from tests.support.serving import MODES, serving
from tests.support.waiting import wait_until

FORM = "{method} {uri} {status} {bytes} {remote} {host} {agent} {protocol} {id}"
REQUESTS = (
    ("GET", "/hello?a=b", b""),
    ("HEAD", "/hello", b""),
    ("GET", "/status/204", b""),
    ("GET", "/status/304", b""),
    ("GET", "/whole/70000", b""),
    ("GET", "/stream/70000", b""),
    ("POST", "/upload", PIECE),
    ("POST", "/upload", PIECE * 8),  # too large
    ("GET", "/fail", b""),
    ("GET", "/hints", b""),
    ("GET", "/bad%zz", b""),
)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_lines(tmp_path: Path, mode: str) -> None:
    """One line for each exchange, with the same status, bytes and request id; only the protocol differs."""
    log = tmp_path / "access.log"
    settings = {"access_log": str(log), "access_log_format": FORM, "max_request_body_size": 100_000}
    with serving(Site(), http2=True, trusted_proxies="127.0.0.1", **settings, **MODES[mode]) as served:
        lines: dict[str, list[str]] = {"HTTP/1.1": [], "HTTP/2.0": []}
        for protocol, found in lines.items():
            for number, (method, path, body) in enumerate(REQUESTS):
                fields = {"user-agent": "test", "x-request-id": f"request-{number}"}
                before = log.read_text().count("\n") if log.exists() else 0
                if protocol == "HTTP/2.0":
                    with h2_client(served.address) as client:
                        client.authority = "shop.example"
                        client.fetch(path, method=method, headers=fields.items(), body=body or None)
                else:
                    connection = http.client.HTTPConnection(*served.address)
                    connection.request(method, path, body or None, {"Host": "shop.example", **fields})
                    connection.getresponse().read()
                    connection.close()
                wait_until(lambda before=before: log.read_text().count("\n") > before)  # type: ignore[misc]
                found.append(log.read_text().splitlines()[before].replace(protocol, "PROTOCOL"))
    assert lines["HTTP/2.0"] == lines["HTTP/1.1"]
    assert len(log.read_text().splitlines()) == 2 * len(REQUESTS)
