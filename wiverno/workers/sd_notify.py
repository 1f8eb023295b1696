"""Messages to the service manager: sd_notify(3), datagrams to the socket that systemd names.

Without a service manager nothing is sent. A message has one line for each fact: READY=1, STATUS=text.
"""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_PREFIX: Final = "\0"


class Notifier:
    """Sends messages to the service manager; any thread may use it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment."""
        address = environ.get("NOTIFY_SOCKET", "")
        # systemd.exec(5): @ means the NUL byte of an abstract socket.
        self._address = _PREFIX + address[1:] if address.startswith("@") else address
        self.watchdog = 0.0
        """Seconds between two watchdog messages, 0 for none."""
        wanted, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        if wanted.isdigit() and pid in ("", str(os.getpid())):
            self.watchdog = int(wanted) / 2_000_000  # half of the limit, as sd_watchdog_enabled(3) advises

    def __bool__(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def send(self, **facts: str | int) -> None:
        """Send facts: READY=1, STATUS="…"; errors are ignored."""
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        text = "\n".join(f"{name}={str(value).replace(chr(10), ' ')}" for name, value in facts.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(text.encode(), self._address)
        except OSError:
            pass

    def ready(self, status: str) -> None:
        """Report that the service is ready."""
        self.send(READY=1, STATUS=status)

    def reloading(self) -> None:
        """Report that a reload has begun; `ready` reports its end (Type=notify-reload)."""
        self.send(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)

    def stopping(self, status: str) -> None:
        """Report that the service ends."""
        self.send(STOPPING=1, STATUS=status)

    def reset_watchdog(self) -> None:
        """Reset the manager's watchdog."""
        self.send(WATCHDOG=1)
