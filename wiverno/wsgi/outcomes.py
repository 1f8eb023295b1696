"""How a response ends: what a gateway's respond() and resume() return."""

from typing import Final

CLOSE: Final = 0  # the response is complete; the connection must close
KEEP: Final = 1  # the response is complete; the connection may serve the next request
SUSPENDED: Final = 2  # the sink is full: call resume() when it has room
BROKEN: Final = 3  # the response was cut: nothing more may be sent, and the client must be able to see it

MAX_JOINED: Final = 65536  # bytes: copying up to here is cheaper than a second buffer for the kernel
