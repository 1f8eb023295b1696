"""The client of the admin listener, for `wiverno ctl`."""

import errno
import http.client
import json
import socket
from typing import Any, Final

from wiverno.config.settings import Address, UnixAddress
from wiverno.files import error_text, unix_path

TIMEOUT: Final = 10.0  # seconds


class NoAnswerError(Exception):
    """The address does not answer, or not as an admin listener; the text says which address, and why."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise OSError(errno.EAFNOSUPPORT, "Unix sockets are not available on this system")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(unix_path(self._path))


class AdminClient:
    """Sends requests to a server's admin address."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def _ask(self, method: str, path: str) -> tuple[int, str]:
        address = self.address
        connection: http.client.HTTPConnection
        if isinstance(address, UnixAddress):
            connection = _UnixConnection(address.path)
        else:
            host = getattr(address, "host", "") or "127.0.0.1"
            connection = http.client.HTTPConnection(host, getattr(address, "port", 0), timeout=TIMEOUT)
        try:
            connection.request(method, path, headers={"X-Wiverno-Control": "ctl", "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(f"no answer from {address}: {error_text(error)}") from error
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Return the content of /status.

        Raises:
            NoAnswerError: there is no answer, or not one of wiverno's admin listener.
        """
        code, text = self._ask("GET", "/status")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if code != 200 or not isinstance(found, dict) or "workers" not in found:
            raise NoAnswerError(f"{self.address} answers, but is not an admin address of wiverno")
        return found

    def ask(self, action: str) -> tuple[bool, str]:
        """Request an action; return whether it was accepted, and the text of the response.

        Raises:
            NoAnswerError: there is no answer.
        """
        code, text = self._ask("POST", f"/{action}")
        return code == 202, text.strip()
