"""What a child gets from the development server: the listening sockets, and a pipe that ends when the child has to end.

The child ends when nothing holds the pipe's other end any more, so no orphan keeps the port. On POSIX it inherits the
sockets' descriptors, and SIGTERM ends it. On Windows handles of sockets can't be inherited reliably, and there is no
SIGTERM: a copy of each socket for the child's process (`socket.share`) comes through the pipe, and the pipe's end ends
the child.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

IS_WINDOWS: Final = sys.platform == "win32"


class Handover:
    """The parent's side, for one child.

    Attributes:
        descriptors: what the child inherits.
        lifeline: the reading end of the pipe, as the child may take it over: a descriptor, on Windows a handle.
    """

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        """Prepare to hand over these sockets, which stay open here."""
        self._sockets = sockets
        self._reading, self._writing = os.pipe()
        os.set_inheritable(self._reading, True)
        self.lifeline = self._reading
        self.descriptors = () if IS_WINDOWS else tuple(sock.fileno() for sock in sockets)
        if sys.platform == "win32":
            import msvcrt

            self.lifeline = msvcrt.get_osfhandle(self._reading)
        else:
            for sock in sockets:
                sock.set_inheritable(True)

    def send(self, pid: int) -> None:
        """Send what the child, which runs already, could not inherit."""
        os.close(self._reading)
        self._reading = -1
        if sys.platform == "win32":
            with suppress(OSError):  # it has ended already, which the parent notices
                shared = [base64.b64encode(sock.share(pid)).decode() for sock in self._sockets]
                os.write(self._writing, json.dumps(shared).encode() + b"\n")

    def end(self, child: subprocess.Popen[bytes]) -> None:
        """Ask the child to finish its requests and end."""
        if IS_WINDOWS:
            self.close()
        else:
            child.terminate()

    def close(self) -> None:
        """Close the pipe."""
        for end in (self._reading, self._writing):
            if end >= 0:
                os.close(end)
        self._reading = self._writing = -1


def take_over(descriptors: Sequence[int], lifeline: int) -> tuple[list[socket.socket], int]:
    """Return the sockets and the lifeline's descriptor, which programs of the application do not inherit (child)."""
    if sys.platform == "win32":
        import msvcrt

        lifeline = msvcrt.open_osfhandle(lifeline, os.O_RDONLY)
        with open(lifeline, "rb", 0, closefd=False) as pipe:
            return [socket.fromshare(base64.b64decode(text)) for text in json.loads(pipe.readline())], lifeline
    for descriptor in (*descriptors, lifeline):
        os.set_inheritable(descriptor, False)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors], lifeline


def python(variables: Mapping[str, str]) -> tuple[str, dict[str, str] | None]:
    """Return this Python's program, and the variables that it needs; None for this process's.

    In a virtual environment on Windows `sys.executable` only starts another process, whose id would be needed. The
    program itself takes the environment's place from a variable, as `multiprocessing` starts it.
    """
    base = getattr(sys, "_base_executable", None)
    if not IS_WINDOWS or not base or os.path.normcase(base) == os.path.normcase(sys.executable):
        return sys.executable, None
    return base, {**variables, "__PYVENV_LAUNCHER__": sys.executable}
