"""Clients that ask over TLS all the time, each request on a new connection and in turns on a kept one."""

import hashlib
import http.client
import ssl
import threading
from typing import Self

from tests.support.waiting import PATIENCE, wait_until


class HttpsLoad:
    """Requests from several threads until the block ends; certificates are recorded, not checked.

    Attributes:
        count: requests that were answered.
        failures: what went wrong.
        certificates: how often each certificate was shown, by its SHA-256, in the order in which they appeared.
    """

    def __init__(self, address: tuple[str, int], *, host: str = "localhost", clients: int = 2) -> None:
        self.count = 0
        self.failures: list[str] = []
        self.certificates: dict[str, int] = {}
        self._address = address
        self._host = host
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._ask()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))

    def _ask(self) -> None:
        """Open a connection, send two requests and close it, as the client does who must lose nothing."""
        connection = http.client.HTTPSConnection(*self._address, context=self._context, timeout=PATIENCE)
        try:
            connection.connect()
            shown = connection.sock.getpeercert(binary_form=True) or b""
            for _ in range(2):
                connection.request("GET", "/", headers={"Host": self._host})
                answer = connection.getresponse()
                answer.read()
                with self._lock:
                    self.count += 1
                    name = hashlib.sha256(shown).hexdigest()
                    self.certificates[name] = self.certificates.get(name, 0) + 1
                if answer.status != 200:
                    self.failures.append(str(answer.status))
                if answer.will_close:
                    return
        finally:
            connection.close()

    def wait_for_more(self, count: int = 20) -> None:
        """Wait until so many further requests are answered."""
        wanted = self.count + count
        wait_until(lambda: self.count >= wanted, PATIENCE * 3, what="answers")

    def wait_for_certificates(self, count: int) -> None:
        """Wait until so many different certificates have been shown."""
        wait_until(lambda: len(self.certificates) >= count, PATIENCE * 3, what=f"certificate {count}")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
