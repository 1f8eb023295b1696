"""A gigabyte up and down through one connection, in less than 64 MiB of additional memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import volume
from tests.support.engine_child import EngineChild, engine_child
from tests.support.engine_server import PIECE
from tests.support.volume import GROWTH, MIB

GIB = 1024 * MIB

pytestmark = pytest.mark.long


@pytest.fixture(params=[(4, "epoll"), (1, "selectors")], ids=["threads", "simple"])
def server(request: pytest.FixtureRequest) -> Iterator[EngineChild]:
    threads, poller = request.param
    with engine_child(threads=threads, poller=poller, max_request_body_size=2 * GIB) as child:
        child.ask("/hello")
        yield child


@pytest.mark.parametrize("chunked", [False, True])
def test_up(server: EngineChild, chunked: bool) -> None:
    assert volume.measured(server, lambda: volume.upload(server, GIB, chunked=chunked)) < GROWTH
    volume.nothing_is_left(server)


@pytest.mark.parametrize("pause", [0.0, 0.002])
def test_down(server: EngineChild, pause: float) -> None:
    """As fast as it goes, and to a reader that is slower than the application."""
    assert volume.measured(server, lambda: volume.download(server, f"/stream/{GIB}", GIB, pause=pause)) < GROWTH
    volume.nothing_is_left(server)


def test_a_file_down(server: EngineChild, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        for _ in range(GIB // 65536):
            file.write(PIECE)
    assert volume.measured(server, lambda: volume.download(server, f"/file{path}", GIB)) < GROWTH
