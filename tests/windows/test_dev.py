"""The development server on Windows: restarts that refuse no client, and no process that is left."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sockets import RawClient
from tests.support.waiting import wait_until
from tests.windows.programs import STARTED, Child, curl, start, url

APP = """\
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"version {version}"]
"""


def save(folder: Path, text: str) -> None:
    """Save as editors do: the new content appears at once."""
    aside = folder / "run.aside"
    aside.write_text(text)
    aside.replace(folder / "run.py")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Child]:
    save(tmp_path, APP.format(version=0))
    with start("-m", "wiverno", "run", "dev", "--listen", "127.0.0.1:0", cwd=tmp_path) as child:
        assert curl(url(child)) == b"version 0"
        yield child


def is_refused(child: Child) -> bool:
    try:
        RawClient(child.address()).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_restart_refuses_no_client(server: Child, tmp_path: Path) -> None:
    """Copies of the listening socket go from the parent to each child: clients that come meanwhile wait."""
    answers: list[bytes] = []
    errors: list[BaseException] = []
    is_saved = threading.Event()

    def ask() -> None:
        while not is_saved.is_set():
            try:
                answers.append(curl(url(server)))
            except BaseException as error:
                errors.append(error)

    client = threading.Thread(target=ask)
    client.start()
    try:
        for version in (1, 2):
            save(tmp_path, APP.format(version=version))
            text = f"version {version}".encode()
            wait_until(lambda text=text: answers and answers[-1] == text, STARTED, what="the new code")  # type: ignore[misc]
    finally:
        is_saved.set()
        client.join(STARTED)
    assert not errors
    assert server.output.count("changed, restarting") == 2
    assert "killing it" not in server.output


def test_a_syntax_error_is_a_page(server: Child, tmp_path: Path) -> None:
    save(tmp_path, "def f(<:\n")
    server.wait_for("cannot be imported", STARTED)
    assert b"SyntaxError" in RawPage(server).text
    save(tmp_path, APP.format(version=1))
    wait_until(lambda: RawPage(server).text.endswith(b"version 1"), STARTED, what="the new code")


class RawPage:
    """A page with any status."""

    def __init__(self, child: Child) -> None:
        with RawClient(child.address(), timeout=STARTED) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.text = client.rest()


def test_ctrl_c_ends_parent_and_child(server: Child) -> None:
    server.send(signal.SIGINT)
    assert server.wait(STARTED) == 0
    assert "Server stopped successfully." in server.output
    assert "killing it" not in server.output
    assert is_refused(server)


def test_no_orphan_keeps_the_port(server: Child) -> None:
    """The parent is killed: the pipe's end ends the child."""
    server.process.kill()
    server.process.wait()
    wait_until(lambda: is_refused(server), STARTED, what="the child to end")
