"""Asking a running service on its admin address: what `wiverno ctl` is made of."""

import http.client
import json
import socket
from typing import Any, Final

from wiverno.config.settings import Address, UnixAddress
from wiverno.files import error_text, unix_path

TIMEOUT: Final = 10.0  # seconds


class NoAnswerError(Exception):
    """Nobody answers at the address, or it is somebody else; the text says where and why."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(unix_path(self._path))


class AdminClient:
    """A service's admin address as seen from another process."""

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
        """Return what /status says.

        Raises:
            NoAnswerError: nobody answers, or not as a wiverno.
        """
        code, text = self._ask("GET", "/status")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if code != 200 or not isinstance(found, dict) or "workers" not in found:
            raise NoAnswerError(f"{self.address} answers, but is no admin address of wiverno")
        return found

    def ask(self, action: str) -> tuple[bool, str]:
        """Ask for an action; return whether it was begun, and the answer's sentence.

        Raises:
            NoAnswerError: nobody answers.
        """
        code, text = self._ask("POST", f"/{action}")
        return code == 202, text.strip()
