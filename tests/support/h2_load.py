"""A load of HTTP/2 requests by clients that honour GOAWAY (RFC 9113 §6.8), so that every lost request is the server's.

After the first GOAWAY a client opens no more streams on that connection and another connection instead. Streams above
the last identifier that a GOAWAY names were not served and are sent again. Everything else must be answered.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.h2_client import Answer, H2Client, h2_client
from tests.support.waiting import PATIENCE

Check = Callable[[str, Answer], bool]


@dataclass
class Tally:
    """What became of the requests."""

    answered: int = 0
    repeated: int = 0
    connections: int = 0
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Visitor:
    """One client: a connection after the other, some streams at a time."""

    def __init__(self, address: Any, paths: Iterator[str], check: Check, tally: Tally, *, secure: bool) -> None:
        self._address = address
        self._paths = paths
        self._check = check
        self._tally = tally
        self._secure = secure
        self._again: list[str] = []
        self.is_over = threading.Event()

    def run(self, streams: int) -> None:
        """Keep so many streams open until `is_over` is set; end when the last one is answered."""
        while not self.is_over.is_set() or self._again:
            with contextlib.ExitStack() as stack:
                client = self._connect(stack)
                self._tally.connections += 1
                self._use(client, streams)

    def _connect(self, stack: contextlib.ExitStack) -> H2Client:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return stack.enter_context(h2_client(self._address, secure=self._secure))
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)  # between two looks; the deadline ends them

    def _use(self, client: H2Client, streams: int) -> None:
        asked: dict[int, str] = {}
        while True:
            with contextlib.suppress(OSError):  # what could not be sent is above the last stream of the GOAWAY
                while len(asked) < streams and not client.goaways and not client.is_closed:
                    if self._again:
                        path = self._again.pop()
                    elif self.is_over.is_set():
                        break
                    else:
                        path = next(self._paths)
                    asked[client.state.get_next_available_stream_id()] = path
                    client.request(path)
            if not asked:
                return
            client.receive()
            self._settle(client, asked)
            if client.is_closed:
                with self._tally.lock:
                    self._tally.lost += [f"{path}: the connection was closed" for path in asked.values()]
                return

    def _settle(self, client: H2Client, asked: dict[int, str]) -> None:
        tally = self._tally
        last = min((last for _, last in client.goaways), default=1 << 31)
        for stream, path in list(asked.items()):
            answer = client.answers.get(stream, Answer())
            if answer.is_complete:
                with tally.lock:
                    tally.answered += 1
                    if not self._check(path, answer):
                        tally.lost.append(f"{path}: {answer.status} {bytes(answer.body[:80])!r}")
            elif stream > last or answer.reset == 7:  # REFUSED_STREAM
                tally.repeated += 1
                self._again.append(path)
            elif answer.reset is not None:
                with tally.lock:
                    tally.lost.append(f"{path}: reset with {answer.reset}")
            else:
                continue
            del asked[stream]


def echoes(path: str, answer: Answer) -> bool:
    """Tell whether the answer is that of an application which echoes the path."""
    return answer.status == "200" and bytes(answer.body) == path.encode()


@contextlib.contextmanager
def h2_load(
    address: Any, *, connections: int = 4, streams: int = 8, secure: bool = False, check: Check = echoes
) -> Iterator[Tally]:
    """Keep a load up for the length of the block; all requests have been answered, or counted as lost, after it."""
    tally = Tally()
    numbers = itertools.count()
    paths = (f"/echo/{number}" for number in numbers)
    guard = threading.Lock()

    def one_by_one() -> Iterator[str]:
        while True:
            with guard:
                path = next(paths)
            yield path

    visitors = [Visitor(address, one_by_one(), check, tally, secure=secure) for _ in range(connections)]

    def visit(visitor: Visitor) -> None:
        try:
            visitor.run(streams)
        except BaseException as error:
            tally.lost.append(f"a client failed: {error!r}")
            raise

    threads = [threading.Thread(target=visit, args=(visitor,), daemon=True) for visitor in visitors]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        for visitor in visitors:
            visitor.is_over.set()
        for thread in threads:
            thread.join(PATIENCE * 3)
            if thread.is_alive():
                tally.lost.append("a client waits for ever")
