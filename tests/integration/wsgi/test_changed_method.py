"""Applications that change the environ they are given."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.serving import MODES, serving


def application(environ: dict[str, Any], start_response: Any) -> Any:
    environ["REQUEST_METHOD"] = "GET"
    start_response("200 OK", [("Content-Length", "5")] if environ["PATH_INFO"] == "/list" else [])
    return [b"hello"] if environ["PATH_INFO"] == "/list" else iter([b"he", b"llo"])


@pytest.mark.parametrize("path", ["/list", "/stream"])
@pytest.mark.parametrize("mode", MODES)
def test_head_has_no_content_when_middleware_makes_it_a_get(mode: str, path: str) -> None:
    """The next response on the connection begins where the head of the first one ends."""
    with serving(application, **MODES[mode]) as served, served.client() as client:
        for _ in range(2):
            client.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, _, _ = client.response(method="HEAD")
            assert status == 200
        assert not client.buffer
