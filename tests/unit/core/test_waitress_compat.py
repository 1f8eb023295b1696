"""The small objects that programs find inside waitress's servers, with a server that the test makes up."""

from typing import Any

import pytest

from wiverno.core.waitress_compat import Asyncore, MapEntry, TaskDispatcher, entries


class Server:
    """Writes down what is asked of it."""

    def __init__(self, *, ends: bool = True) -> None:
        self.calls: list[str] = []
        self.ends = ends

    def close(self) -> None:
        self.calls.append("close")

    def end_within(self, timeout: float) -> bool:
        self.calls.append(f"end within {timeout:g}")
        return self.ends

    def serve(self) -> None:
        self.calls.append("serve")


@pytest.mark.parametrize("name", ["close", "handle_close"])
def test_closing_an_entry_of_the_map_closes_the_server(name: str) -> None:
    server = Server()
    getattr(MapEntry(server), name)()
    assert server.calls == ["close"]


@pytest.mark.parametrize(
    ("ends", "cancels", "expected"),
    [(True, True, True), (True, False, True), (False, True, True), (False, False, False)],
)
def test_shutting_the_dispatcher_down_ends_the_server(ends: bool, cancels: bool, expected: bool) -> None:
    """As in waitress, pending tasks that are cancelled count as done."""
    server = Server(ends=ends)
    assert TaskDispatcher(server).shutdown(cancels, 2) is expected
    assert server.calls == ["end within 2"]


def test_asyncores_loop_runs_the_server_of_the_map() -> None:
    server, map = Server(), dict[int, Any]()
    leave = entries(map, server, [3, 4])
    Asyncore.loop(timeout=1, use_poll=True, map={**map, 5: object()})
    assert server.calls == ["serve"]
    map[4] = "another program's"
    leave()
    leave()
    assert map == {4: "another program's"}
    Asyncore.loop(map=map)
    Asyncore.loop()
    assert server.calls == ["serve"]


def test_what_has_no_meaning_here_is_an_error() -> None:
    map = {3: MapEntry(Server()), 4: MapEntry(Server())}
    with pytest.raises(ValueError, match="several servers share this map"):
        Asyncore.loop(map=map)
    with pytest.raises(ValueError, match="count has no meaning in wiverno"):
        Asyncore.loop(count=1)
