"""The leader of a server with mounts: which requests are files, and what the predictor learns of them.

That files are answered while every thread is held up, and while a disk blocks, is tested over sockets in
tests/integration/static/test_static_operations.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.rig import rig
from wiverno.core.threads.file_leader import FileLeaders, MountPredictor, new_leaders
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.static.mounts import Mount
from wiverno.static.site import StaticSite


def site(directory: str, **options: bool) -> StaticSite:
    return StaticSite(lambda environ, start_response: [], [Mount("/s", directory, **options)], "x")  # type: ignore[arg-type]


def test_files_of_a_mount_are_one_kind_of_request() -> None:
    """They are on one disk; the application's paths are told apart as ever."""
    predictor = MountPredictor(site("/"))
    predictor.learn("GET", "/s/one", has_blocked=False)
    assert not predictor.counters
    predictor.learn("GET", "/s/one", has_blocked=True)
    predictor.learn("GET", "/x", has_blocked=True)
    assert predictor.is_blocking("GET", "/s/two.css")
    assert predictor.is_blocking("HEAD", "/s/css/three")
    assert predictor.is_blocking("GET", "/x")
    assert not predictor.is_blocking("GET", "/y")
    assert not predictor.is_blocking("POST", "/x")


def test_with_a_fallback_only_known_files_are(tmp_path: Path) -> None:
    """Everything else may be the application's."""
    predictor = MountPredictor(site(os.fspath(tmp_path), fallback=True))
    predictor.learn("GET", "/s/page", has_blocked=True)
    assert not predictor.is_blocking("GET", "/s/other")


def test_which_leaders_there_are() -> None:
    """A server without mounts has those that know nothing of files."""
    with rig() as made:
        options = {"queue_size": 0, "queue_timeout": 0.0}
        assert type(new_leaders(None, made.loop, 2, **options)) is LeaderFollowers
        assert type(new_leaders(site("/"), made.loop, 2, **options)) is FileLeaders
