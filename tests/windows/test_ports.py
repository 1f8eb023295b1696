"""One port, one server: SO_EXCLUSIVEADDRUSE, and restarts while connections of before are in TIME_WAIT."""

import signal

from tests.support.sockets import free_port
from tests.windows.programs import SITE, STARTED, Child, curl, run, start, url

TAKE_OVER = """
import socket, sys
with socket.socket() as taker:
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taker.bind(("127.0.0.1", int(sys.argv[1])))
    except OSError as error:
        print("refused", error.winerror)
"""


def serve_on(port: int) -> Child:
    return start("-m", "wiverno", "run", SITE, "--listen", f"127.0.0.1:{port}")


def test_a_port_belongs_to_one_server() -> None:
    """A second server says what to do, and no program takes the port over, even with SO_REUSEADDR."""
    port = free_port()
    with serve_on(port) as first:
        assert curl(url(first)) == b"Hello\n"
        with serve_on(port) as second:
            assert second.wait(STARTED) == 1
            assert f"netstat -ano | findstr :{port}" in second.output
            assert "Traceback" not in second.output
        status, output = run("-c", TAKE_OVER, str(port))
        assert (status, output.split()[0]) == (0, "refused")
        assert curl(url(first)) == b"Hello\n"


def test_a_restart_gets_its_port_at_once() -> None:
    """The server closes these connections first, so its side of them waits in TIME_WAIT."""
    port = free_port()
    for _ in range(2):
        with serve_on(port) as child:
            for _ in range(5):
                assert curl("--header", "Connection: close", url(child)) == b"Hello\n"
            child.send(signal.SIGINT)
            assert child.wait(STARTED) == 0
