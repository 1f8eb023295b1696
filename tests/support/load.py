"""Clients that ask a service without a pause, and what they have lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.support.sockets import RawClient
from tests.support.waiting import PATIENCE


class Failure(NamedTuple):
    """A request without its answer, or with another one than 200.

    Attributes:
        words: what happened.
        pid: the process that had answered on this connection before; None if none had.
    """

    words: str
    pid: int | None


class Load:
    """Some clients keep their connections, some make a new one each time.

    The application answers with its process id and its version as the first two words, as tests.support.workers does.
    """

    def __init__(self, address: tuple[str, int], path: str = "/") -> None:
        self.address = address
        self.answers = 0
        self.failures: list[Failure] = []
        self.versions: set[bytes] = set()
        self._request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._is_over = False
        self._lock = threading.Lock()

    @contextmanager
    def running(self, kept: int, fresh: int) -> Iterator[None]:
        """Ask for the length of the block."""
        threads = [threading.Thread(target=self._run, args=(True,)) for _ in range(kept)]
        threads += [threading.Thread(target=self._run, args=(False,)) for _ in range(fresh)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over = True
            for thread in threads:
                thread.join(PATIENCE)

    def _run(self, is_kept: bool) -> None:
        while not self._is_over:
            pid: int | None = None
            try:
                with RawClient(self.address) as client:
                    goes_on = True
                    while goes_on and not self._is_over:
                        pid, goes_on = self._ask(client)
                        goes_on = goes_on and is_kept
            except (OSError, EOFError) as error:
                self.failures.append(Failure(repr(error), pid))

    def _ask(self, client: RawClient) -> tuple[int, bool]:
        """Make a request; return who answered and whether the connection goes on."""
        client.send(self._request)
        status, fields, body = client.response()
        if status != 200:
            self.failures.append(Failure(f"status {status}", None))
            return 0, fields.get("connection") != "close"
        pid, version = body.split()[:2]
        with self._lock:
            self.answers += 1
            self.versions.add(version)
        return int(pid), fields.get("connection") != "close"
