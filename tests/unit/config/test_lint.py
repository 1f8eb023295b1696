"""Warnings about combinations that are allowed and probably not wanted."""

import os
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.lint import find_risks
from wiverno.config.settings import Adjustments


def test_more_workers_than_memory_allows() -> None:
    """Workers whose memory does not fit into the machine's are warned of, with both figures."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    host = {"host": "127.0.0.1", "connection_limit": 10}
    (warning,) = find_risks(Adjustments(workers=4, max_rss=memory // 2, **host))
    assert warning.startswith("workers = 4 processes of ")
    assert "lower workers or max_rss" in warning
    assert find_risks(Adjustments(workers=2, max_rss=2**20, **host)) == []


DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
TLS = {"certfile": str(DATA / "first.pem"), "keyfile": str(DATA / "first.key")}


@pytest.mark.parametrize(
    ("settings", "is_useless"),
    [
        ({}, True),
        ({"listen": "127.0.0.1:8000"}, True),
        (TLS, False),
        ({"trusted_proxies": "127.0.0.1"}, False),
        ({"trusted_proxy": "127.0.0.1"}, False),
        ({"unix_socket": "app.sock"}, False),
        ({"listen": ["127.0.0.1:8000", "unix:app.sock"]}, False),
        ({"listen": "fd:3"}, False),
    ],
    ids=str,
)
def test_http2_that_no_client_can_speak(settings: dict[str, Any], *, is_useless: bool) -> None:
    """On plain TCP ports without trusted proxies http2 does nothing, and the warning says what it needs."""
    host = {} if "listen" in settings or "unix_socket" in settings else {"host": "127.0.0.1"}
    warnings = find_risks(Adjustments(http2=True, connection_limit=10, **host, **settings))
    assert any(text.startswith("http2 has no effect here") for text in warnings) == is_useless
    assert not any("http2" in text for text in find_risks(Adjustments(connection_limit=10, **host)))


def test_mounts_that_hide_or_publish_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of / without a fallback hides the application; the start directory holds its source."""
    (tmp_path / "public").mkdir()
    monkeypatch.chdir(tmp_path)
    host = {"host": "127.0.0.1", "connection_limit": 10}
    (warning,) = find_risks(Adjustments(static="/=public", **host))
    assert "the application gets no request; set fallback = true" in warning
    for directory in (".", str(tmp_path.parent)):
        (warning,) = find_risks(Adjustments(static=f"/s={directory}", **host))
        assert warning.startswith(f"static: {directory} contains the directory where the server starts")
    assert find_risks(Adjustments(static="/=public fallback=true", **host)) == []
    (warning,) = find_risks(Adjustments(static=f"/s={tmp_path / 'public'}", chdir="public", **host))
    assert "contains the directory of chdir, so clients can read the application's source" in warning
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_risks(Adjustments(static=f"/s={tmp_path / 'public'}", **host)) == []
