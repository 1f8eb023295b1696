"""What a child gets from the development server, seen from both sides."""

import os
import socket
import subprocess
import sys

import pytest

from tests.support.waiting import PATIENCE
from wiverno.dev import handover
from wiverno.dev.handover import Handover, python, take_over

WAIT = "import sys; sys.stdin.read()"


@pytest.mark.skipif(sys.platform == "win32", reason="sockets go through the pipe there; tests/windows/test_dev.py")
def test_the_child_inherits_sockets_and_the_pipe_ends_with_the_parent() -> None:
    """What the child has taken over is not for programs that the application starts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Handover([listening])
        assert made.descriptors == (listening.fileno(),)
        assert os.get_inheritable(listening.fileno())
        assert os.get_inheritable(made.lifeline)
        inherited = os.dup(listening.fileno()), os.dup(made.lifeline)  # a fork would have them under the same numbers
        made.send(os.getpid())
        [taken], lifeline = take_over(inherited[:1], inherited[1])
        with taken:
            assert taken.getsockname() == listening.getsockname()
            assert not os.get_inheritable(taken.fileno())
            assert not os.get_inheritable(lifeline)
            os.set_blocking(lifeline, False)
            with pytest.raises(BlockingIOError):
                os.read(lifeline, 1)
            made.close()
            made.close()
            assert os.read(lifeline, 1) == b""
            os.close(lifeline)


@pytest.mark.parametrize("is_windows", [False, True])
def test_the_end_is_a_signal_or_the_end_of_the_pipe(is_windows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "IS_WINDOWS", is_windows)
    made = Handover([])
    with subprocess.Popen([sys.executable, "-c", WAIT], stdin=made.lifeline) as child:
        made.send(child.pid)
        made.end(child)
        status = child.wait(PATIENCE)
    assert (status == 0) is is_windows
    made.close()


def test_a_virtual_environment_on_windows_starts_the_program_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its python.exe only starts another process; the program finds the environment by a variable."""
    assert python({"A": "1"}) == (sys.executable, None)
    monkeypatch.setattr(handover, "IS_WINDOWS", True)
    monkeypatch.setattr(sys, "_base_executable", "/usr/bin/base")
    assert python({"A": "1"}) == ("/usr/bin/base", {"A": "1", "__PYVENV_LAUNCHER__": sys.executable})
    monkeypatch.setattr(sys, "_base_executable", sys.executable)
    assert python({"A": "1"}) == (sys.executable, None)
