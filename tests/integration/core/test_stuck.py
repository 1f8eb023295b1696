"""Requests that run longer than request_timeout are logged once, with the stack of their thread."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import MODES, serving
from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from tests.support.workers import is_alive, service, wait_for_workers


@pytest.mark.parametrize("mode", MODES)
def test_a_stuck_request_is_told_of_once(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """Method, target, age and the stack, the application's line in it; in a server of one thread too."""
    goes_on = threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/stuck":
            held_up_on_purpose(goes_on)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "wiverno.stuck"]

    with serving(application, request_timeout=0.5, **MODES[mode]) as served, served.client() as client:
        client.send(b"GET /stuck?a=\x22 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(told)
        text = told()[0]
        assert re.match(
            r'GET /stuck\?a=\\" has been running for [0-9.]+ s in thread .+ \(request_timeout = 0.5 s\):', text
        )
        assert "held_up_on_purpose" in text
        assert "gateway.py" not in text
        seen = threading.Event()
        assert not seen.wait(1.5)
        assert len(told()) == 1
        goes_on.set()
        assert client.response()[0] == 200


def held_up_on_purpose(goes_on: threading.Event) -> None:
    goes_on.wait(20)


def test_recycle(tmp_path: Path) -> None:
    """With stuck_requests = recycle the worker leaves after another one serves; it is killed if it never finishes."""
    settings = 'workers = 1\nrequest_timeout = "1s"\nstuck_requests = "recycle"\ngraceful_timeout = "1s"'
    with service(tmp_path, settings=settings) as served:
        [before] = wait_for_workers(served, 1)
        with RawClient(served.address) as client:
            client.send(b"GET /sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n")
            served.child.wait_for(r"GET /sleep/60 has been running for")
            wait_for_workers(served, 1, without={before})
            served.child.wait_for("replaced .stuck., draining")
            wait_until(lambda: not is_alive(before))
        assert served.status()["restarts"] == {"stuck": 1}
        assert served.status()["total"]["totals"]["stuck"] == 1
