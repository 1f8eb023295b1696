"""Ctrl-C, Ctrl-Break, and what a second one does, with requests in flight."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.programs import program
from tests.windows.programs import STARTED, Child, curl, serve, url


@contextmanager
def slow_requests(child: Child, count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Have curl wait for so many responses, which the application has begun."""
    clients = [
        subprocess.Popen([program("curl"), "--silent", url(child, "/slow")], stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    try:
        child.wait_for(rf"(?s)(slow: begun.*){{{count}}}", STARTED)
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def answers(clients: list["subprocess.Popen[bytes]"]) -> list[bytes]:
    return [client.communicate(timeout=STARTED)[0] for client in clients]


def press_ctrl_c(child: Child) -> None:
    """Wine makes a console's CTRL_C_EVENT of it, for this process."""
    child.send(signal.SIGINT)


def test_ctrl_c_finishes_requests() -> None:
    """Requests in flight are answered, no new client is accepted, and the status is 0."""
    with serve("--threads", "4") as child:
        with slow_requests(child, 3) as clients:
            press_ctrl_c(child)
            assert answers(clients) == [b"slow: complete"] * 3
        assert child.wait(STARTED) == 0
        assert "draining: no new connections; 3 connection(s) open" in child.output
        assert "Traceback" not in child.output


def test_ctrl_c_ends_an_idle_server_at_once() -> None:
    """The main thread waits in a lock, which no signal interrupts on Windows; it ends nevertheless."""
    with serve() as child:
        assert curl(url(child)) == b"Hello\n"
        press_ctrl_c(child)
        assert child.wait(STARTED) == 0


def test_a_second_ctrl_c_ends_by_force() -> None:
    with serve("--graceful-timeout", "60") as child, slow_requests(child, 1) as clients:
        press_ctrl_c(child)
        child.wait_for("draining")
        press_ctrl_c(child)
        assert child.wait(STARTED) == 0
        assert answers(clients) == [b""]


def test_ctrl_c_in_mode_simple() -> None:
    """RunServer has one thread, which is the main one."""
    with serve("--mode", "simple") as child:
        with slow_requests(child, 1) as clients:
            press_ctrl_c(child)
            assert answers(clients) == [b"slow: complete"]
        assert child.wait(STARTED) == 0


@pytest.mark.parametrize("mode", ["threaded", "simple"])
def test_ctrl_break_finishes_requests(mode: str) -> None:
    """SIGBREAK drains as SIGINT does. It is raised inside: Wine's C library makes no signal of CTRL_BREAK_EVENT."""
    with serve("--mode", mode) as child:
        assert curl(url(child, "/break")) == b"broken"
        assert child.wait(STARTED) == 0
        assert "draining" in child.output
